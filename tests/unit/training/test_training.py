"""Fine-tuning: what is trained, what stays, what is written, and what happens when it fails."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from PIL import Image

from openmax_core.errors import ClassifierError, OpenMaxError, WorkspaceError
from openmax_core.network.checkpoint import noted_by_training, read_checkpoint
from openmax_core.network.classifier import build_network
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.support.jobs import Job
from openmax_core.training import training
from openmax_core.training.progress import Epoch, Step
from openmax_core.training.settings import TrainingSettings
from openmax_core.training.training import TrainingReport, train
from openmax_core.training.unfinished import checkpoint_of, find_unfinished, unfinished_weights
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace

torch.set_num_threads(1)  # sums in one order: the same weights bit for bit

ARCHITECTURE = "shufflenet_v2_x0_5"
CLASSES = ("blue", "red")
COUNT, HELD_OUT = 14, 2  # of each class; 0.15 · 14 rounds to 2
SIDE = 32
Weights = dict[str, torch.Tensor]


def put(folder: Path, colour: str, count: int = COUNT) -> None:
    """Write dark noise, bright in the channel of its class."""
    folder.mkdir(parents=True)
    for index in range(count):
        rng = np.random.default_rng([index, *colour.encode()])
        pixels = rng.integers(0, 90, (SIDE, SIDE, 3))
        pixels[..., ("red", "green", "blue").index(colour)] += rng.integers(100, 160)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:02d}.png")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and backbone weights of 7 classes whose batch normalisation has seen noise."""
    folder = tmp_path_factory.mktemp("material")
    for name in CLASSES:
        put(folder / "train" / name, name)
        shutil.copytree(folder / "train" / name, folder / "test" / name)
    torch.manual_seed(1)
    network = build_network(ARCHITECTURE, 7).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(20):
            colour = 1.5 * torch.randn(24, 3, 1, 1, generator=generator)
            network(colour + 0.3 * torch.randn(24, 3, SIDE, SIDE, generator=generator))
    safetensors.torch.save_file(network.state_dict(), folder / "backbone.safetensors")
    return folder


@pytest.fixture
def workspace(material: Path, tmp_path: Path) -> Workspace:
    folder = Path(shutil.copytree(material, tmp_path / "colours"))
    return Workspace.create(
        folder,
        ARCHITECTURE,
        transform=Transform(resize=(SIDE, SIDE), crop=(SIDE, SIDE)),
        train_transform=TrainTransform(brightness=0.1),
    )


def fine_tune(
    workspace: Workspace, backbone: bool = True, on_epoch: Any = None, **settings: Any
) -> TrainingReport:
    chosen = TrainingSettings(**{"epochs": 1, "head_epochs": 1, "batch_size": 8, **settings})
    source = str(workspace.folder / "backbone.safetensors") if backbone else None
    return train(workspace, source, chosen, "cpu", on_epoch or (lambda epoch: None))


def read(path: Path) -> Weights:
    weights: Weights = safetensors.torch.load_file(path)
    return weights


def is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var"))


# --- what is trained -------------------------------------------------------------------------


def test_a_toy_problem_is_learned(workspace: Workspace, through_torch: None) -> None:
    report = fine_tune(workspace, epochs=8, learning_rate=3e-3)
    assert report.held_out_accuracy > 0.9
    assert (report.n_train, report.n_held_out) == (2 * (COUNT - HELD_OUT), 2 * HELD_OUT)
    workspace.extract("cpu")
    activations = workspace.stored.activations("test")
    assert activations is not None
    assert np.mean(activations.pictures["prediction"] == activations.pictures["label"]) > 0.9


@pytest.mark.parametrize("backbone", [True, False], ids=["backbone", "random"])
def test_a_seed_gives_the_same_weights_bit_for_bit(workspace: Workspace, backbone: bool) -> None:
    first = read(fine_tune(workspace, backbone, seed=3, batch_size=7).weights)
    second = read(fine_tune(workspace, backbone, seed=3, batch_size=7).weights)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights(workspace: Workspace) -> None:
    first = read(fine_tune(workspace, seed=1).weights)
    second = read(fine_tune(workspace, seed=2).weights)
    assert not torch.equal(first["fc.weight"], second["fc.weight"])


