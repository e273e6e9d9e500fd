"""The Workspace page trains a network: every state of the panel, and the steps to a threshold."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from openmax_core.errors import ClassifierError
from openmax_core.support.jobs import Job
from openmax_core.training.progress import Epoch, Step
from openmax_core.training.settings import TrainingSettings
from openmax_core.training.training import TrainingReport
from openmax_core.training.unfinished import (
    Unfinished,
    checkpoint_of,
    unfinished_weights,
    write_checkpoint,
)
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs
from pages._workspace import training as panel
from tests.app.visitor import button, texts
from tests.support.workspaces import make_workspace

EPOCHS = (Epoch("head", 1, 0.9, 0.8, 0.5, 20), Epoch("all", 1, 0.7, 0.6, 0.75, 20))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace without weights, under an allowed folder."""
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    workspace = make_workspace(
        tmp_path / "trees", n_train=4, n_test=2, n_reject=2, stored=False, preset="robust"
    )
    workspace.classifier.weights_path.unlink()
    classifier = replace(workspace.settings.classifier, weights=None)
    workspace.save_settings(replace(workspace.settings, classifier=classifier))
    return workspace


class Trainer:
    """Stands for the training: notes what it is asked for, and ends as it is told to."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.end: Callable[[Workspace], TrainingReport] = self.done

    def __call__(
        self,
        workspace: Workspace,
        backbone: str | None,
        settings: TrainingSettings,
        device: str,
        on_step: Callable[[Step], None],
        on_note: Callable[[str], None],
        anew: bool,
    ) -> TrainingReport:
        self.asked.append(
            {"backbone": backbone, "settings": settings, "device": device, "anew": anew}
        )
        on_step(Step("pictures", 1, 12))
        return self.end(workspace)

    @staticmethod
    def done(workspace: Workspace) -> TrainingReport:
        path = workspace.folder / "resnet18-0.7500.safetensors"
        path.touch()
        classifier = replace(workspace.settings.classifier, weights=path.name)
        workspace.save_settings(replace(workspace.settings, classifier=classifier))
        return TrainingReport(path, 0.75, 9, 20, ("a.png: cut off",), EPOCHS)

    @staticmethod
    def offline(workspace: Workspace) -> TrainingReport:
        raise ClassifierError("the weights cannot be downloaded; start from a file")


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(panel, "train", made)
    return made


def when_ended(app: AppTest, workspace: Workspace) -> AppTest:
    """The page once the training is over."""
    job = jobs.find("training", workspace)
    assert job is not None
    job._thread.join(30)
    return app.run()


def choose_source(app: AppTest, source: str) -> None:
    (radio,) = [item for item in app.radio if item.label == "Start from"]
    radio.set_value(source).run()


def number(app: AppTest, label: str) -> Any:
    (found,) = [item for item in app.number_input if item.label == label]
    return found


def leave_unfinished(workspace: Workspace, run: Unfinished) -> Path:
    path = checkpoint_of(unfinished_weights(workspace))
    write_checkpoint(path, {"key": "k"}, run)
    return path


# --- the form --------------------------------------------------------------------------------


def test_a_workspace_without_weights_offers_the_training(open_app, bare, trainer):
    app = open_app(bare.folder, "workspace")
    assert "**Train**" in texts(app.markdown)
    assert "12 training pictures" in texts(app.caption)
    primary = [item.label for item in app.button if item.proto.type == "primary"]
    assert primary == ["Start training"]
    button(app, "Start training").click().run()
    when_ended(app, bare)
    assert trainer.asked == [
        {
            "backbone": "DEFAULT",
            "settings": TrainingSettings(),
            "device": "auto",
            "anew": False,
        }
    ]


def test_all_settings_of_the_shell_can_be_chosen(open_app, bare, trainer):
    app = open_app(bare.folder, "workspace")
    choose_source(app, "nothing")
    for label, value in (
        ("Epochs", 7),
        ("Batch size", 8),
        ("Learning rate", 0.003),
        ("Patience", 2),
        ("Seed", 5),
    ):
        number(app, label).set_value(value)
    assert number(app, "Epochs of the last layer").disabled
    (device,) = [item for item in app.selectbox if item.label == "Device"]
    device.set_value("cpu")
    button(app, "Start training").click().run()
    when_ended(app, bare)
    (asked,) = trainer.asked
    assert (asked["backbone"], asked["device"]) == (None, "cpu")
    assert asked["settings"] == TrainingSettings(7, 2, 8, 0.003, 0.15, 2, 5)


@pytest.mark.parametrize(
    ("file", "refusal"),
    [
        ("", "Fill this in."),
        ("/elsewhere/w.pth", "is not under an allowed folder"),
        ("{}/gone.pth", "does not exist"),
    ],
)
def test_a_file_to_start_from_must_be_allowed_and_there(open_app, bare, trainer, file, refusal):
    app = open_app(bare.folder, "workspace")
    choose_source(app, "file")
    (box,) = [item for item in app.text_input if item.label == "Weights file to start from"]
    box.set_value(file.format(bare.folder))
    button(app, "Start training").click().run()
    assert refusal in texts(app.error)
    assert not trainer.asked


def test_a_file_to_start_from_is_used(open_app, bare, trainer):
    (bare.folder / "w.pth").touch()
    app = open_app(bare.folder, "workspace")
    choose_source(app, "file")
    (box,) = [item for item in app.text_input if item.label == "Weights file to start from"]
    box.set_value(str(bare.folder / "w.pth"))
    button(app, "Start training").click().run()
    when_ended(app, bare)
    assert trainer.asked[0]["backbone"] == str(bare.folder / "w.pth")


@pytest.mark.parametrize(
    ("lacking", "architecture", "line"),
    [
        ("torch", "resnet18", "pip install torch torchvision"),
        ("timm", "timm:resnet18", 'pip install ".[timm]"'),
    ],
)
def test_what_is_not_installed_is_one_line_to_type(
    open_app, bare, monkeypatch, lacking, architecture, line
):
    classifier = replace(bare.settings.classifier, architecture=architecture)
    bare.save_settings(replace(bare.settings, classifier=classifier))
    monkeypatch.setattr(panel, "find_spec", lambda name: None if name == lacking else object())
    app = open_app(bare.folder, "workspace")
    assert line in [str(item.value) for item in app.code]
    assert not [item for item in app.button if item.label == "Start training"]


# --- the job ---------------------------------------------------------------------------------


def with_job(monkeypatch: pytest.MonkeyPatch, kind: str, job: object) -> None:
    monkeypatch.setattr(jobs, "find", lambda asked, workspace: job if asked == kind else None)


class Running:
    is_running, is_cancelled, has_result, problem = True, False, False, None
    progress = (Step("all", 120, 340, EPOCHS, "all", 2, 10, 0.25, 125.0), "")


def test_a_running_training_shows_progress_curves_and_what_a_stop_keeps(
    open_app, bare, monkeypatch
):
    with_job(monkeypatch, "training", Running())
    app = open_app(bare.folder, "workspace")
    (bar,) = app.get("progress")
    assert bar.proto.text == "Epoch 2 of 10, all layers · 120 of 340 pictures · at most 2:05 left"
    assert bar.proto.value == 25
    assert "it can continue after epoch 1 of all layers" in texts(app.caption)
    assert button(app, "Stop")
    assert len(app.get("plotly_chart")) == 2
    assert not [item for item in app.button if item.label in {"Run extraction", "Start training"}]


def test_a_training_that_starts_anew_says_why(open_app, bare, monkeypatch):
    job = Running()
    job.progress = (Step("pictures", 1, 9), f"{bare.folder}/x.pt is of a run with other pictures")
    with_job(monkeypatch, "training", job)
    app = open_app(bare.folder, "workspace")
    assert "x.pt is of a run with other pictures" in texts(app.warning)
    assert "nothing is kept" in texts(app.caption)


def test_a_training_that_is_told_to_stop_says_so(open_app, bare, trainer, monkeypatch):
    job = Running()
    job.is_cancelled = True
    with_job(monkeypatch, "training", job)
    app = open_app(bare.folder, "workspace")
    assert "Stopping …" in texts(app.caption)
    assert not [item for item in app.button if item.label == "Stop"]


def test_a_training_that_was_stopped_at_once_offers_the_form(open_app, bare, monkeypatch):
    class Stopped(Running):
        is_running, is_cancelled = False, True

    with_job(monkeypatch, "training", Stopped())
    app = open_app(bare.folder, "workspace")
    assert "stopped before its first epoch was complete" in texts(app.info)
    assert button(app, "Start training")


def test_a_download_that_fails_gives_the_way_out_and_the_form(open_app, bare, trainer):
    trainer.end = trainer.offline
    app = open_app(bare.folder, "workspace")
    button(app, "Start training").click().run()
    app = when_ended(app, bare)
    assert "cannot be downloaded; start from a file" in texts(app.error)
    assert button(app, "Start training")


def test_a_training_that_ended_gives_its_accuracy_with_counts_and_the_next_step(
    open_app, bare, trainer
):
    app = open_app(bare.folder, "workspace")
    button(app, "Start training").click().run()
    app = when_ended(app, bare)
    assert "**75.0 %** (15 of 20; 53.1–88.8 %)" in texts(app.success)
    assert "**Run extraction**" in texts(app.markdown)
    assert button(app, "Run extraction").proto.type == "primary"
    assert "1 files could not be read" in "".join(item.label for item in app.expander)
    assert len(app.get("plotly_chart")) == 2


def test_every_visitor_sees_the_same_training(open_app, bare, trainer):
    app = open_app(bare.folder, "workspace")
    button(app, "Start training").click().run()
    when_ended(app, bare)
    assert "The network is trained" in texts(open_app(bare.folder, "workspace").success)
    assert len(trainer.asked) == 1


# --- interrupted -----------------------------------------------------------------------------


def test_an_interrupted_training_continues_with_its_settings(open_app, bare, trainer):
    settings = TrainingSettings(epochs=6, batch_size=4, learning_rate=0.01)
    leave_unfinished(bare, Unfinished(settings, "DEFAULT", "cpu", EPOCHS))
    app = open_app(bare.folder, "workspace")
    assert "It can continue after epoch 1 of all layers" in texts(app.info)
    assert "at most 6 of all layers · batches of 4" in texts(app.caption)
    assert len(app.get("plotly_chart")) == 2
    button(app, "Continue training").click().run()
    when_ended(app, bare)
    assert trainer.asked == [
        {"backbone": "DEFAULT", "settings": settings, "device": "cpu", "anew": False}
    ]


def test_an_interrupted_training_can_be_given_up(open_app, bare, trainer):
    path = leave_unfinished(bare, Unfinished(TrainingSettings(), "DEFAULT", "cpu", EPOCHS))
    app = open_app(bare.folder, "workspace")
    button(app, "Start anew").click().run()
    assert "replaces the interrupted training" in texts(app.caption)
    assert path.exists()
    button(app, "Start training").click().run()
    when_ended(app, bare)
    assert trainer.asked[0]["anew"] is True


def test_a_file_that_an_interrupted_training_names_must_be_allowed(open_app, bare, trainer):
    leave_unfinished(bare, Unfinished(TrainingSettings(), "/etc/passwd", "cpu", EPOCHS))
    app = open_app(bare.folder, "workspace")
    button(app, "Continue training").click().run()
    assert "/etc/passwd is not under an allowed folder" in texts(app.error)
    assert not trainer.asked


def test_an_interrupted_training_of_an_earlier_version_is_said(open_app, bare):
    torch.save({"key": "k"}, checkpoint_of(unfinished_weights(bare)))
    app = open_app(bare.folder, "workspace")
    assert "of an earlier version" in texts(app.info)
    assert button(app, "Start training")


def test_a_damaged_checkpoint_is_named_and_can_be_replaced(open_app, bare, trainer):
    path = leave_unfinished(bare, Unfinished(TrainingSettings(), None, "cpu", EPOCHS))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/openmax.json", "{")
    app = open_app(bare.folder, "workspace")
    assert "resnet18-unfinished.pt is of an interrupted training and cannot be read" in (
        texts(app.error)
    )
    button(app, "Start training").click().run()
    when_ended(app, bare)
    assert trainer.asked[0]["anew"] is True


# --- the steps after it, and other pages -----------------------------------------------------


@pytest.mark.parametrize("page", ["overview", "threshold", "weibull", "upload", "monitor"])
def test_other_pages_lead_to_the_training(open_app, bare, monkeypatch, page):
    app = open_app(bare.folder, page)
    assert "has no trained weights yet" in texts(app.info)
    with_job(monkeypatch, "training", Running())
    assert "is being trained" in texts(open_app(bare.folder, page).info)


def extracted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the page believe that the extraction ended a moment ago."""

    class Ended(Job[Any, Any]):
        def __init__(self) -> None:
            super().__init__(lambda report: type("Report", (), {"in_words": "90 run"})())
            self._thread.join()

    with_job(monkeypatch, "extraction", Ended())


