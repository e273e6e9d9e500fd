"""What a weights file decides about a new workspace: class order, transform_input, what it says."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from openmax_core.errors import ClassifierError, WorkspaceError
from openmax_core.network.checkpoint import Checkpoint
from openmax_core.network.classifier import Classifier, build_network
from openmax_core.pictures.folders import find_known_pictures
from openmax_core.pictures.images import Transform
from openmax_core.workspace.weights import N_TRIED, choose_transform_input
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

ARCHITECTURE = "shufflenet_v2_x0_5"
NATURAL = ("1", "2", "10")
SMALL = Transform((32, 32), (32, 32))


def put_pictures(folder: Path, classes: tuple[str, ...], count: int = 2) -> None:
    """Grey pictures; the first class is dark, the last bright."""
    for split in ("train", "test"):
        for place, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            grey = round(255 * (place + 0.5) / len(classes))
            for index in range(count):
                picture = Image.new("RGB", (8, 8), (grey, grey, grey))
                picture.save(folder / split / name / f"{index}.png")


def saved(folder: Path, n_classes: int = 3, **noted: Any) -> Path:
    torch.manual_seed(0)
    path = folder / "w.pth"
    torch.save({"state_dict": build_network(ARCHITECTURE, n_classes).state_dict(), **noted}, path)
    return path


# --- the order of classes ----------------------------------------------------------------------


def test_the_order_in_the_file_is_used_and_said(tmp_path: Path) -> None:
    put_pictures(tmp_path, NATURAL)
    weights = saved(tmp_path, class_to_idx={name: place for place, name in enumerate(NATURAL)})
    workspace = Workspace.create(tmp_path, ARCHITECTURE, weights=weights)
    assert workspace.classes == Workspace.open(tmp_path).classes == NATURAL
    assert workspace.pictures.find("test").labels.tolist() == [0, 0, 1, 1, 2, 2]
    (note,) = workspace.notes
    assert note == "the order of the classes is the one that w.pth notes, not the alphabet's"
    assert workspace.classifier.class_order_problem() is None


def test_without_names_in_the_file_the_folders_are_sorted(tmp_path: Path) -> None:
    put_pictures(tmp_path, NATURAL)
    workspace = Workspace.create(tmp_path, ARCHITECTURE, weights=saved(tmp_path))
    assert workspace.classes == ("1", "10", "2")
    assert workspace.notes == ()


def test_names_of_a_mac_are_those_of_the_file_and_spelt_as_the_folders(tmp_path: Path) -> None:
    names = ("étoile", "eau", "zèbre")
    mac = tuple(unicodedata.normalize("NFD", name) for name in names)
    put_pictures(tmp_path, mac)
    workspace = Workspace.create(
        tmp_path, ARCHITECTURE, weights=saved(tmp_path, classes=list(names))
    )
    assert workspace.classes == mac


def test_classes_of_the_file_without_a_folder_stay_in_their_places_and_are_named(
    tmp_path: Path,
) -> None:
    put_pictures(tmp_path, ("10", "2"))
    names = ["zero", *NATURAL]
    weights = saved(tmp_path, 4, class_to_idx={name: place for place, name in enumerate(names)})
    ran = shell("init", tmp_path, "--architecture", ARCHITECTURE, "--weights", weights)
    assert ran.code == 0
    assert "  the classes and their order are those that w.pth notes\n" in ran.out
    assert (
        f"  2 of 4 classes have no folder in {tmp_path}/train; each borrows a tail from the "
        "others: 'zero', '1'\n"
    ) in ran.out
    workspace = Workspace.open(tmp_path)
    assert workspace.classes == ("zero", "1", "2", "10")
    assert workspace.pictures.find("test").labels.tolist() == [2, 2, 3, 3]
    assert workspace.classifier.class_order_problem() is None
    assert workspace.classifier.load().classes == workspace.classes


def test_folders_of_some_classes_are_refused_where_the_file_names_none(tmp_path: Path) -> None:
    put_pictures(tmp_path, ("10", "2"))
    weights = saved(tmp_path, 4)
    with pytest.raises(ClassifierError) as caught:
        Workspace.create(tmp_path, ARCHITECTURE, weights=weights)
    assert (
        "with 4 classes, but the workspace has 2, and the file notes no names; give the 4 class "
        "names in the order of training, those without pictures too (--classes a,b,c or"
    ) in str(caught.value)
    classes = ("zero", *NATURAL)
    workspace = Workspace.create(tmp_path, ARCHITECTURE, weights=weights, classes=classes)
    assert workspace.classes == classes


def test_other_names_in_the_file_are_refused_with_both_unless_they_are_given(
    tmp_path: Path,
) -> None:
    put_pictures(tmp_path, NATURAL)
    weights = saved(tmp_path, classes=["one", "two", "ten"])
    with pytest.raises(WorkspaceError) as caught:
        Workspace.create(tmp_path, ARCHITECTURE, weights=weights)
    message = str(caught.value)
    assert "notes other classes: 'one', 'two', 'ten'; the folders are '1', '10', '2'." in message
    assert "--classes a,b,c" in message
    assert not (tmp_path / "workspace.toml").exists()
    workspace = Workspace.create(tmp_path, ARCHITECTURE, weights=weights, classes=NATURAL)
    assert workspace.classes == NATURAL
    (note,) = workspace.notes
    assert note.startswith("classes as given, though ")
    problem = workspace.classifier.class_order_problem()
    assert problem is not None
    assert "notes other classes" in problem


def test_the_shell_says_what_was_taken_from_a_file_and_writes_what_was_chosen(
    tmp_path: Path,
) -> None:
    put_pictures(tmp_path, NATURAL)
    state = build_network(ARCHITECTURE, 3).state_dict()
    weights = tmp_path / "w.pth"
    torch.save({"model": state, "model_ema": state, "classes": list(NATURAL)}, weights)
    given = ("init", tmp_path, "--architecture", ARCHITECTURE, "--weights", weights)
    first = shell(*given)
    assert first.code == 0
    assert "  the weights 'model' are taken; the file has 'model_ema' too" in first.out
    assert "weights_entry" not in (tmp_path / "workspace.toml").read_text(encoding="utf-8")
    (tmp_path / "workspace.toml").unlink()
    assert shell(*given, "--weights-entry", "model_ema").code == 0
    assert Workspace.open(tmp_path).settings.classifier.weights_entry == "model_ema"
    (tmp_path / "workspace.toml").unlink()
    assert "has no entry 'avg'; it has 'model'" in shell(*given, "--weights-entry", "avg").error
    assert "has no transform_input" in shell(*given, "--transform-input").error


def test_an_entry_without_weights_is_refused(tmp_path: Path) -> None:
    put_pictures(tmp_path, NATURAL)
    with pytest.raises(WorkspaceError, match="give weights too"):
        Workspace.create(tmp_path, ARCHITECTURE, weights_entry="ema")


# --- transform_input ---------------------------------------------------------------------------


class Bright(nn.Module):
    """Knows dark from bright as long as its input is normalised as often as it was in training."""

    def __init__(self, needs: bool) -> None:
        super().__init__()
        self.needs = needs
        self.transform_input = False

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        grey = batch.mean(dim=(1, 2, 3)) * (1 if self.transform_input == self.needs else -1)
        return torch.stack([-grey, grey], dim=1)


def chosen(folder: Path, network: nn.Module, count: int, **noted: Any) -> tuple[bool, str]:
    put_pictures(folder, ("dark", "light"), count)
    (folder / "w.pth").write_bytes(b"weights")
    classifier = Classifier("googlenet", ("dark", "light"), SMALL, network)
    train = find_known_pictures(folder / "train", classifier.classes)
    return choose_transform_input(classifier, Checkpoint(folder / "w.pth", {}, **noted), train)


@pytest.mark.parametrize("needs", [True, False])
def test_transform_input_is_what_is_right_on_more_training_pictures(
    tmp_path: Path, needs: bool
) -> None:
    value, note = chosen(tmp_path, Bright(needs), 40)
    assert value is needs
    with_it, without = (N_TRIED, 0) if needs else (0, N_TRIED)
    assert f"of {N_TRIED} training pictures {with_it} are right with it, {without} without" in note
    assert note.endswith("transform_input under [classifier] in workspace.toml changes it")


def test_pictures_that_decide_nothing_leave_what_torchvisions_training_gives(
    tmp_path: Path,
) -> None:
    value, note = chosen(tmp_path, Bright(needs=False), 1)  # two pictures: too few
    assert value is True
    assert "which decides nothing; torchvision's pretrained weights need it" in note


@pytest.mark.parametrize("noted", [True, False])
def test_what_openmax_train_noted_is_believed(tmp_path: Path, noted: bool) -> None:
    value, note = chosen(tmp_path, Bright(not noted), 40, transform_input=noted)
    assert value is noted
    assert note.endswith("as the weights file says")


def test_torchvisions_own_weights_are_known_by_their_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "openmax_core.network.classifier.sha256_of_file", lambda path: "1378be20" + 56 * "0"
    )
    value, note = chosen(tmp_path, Bright(needs=False), 40)
    assert value is True
    assert note == "transform_input is true: these are torchvision's own weights"


def test_a_new_workspace_of_googlenet_says_which_it_took(tmp_path: Path) -> None:
    put_pictures(tmp_path, ("dark", "light"))
    weights = tmp_path / "w.pth"
    network = build_network("googlenet", 2, init_weights=False)
    torch.save(network.state_dict(), weights)
    workspace = Workspace.create(tmp_path, "googlenet", weights=weights, transform=SMALL)
    assert "transform_input = true" in (tmp_path / "workspace.toml").read_text(encoding="utf-8")
    assert workspace.notes[-1].startswith("transform_input is true: of 4 training pictures ")
    assert vars(workspace.classifier.load().network)["transform_input"] is True
    (tmp_path / "workspace.toml").unlink()
    told = Workspace.create(
        tmp_path, "googlenet", weights=weights, transform=SMALL, transform_input=False
    )
    assert told.notes == ()
    assert vars(told.classifier.load().network)["transform_input"] is False
    assert told.classifier.key != workspace.classifier.key


def test_an_architecture_is_checked_where_there_are_no_weights_yet(tmp_path: Path) -> None:
    put_pictures(tmp_path, ("a", "b"))
    with pytest.raises(ClassifierError, match="resnet18 has no transform_input"):
        Workspace.create(tmp_path, "resnet18", transform_input=True)
    assert Workspace.create(tmp_path, "regnet_y_128gf").classes == ("a", "b")
