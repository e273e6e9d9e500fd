"""The folders of a workspace against what is stored of them, and stores that are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from openmax_core.errors import (
    ActivationsError,
    WorkspaceError,
)
from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import (
    REJECT,
    TEST,
    TRAIN,
    add_a_picture,
    stored,
    touch_a_picture,
)


def test_a_test_folder_of_another_class_is_named(workspace: Workspace) -> None:
    folder = workspace.pictures.folder("test")
    (folder / "green").rename(folder / "grean")
    with pytest.raises(WorkspaceError, match="has the folder 'grean' that the classifier does not"):
        workspace.extract("cpu")
    assert not (workspace.folder / "activations").exists()


def test_a_class_without_a_training_folder_borrows_and_the_others_go_on(
    workspace: Workspace,
) -> None:
    shutil.rmtree(workspace.pictures.folder("train") / "green")
    workspace.extract("cpu")
    openmax = workspace.evaluate().openmax
    index = workspace.classes.index("green")
    assert openmax.borrowed_[index]
    assert openmax.n_training_[index] == 0
    assert openmax.n_training_.sum() == len(workspace.pictures.find("train"))


def test_status_tells_missing_current_and_stale(workspace: Workspace) -> None:
    assert workspace.status("test") == SplitStatus(TEST * 3, None, False, None)
    workspace.extract("cpu")
    assert workspace.status("test") == SplitStatus(TEST * 3, TEST * 3, True, None)
    add_a_picture(workspace.pictures.folder("test"))
    assert workspace.status("test") == SplitStatus(TEST * 3 + 1, TEST * 3, False, None)
    assert workspace.status("train").is_current
    touch_a_picture(workspace.pictures.folder("train"))
    assert workspace.status("train") == SplitStatus(TRAIN * 3, TRAIN * 3, False, None)


def test_status_tells_a_missing_folder(extracted: Workspace) -> None:
    shutil.rmtree(extracted.pictures.folder("reject"))
    status = extracted.status("reject")
    assert (status.n_files, status.n_stored, status.is_current) == (0, REJECT, False)
    assert str(status.problem).startswith(
        f"the folder {extracted.folder / 'reject'} does not exist; correct it under [folders] in "
        f"{extracted.folder / 'workspace.toml'}"
    )


def test_status_tells_missing_weights_and_still_counts_the_pictures(extracted: Workspace) -> None:
    path = extracted.classifier.weights_path
    path.unlink()
    status = Workspace.open(extracted.folder).status("test")
    assert (status.n_files, status.n_stored, status.is_current) == (TEST * 3, None, False)
    assert f"the weights file {path} does not exist" in str(status.problem)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(b"\xff" * 500)


@pytest.mark.parametrize("damage", [empty, tear, overwrite, Path.unlink])
def test_a_store_without_its_key_is_made_again(
    extracted: Workspace, damage: Callable[[Path], None]
) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    damage(folder / "key.json")
    assert extracted.extract("cpu").n_run == {"train": 0, "test": TEST * 3, "reject": 0}
    assert extracted.evaluate("bendale").curve.n_test == TEST * 3


@pytest.mark.parametrize("name", ["logits.npy", "pictures.parquet"])
@pytest.mark.parametrize("damage", [empty, tear, overwrite, Path.unlink])
def test_damaged_activations_are_named_with_the_way_out(
    extracted: Workspace, name: str, damage: Callable[[Path], None]
) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    damage(folder / name)
    with pytest.raises(ActivationsError, match=r"are damaged .*; delete that folder and run") as e:
        extracted.extract("cpu")
    assert str(folder) in str(e.value)
    with pytest.raises(ActivationsError, match="are damaged"):
        extracted.evaluate("bendale")
    shutil.rmtree(folder)
    assert extracted.extract("cpu").n_run == {"train": 0, "test": TEST * 3, "reject": 0}
    assert extracted.evaluate("bendale").curve.n_test == TEST * 3


def test_logits_that_do_not_belong_to_the_table_are_refused(extracted: Workspace) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    np.save(folder / "logits.npy", np.zeros((TEST * 3 - 1, 3), dtype=np.float32))
    with pytest.raises(ActivationsError, match=r"do not fit together\); delete that folder"):
        extracted.evaluate("bendale")


def test_a_table_without_its_columns_is_refused(extracted: Workspace) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    stored(extracted, "test").pictures.drop(columns="status").to_parquet(
        folder / "pictures.parquet"
    )
    with pytest.raises(ActivationsError, match="damaged"):
        extracted.evaluate("bendale")


def test_pickled_objects_in_place_of_logits_are_never_opened(extracted: Workspace) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    np.save(folder / "logits.npy", np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(ActivationsError, match="are damaged"):
        extracted.evaluate("bendale")