def test_the_last_layer_alone_leaves_the_backbone_as_it_was(workspace: Workspace) -> None:
    before = read(workspace.folder / "backbone.safetensors")
    after = read(fine_tune(workspace, epochs=0, head_epochs=1).weights)
    counters = {name for name in before if name.endswith("num_batches_tracked")}
    for name in before.keys() - {"fc.weight", "fc.bias"} - counters:
        assert torch.equal(before[name], after[name]), name
    assert before["fc.weight"].shape == (7, 1024)
    assert after["fc.weight"].shape == (2, 1024)


@pytest.mark.parametrize("head_epochs", [0, 1])
def test_batch_statistics_stay_those_of_the_backbone(
    workspace: Workspace, head_epochs: int
) -> None:
    before = read(workspace.folder / "backbone.safetensors")
    report = fine_tune(workspace, epochs=6, head_epochs=head_epochs, learning_rate=3e-3)
    after = read(report.weights)
    changed = [
        name for name in before if is_statistic(name) and not before[name].equal(after[name])
    ]
    assert changed == []
    assert not torch.equal(before["conv1.0.weight"], after["conv1.0.weight"])  # was trained


def test_a_backbone_is_trained_with_the_small_learning_rate(workspace: Workspace) -> None:
    # 1e-4 where none is given: AdamW moves no weight by more than about that in a step.
    before = read(workspace.folder / "backbone.safetensors")["conv1.0.weight"]
    after = read(fine_tune(workspace, epochs=1, head_epochs=0, batch_size=99).weights)
    moved = (after["conv1.0.weight"] - before).abs().max().item()
    assert 5e-5 < moved < 1.1e-4


def test_random_weights_learn_their_own_batch_statistics(workspace: Workspace) -> None:
    after = read(fine_tune(workspace, backbone=False).weights)
    assert not torch.equal(after["conv1.1.running_mean"], torch.zeros(24))


def test_random_weights_have_no_phase_of_the_last_layer_alone(workspace: Workspace) -> None:
    epochs: list[Epoch] = []
    fine_tune(workspace, backbone=False, on_epoch=epochs.append, epochs=2, head_epochs=5)
    assert [(epoch.phase, epoch.number) for epoch in epochs] == [("all", 1), ("all", 2)]


def test_it_stops_when_the_held_out_loss_no_longer_falls(workspace: Workspace) -> None:
    epochs: list[Epoch] = []
    # A rate at which the loss jumps about: two epochs in a row without a better one come soon.
    fine_tune(
        workspace, on_epoch=epochs.append, epochs=40, head_epochs=0, learning_rate=0.02, patience=2
    )
    losses = [epoch.held_out_loss for epoch in epochs]
    assert 3 <= len(epochs) < 40
    assert min(losses[-2:]) >= min(losses[:-2])
    assert losses[-3] == min(losses)


def test_the_weights_of_the_best_epoch_are_kept(workspace: Workspace) -> None:
    epochs: list[Epoch] = []
    report = fine_tune(
        workspace, on_epoch=epochs.append, epochs=12, head_epochs=1, learning_rate=0.1, patience=3
    )
    best = min(epochs, key=lambda epoch: epoch.held_out_loss)
    assert report.held_out_accuracy == best.held_out_accuracy