def test_after_the_extraction_comes_the_check_and_then_the_threshold(open_app, trees, monkeypatch):
    extracted(monkeypatch)
    monkeypatch.setattr("pages._shared.diagnosis.is_quick", lambda workspace: False)
    app = open_app(trees.folder, "workspace")
    assert "**Check**" in texts(app.markdown)
    assert button(app, "Check this workspace").proto.type == "primary"
    assert button(app, "Choose a threshold").proto.type == "secondary"
    assert button(app, "Run extraction").proto.type == "secondary"
    button(app, "Choose a threshold").click().run()
    assert [str(item.value) for item in app.title] == ["Threshold"]


def test_a_workspace_with_a_chosen_threshold_shows_no_steps(open_app, trees, monkeypatch):
    extracted(monkeypatch)
    trees.choose(trees.evaluate().point_at(0.4))
    app = open_app(trees.folder, "workspace")
    assert "Choose a threshold" not in texts(app.markdown)
    assert not [item for item in app.button if item.label == "Choose a threshold"]
    assert "Train again" in [item.label for item in app.expander]
    assert button(app, "Start training").proto.type == "secondary"


def test_a_workspace_that_is_only_opened_shows_no_steps(open_app, trees):
    app = open_app(trees.folder, "workspace")
    assert "Choose a threshold" not in texts(app.markdown)
    assert button(app, "Check this workspace").proto.type == "secondary"