def test_progress_counts_the_pictures_of_every_epoch(workspace: Workspace) -> None:
    seen: list[Step] = []
    settings = TrainingSettings(epochs=1, head_epochs=1, batch_size=10)
    train(
        workspace,
        str(workspace.folder / "backbone.safetensors"),
        settings,
        "cpu",
        on_step=seen.append,
    )
    counts = [(step.phase, step.stage, step.done, step.total) for step in seen]
    assert counts[:28] == [("", "pictures", done, 28) for done in range(1, 29)]
    assert counts[28:] == [
        (phase, *where)
        for phase in ("head", "all")
        for where in ((phase, 10, 24), (phase, 20, 24), (phase, 24, 24), ("held out", 4, 4))
    ]
    shares = [step.share for step in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert [len(step.epochs) for step in seen[28:]] == [0] * 4 + [1] * 4
    assert seen[-1].seconds_left == 0.0


# --- what is written -------------------------------------------------------------------------


def test_the_file_s_name_carries_the_held_out_accuracy(workspace: Workspace) -> None:
    report = fine_tune(workspace)
    name = f"{ARCHITECTURE}-{report.held_out_accuracy:.4f}.safetensors"
    assert report.weights == workspace.folder / name
    assert workspace.settings.classifier.weights == name
    assert Workspace.open(workspace.folder).classifier.load().classes == CLASSES


def test_the_settings_file_keeps_its_comments(workspace: Workspace) -> None:
    path = workspace.folder / FILE_NAME
    text = "# the colours of 2024\n" + path.read_text(encoding="utf-8")
    text = text.replace('preset = "openmax"', 'preset = "openmax"  # agreed on')
    path.write_text(text, encoding="utf-8")
    report = fine_tune(Workspace.open(workspace.folder))
    written = path.read_text(encoding="utf-8")
    assert written.splitlines()[0] == "# the colours of 2024"
    assert 'preset = "openmax"  # agreed on' in written
    lines = [line for line in written.splitlines() if line not in text.splitlines()]
    assert lines == [f'weights = "{report.weights.name}"']


def full_disk(*arguments: object, **options: object) -> Never:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_workspace_as_it_was(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        path: path.read_bytes() for path in sorted(workspace.folder.rglob("*")) if path.is_file()
    }
    monkeypatch.setattr("openmax_core.support.files.os.fsync", full_disk)
    with pytest.raises(OpenMaxError, match=r"cannot write .* MB in .*: No space left on device"):
        fine_tune(workspace)
    monkeypatch.undo()
    after = {
        path: path.read_bytes() for path in sorted(workspace.folder.rglob("*")) if path.is_file()
    }
    assert after == before
    assert workspace.settings.classifier.weights is None


# --- pictures --------------------------------------------------------------------------------


def test_unreadable_files_are_reported_and_left_out(workspace: Workspace) -> None:
    broken = workspace.pictures.folder("train") / "red" / "broken.png"
    broken.write_bytes(b"no picture")
    report = fine_tune(workspace)
    assert len(report.unreadable) == 1
    assert report.unreadable[0].startswith(f"{broken}: the content is not a picture")
    assert report.n_train + report.n_held_out == 2 * COUNT


@pytest.mark.parametrize("readable", [0, 1])
def test_a_class_with_too_few_pictures_is_named(workspace: Workspace, readable: int) -> None:
    pictures = sorted((workspace.pictures.folder("train") / "red").iterdir())
    for path in pictures[readable:]:
        path.write_bytes(b"no picture")
    with pytest.raises(
        WorkspaceError, match=f"class 'red' has {readable} readable training pictures"
    ):
        fine_tune(workspace)
    assert workspace.settings.classifier.weights is None


def test_two_pictures_a_class_are_enough(workspace: Workspace) -> None:
    for name in CLASSES:
        for path in sorted((workspace.pictures.folder("train") / name).iterdir())[2:]:
            path.unlink()
    report = fine_tune(workspace, batch_size=1)
    assert (report.n_train, report.n_held_out) == (2, 2)


# --- weights to start from -------------------------------------------------------------------


def test_backbone_weights_of_another_architecture(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "squeezenet.safetensors"
    safetensors.torch.save_file(build_network("squeezenet1_1", 2).state_dict(), path)
    settings = TrainingSettings(epochs=1)
    with pytest.raises(
        ClassifierError, match=r"squeezenet\.safetensors are of another architecture"
    ):
        train(workspace, str(path), settings, "cpu")


def test_backbone_weights_that_do_not_exist(workspace: Workspace) -> None:
    with pytest.raises(ClassifierError, match=r"gone\.pth does not exist"):
        train(workspace, "gone.pth", TrainingSettings(epochs=1), "cpu")


def test_what_no_tensor_says_is_noted_beside_the_weights(workspace: Workspace) -> None:
    report = fine_tune(workspace, epochs=0)
    found = read_checkpoint(report.weights)
    assert found.classes == workspace.classes
    assert found.architecture == ARCHITECTURE
    assert found.transform_input is False
    noted = noted_by_training(report.weights)["transform"]
    assert noted == json.loads(json.dumps(workspace.settings.transform.to_dict()))
    assert noted_by_training(workspace.folder / "backbone.safetensors") == {}
    assert noted_by_training(workspace.folder / "gone.pth") == {}
    assert workspace.classifier.class_order_problem() is None
    assert set(found.tensors) == set(build_network(ARCHITECTURE, 2).state_dict())


def test_torchvisions_googlenet_is_trained_and_kept_with_transform_input(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    downloaded = build_network("googlenet", 1000, init_weights=False).state_dict()
    monkeypatch.setattr(
        torchvision.models.GoogLeNet_Weights, "get_state_dict", lambda *given, **named: downloaded
    )
    settings = workspace.settings
    googlenet = replace(settings.classifier, architecture="googlenet")
    workspace.save_settings(replace(settings, classifier=googlenet))
    chosen = TrainingSettings(epochs=0, head_epochs=1, batch_size=8)
    report = train(workspace, "DEFAULT", chosen, "cpu")
    again = Workspace.open(workspace.folder)
    assert again.settings.classifier.transform_input is True
    assert read_checkpoint(report.weights).transform_input is True
    network = again.classifier.load().network
    assert vars(network)["transform_input"] is True
    torchvisions = torchvision.models.googlenet(
        num_classes=2, transform_input=True, init_weights=False
    ).eval()
    torchvisions.load_state_dict(read(report.weights))
    batch = torch.rand(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        assert torch.equal(network(batch), torchvisions(batch))


def test_weights_that_cannot_be_downloaded_say_to_give_a_file(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(
        ClassifierError,
        match=r"cannot be downloaded .*download https://\S+\.pth elsewhere and start from",
    ):
        train(workspace, "DEFAULT", TrainingSettings(epochs=1), "cpu")


# --- settings --------------------------------------------------------------------------------


def test_nothing_to_train_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(OpenMaxError, match="nothing to train: set --epochs or --head-epochs"):
        fine_tune(workspace, epochs=0, head_epochs=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("head_epochs", -1),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("held_out", 0.0),
        ("held_out", 1.0),
        ("patience", 0),
        ("seed", -1),
    ],
)
def test_settings_out_of_range_are_named_before_any_work(
    workspace: Workspace, name: str, value: float
) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(OpenMaxError, match=name):
        fine_tune(workspace, **settings)


@pytest.mark.parametrize("epochs", [1, 3])
def test_diverging_weights_are_an_error_and_never_written(
    workspace: Workspace, epochs: int
) -> None:
    # One batch an epoch: its loss is still that of the start, only the held-out one shows it.
    with pytest.raises(ClassifierError, match="diverged in epoch 1; use a smaller --learning-rate"):
        fine_tune(workspace, False, epochs=epochs, batch_size=99, learning_rate=1e30)
    assert workspace.settings.classifier.weights is None
    assert not list(workspace.folder.glob(f"{ARCHITECTURE}-*"))


def test_batches_of_one_picture_from_random_weights_are_refused_by_name(
    workspace: Workspace,
) -> None:
    with pytest.raises(OpenMaxError, match="batch"):
        fine_tune(workspace, backbone=False, batch_size=1)


# --- interrupted ---------------------------------------------------------------------------------


def test_an_interrupted_run_keeps_the_best_weights_so_far(workspace: Workspace) -> None:
    before = (workspace.folder / FILE_NAME).read_bytes()

    def stop(epoch: Epoch) -> None:
        if (epoch.phase, epoch.number) == ("all", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(workspace, on_epoch=stop, epochs=2)
    kept = unfinished_weights(workspace)
    assert (workspace.folder / FILE_NAME).read_bytes() == before
    weights = read(kept)
    kept.rename(workspace.folder / "head.safetensors")
    checkpoint_of(kept).unlink()
    head = read(fine_tune(workspace, epochs=0).weights)  # the same first epoch, to its end
    assert all(torch.equal(weights[name], tensor) for name, tensor in head.items())
    assert not kept.exists()


@pytest.mark.parametrize(
    ("architecture", "backbone", "stopped"),
    [
        (ARCHITECTURE, True, ("head", 1)),  # in the second epoch of the last layer
        (ARCHITECTURE, True, ("head", 2)),  # between the two phases
        (ARCHITECTURE, True, ("all", 1)),
        ("squeezenet1_1", False, ("all", 1)),  # has dropout: random numbers of torch
    ],
)
def test_the_same_run_goes_on_and_ends_with_the_same_weights_bit_for_bit(
    workspace: Workspace, architecture: str, backbone: bool, stopped: tuple[str, int]
) -> None:
    settings = workspace.settings
    other = replace(settings.classifier, architecture=architecture)
    workspace.save_settings(replace(settings, classifier=other))
    chosen = TrainingSettings(epochs=2, head_epochs=2, batch_size=12, seed=5, learning_rate=1e-3)
    source = str(workspace.folder / "backbone.safetensors") if backbone else None
    epochs: list[Epoch] = []
    through = train(workspace, source, chosen, "cpu", on_epoch=epochs.append)
    expected = read(through.weights)
    workspace.save_settings(replace(settings, classifier=other))
    through.weights.unlink()
    before: list[Epoch] = []

    def stop(step: Step) -> None:
        if step.phase and before and (before[-1].phase, before[-1].number) == stopped:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(workspace, source, chosen, "cpu", on_epoch=before.append, on_step=stop)
    after: list[Epoch] = []
    notes: list[str] = []
    torch.manual_seed(99)  # as another process would be
    report = train(workspace, source, chosen, "cpu", on_epoch=after.append, on_note=notes.append)
    layers = "the last layer" if stopped[0] == "head" else "all layers"
    assert notes[0].startswith(f"goes on after epoch {stopped[1]} of {layers}")
    assert [*before, *after] == epochs
    assert report == through
    assert report.epochs == tuple(epochs)
    weights = read(report.weights)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert not list(workspace.folder.glob("*-unfinished*"))


@pytest.fixture
def interrupted(workspace: Workspace) -> Path:
    """Checkpoint of a run that was stopped in its second epoch of all layers."""
    with pytest.raises(KeyboardInterrupt):
        fine_tune(workspace, head_epochs=0, epochs=2, on_epoch=stop_at_the_second)
    return checkpoint_of(unfinished_weights(workspace))


def stop_at_the_second(epoch: Epoch) -> None:
    if epoch.number == 2:
        raise KeyboardInterrupt


def test_a_run_that_is_told_to_stop_ends_before_the_next_batch(workspace: Workspace) -> None:
    before = sorted(item.name for item in workspace.folder.iterdir())
    seen: list[Step] = []

    def work(report: Callable[[Step], None]) -> TrainingReport:
        def on_step(step: Step) -> None:
            seen.append(step)
            if step.phase and step.done == 8:
                job.cancel()
            report(step)

        settings = TrainingSettings(batch_size=8)
        return train(workspace, None, settings, "cpu", on_step=on_step)

    job = Job[Step, TrainingReport](work)
    with pytest.raises(OpenMaxError, match="was cancelled"):
        job.result(60)
    assert (seen[-1].stage, seen[-1].number, seen[-1].done) == ("all", 1, 8)
    assert job.problem is None
    assert sorted(item.name for item in workspace.folder.iterdir()) == before


def test_looking_at_the_pictures_can_be_stopped(workspace: Workspace) -> None:
    def stop(step: Step) -> None:
        assert step.stage == "pictures"
        if step.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(workspace, None, TrainingSettings(), "cpu", on_step=stop)


def test_a_download_is_not_waited_for_by_whom_stops(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(training, "_load_own", lambda architecture: goes_on.wait(60))

    def stop(step: Step) -> None:
        if step.stage == "weights":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(workspace, "DEFAULT", TrainingSettings(), "cpu", on_step=stop)
    assert not goes_on.is_set()
    goes_on.set()


def test_settings_and_epochs_of_an_interrupted_run_are_kept(
    workspace: Workspace, interrupted: Path
) -> None:
    found = find_unfinished(workspace)
    assert found is not None
    assert found.settings == TrainingSettings(epochs=2, head_epochs=0, batch_size=8)
    assert found.backbone_weights == str(workspace.folder / "backbone.safetensors")
    assert found.device == "cpu"
    assert [(epoch.phase, epoch.number) for epoch in found.epochs] == [("all", 1)]
    assert found.in_words == "after epoch 1 of all layers"
    seen: list[Step] = []
    report = train(
        workspace, found.backbone_weights, found.settings, found.device, on_step=seen.append
    )
    trained = [step for step in seen if step.phase]
    assert trained[0].epochs == found.epochs
    assert trained[0].number == 2
    assert report.epochs[0] == found.epochs[0]
    assert len(report.epochs) == 2
    assert find_unfinished(workspace) is None


def test_a_checkpoint_of_an_earlier_version_goes_on(
    workspace: Workspace, interrupted: Path
) -> None:
    torch.save(torch.load(interrupted, weights_only=True), interrupted)  # without the entry
    found = find_unfinished(workspace)
    assert found is not None
    assert (found.settings, found.epochs) == (None, ())
    epochs: list[Epoch] = []
    report = fine_tune(workspace, head_epochs=0, epochs=2, on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == [2]
    assert report.epochs == tuple(epochs)


def test_a_run_can_begin_anew_where_it_could_go_on(workspace: Workspace, interrupted: Path) -> None:
    interrupted.write_bytes(b"damaged, too")
    epochs: list[Epoch] = []
    train(
        workspace,
        str(workspace.folder / "backbone.safetensors"),
        TrainingSettings(epochs=2, head_epochs=0, batch_size=8),
        "cpu",
        epochs.append,
        anew=True,
    )
    assert [epoch.number for epoch in epochs] == [1, 2]


def test_weights_of_another_training_that_was_as_good_are_kept(workspace: Workspace) -> None:
    first = fine_tune(workspace, epochs=0)
    content = first.weights.read_bytes()
    second = fine_tune(workspace, epochs=0, seed=7, learning_rate=1e-3)
    if second.held_out_accuracy == first.held_out_accuracy:
        assert second.weights.name == f"{first.weights.stem}-2.safetensors"
    assert first.weights.read_bytes() == content
    assert workspace.settings.classifier.weights == second.weights.name


@pytest.mark.parametrize("change", ["settings", "pictures", "weights", "transform"])
def test_another_run_starts_anew_and_says_so(
    workspace: Workspace, interrupted: Path, change: str
) -> None:
    chosen: dict[str, Any] = {"head_epochs": 0, "epochs": 2}
    if change == "settings":
        chosen["seed"] = 1
    if change == "pictures":
        next((workspace.pictures.folder("train") / "red").iterdir()).unlink()
    if change == "weights":
        network = build_network(ARCHITECTURE, 7)
        safetensors.torch.save_file(network.state_dict(), workspace.folder / "backbone.safetensors")
    if change == "transform":
        transform = replace(workspace.settings.transform, interpolation="bilinear")
        workspace.save_settings(replace(workspace.settings, transform=transform))
    notes: list[str] = []
    epochs: list[Epoch] = []
    backbone = str(workspace.folder / "backbone.safetensors")
    settings = TrainingSettings(batch_size=8, **chosen)
    train(workspace, backbone, settings, "cpu", epochs.append, on_note=notes.append)
    assert [epoch.number for epoch in epochs] == [1, 2]
    (note,) = notes
    assert note.startswith(f"{interrupted} is of a run with other pictures, settings, weights")
    assert "starts anew" in note


def test_a_damaged_checkpoint_is_named_with_the_way_out(
    workspace: Workspace, interrupted: Path
) -> None:
    interrupted.write_bytes(interrupted.read_bytes()[:5000])
    with pytest.raises(ClassifierError, match=r"unfinished\.pt .*cannot be read .*start anew"):
        fine_tune(workspace, head_epochs=0, epochs=2)
    assert interrupted.exists()


def test_a_checkpoint_is_never_unpickled(workspace: Workspace, interrupted: Path) -> None:
    sprung = workspace.folder / "sprung"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (sprung,)

    torch.save({"key": Trap()}, interrupted)
    with pytest.raises(ClassifierError, match=r"unfinished\.pt .*cannot be read"):
        fine_tune(workspace, head_epochs=0, epochs=2)
    assert not sprung.exists()


def test_a_disk_without_room_is_noticed_before_training(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> Never:
        raise OSError(errno.ENOSPC, "No space left on device")

    names = sorted(item.name for item in workspace.folder.iterdir())
    epochs: list[Epoch] = []
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OpenMaxError, match="No space left on device"):
        fine_tune(workspace, on_epoch=epochs.append)
    assert not epochs
    assert sorted(item.name for item in workspace.folder.iterdir()) == names
