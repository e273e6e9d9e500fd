"""Training the network of a workspace: a form, a job of the server with curves, and its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core.errors import OpenMaxError
from openmax_core.network.classifier import library_of
from openmax_core.network.devices import DEVICES
from openmax_core.network.timm_networks import INSTALL, is_timm
from openmax_core.support.jobs import Job
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL
from openmax_core.training.curves import accuracy_figure, loss_figure
from openmax_core.training.progress import Epoch, Step
from openmax_core.training.settings import DEFAULT_WEIGHTS, HELP, TrainingSettings
from openmax_core.training.training import TrainingReport, train
from openmax_core.training.unfinished import Unfinished, find_unfinished
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, start, state
from pages._shared.format import counted, plain
from pages._shared.widgets import show_error, show_table, show_warning

# How far it is, and what an interrupted run has left that cannot be used.
TrainingJob = Job[tuple[Step, str], TrainingReport]
KIND = "training"
ANEW = "train_anew"
LIBRARY, FILE, NOTHING = "library", "file", "nothing"
PLOT = {"displayModeBar": False}
TORCH = "pip install torch torchvision"


@dataclass(frozen=True)
class _Start:
    """What somebody wants to train with."""

    settings: TrainingSettings
    backbone_weights: str | None
    device: str
    anew: bool = False


def job_of(workspace: Workspace) -> TrainingJob | None:
    """Return the training that runs or ran last on a workspace, whoever began it."""
    return jobs.find(KIND, workspace)


def show_training(workspace: Workspace, n_pictures: int) -> None:
    """Draw what there is of a training: its progress, how to go on, or the form.

    Parameters
    ----------
    n_pictures : files in the train folder
    """
    job = job_of(workspace)
    if job is not None and job.is_running:
        _show_running(job)
        return
    if missing := _missing(workspace):
        st.info(f"Training needs {missing[0]}, which is not installed here. In the shell:")
        st.code(missing[1], language="bash")
        return
    if job is not None and job.problem:
        show_error(job.problem)
    try:
        unfinished = find_unfinished(workspace)
    except OpenMaxError as error:
        show_error(error)
        _show_form(workspace, n_pictures, anew=True)
        return
    if unfinished is None:
        if job is not None and job.is_cancelled:
            st.info(
                "The training was stopped before its first epoch was complete. Nothing was kept.",
                icon=":material/stop_circle:",
            )
        _show_form(workspace, n_pictures)
    elif unfinished.settings is None:
        st.info(
            "An interrupted training of an earlier version lies in this workspace. With the same "
            "settings it continues; with others it starts anew.",
            icon=":material/history:",
        )
        _show_form(workspace, n_pictures)
    elif st.session_state.get(ANEW) == workspace.folder:
        st.caption("The first complete epoch replaces the interrupted training.")
        _show_form(workspace, n_pictures, anew=True)
    else:
        _show_unfinished(workspace, unfinished, unfinished.settings)


def show_outcome(workspace: Workspace) -> None:
    """Say how the last training ended, where it ended well."""
    job = job_of(workspace)
    if job is None or not job.has_result:
        return
    report = job.result()
    right = counted(report.n_right, report.n_held_out, DEFAULT_INTERVAL)
    st.success(
        f"The network is trained. Accuracy on held-out pictures: {right}.",
        icon=":material/check:",
    )
    st.caption(
        f"Trained on {report.n_train:,} pictures. The best of {len(report.epochs)} epochs was "
        "chosen on the held-out pictures, so this accuracy is slightly too high. The test set "
        "measures it without this error."
    )
    with st.expander("Curves of the training", icon=":material/show_chart:"):
        _show_curves(report.epochs)
    if report.unreadable:
        with st.expander(
            f"{len(report.unreadable):,} files could not be read and were left out",
            icon=":material/broken_image:",
        ):
            shown = start.roots().shown
            show_table(pd.DataFrame({"file": [shown(line) for line in report.unreadable]}))


def _missing(workspace: Workspace) -> tuple[str, str] | None:
    """What is not installed that training needs, and the line that installs it."""
    if find_spec("torch") is None or find_spec("torchvision") is None:
        return "PyTorch", TORCH
    if is_timm(workspace.settings.classifier.name) and find_spec("timm") is None:
        return "timm", INSTALL
    return None


def _show_running(job: TrainingJob) -> None:
    """Draw a running training until it ends, then run the page again."""
    st.info(
        "The network is being trained. This goes on when you leave or close this page.",
        icon=":material/model_training:",
    )

    def poll() -> None:
        if not job.is_running:
            state.status.clear()
            st.rerun()
        step, note = job.progress or (Step("pictures"), "")
        if note:
            show_warning(note)
        share = step.share if step.phase else step.done / max(step.total, 1)
        st.progress(share, text=step.in_words)
        with st.container(horizontal=True, vertical_alignment="center"):
            if job.is_cancelled:
                st.caption("Stopping …")
            else:
                if st.button("Stop", icon=":material/stop:", key="stop_training"):
                    job.cancel()
                st.caption(_if_stopped(step))
        _show_curves(step.epochs)

    st.fragment(poll, run_every=jobs.POLL_SECONDS)()


def _if_stopped(step: Step) -> str:
    if not step.epochs:
        return "If you stop it before the first epoch is complete, nothing is kept."
    after = Unfinished(epochs=step.epochs).in_words
    return f"If you stop it now, it can continue {after}."


def _show_unfinished(
    workspace: Workspace, unfinished: Unfinished, settings: TrainingSettings
) -> None:
    """Offer to go on with an interrupted training."""
    st.info(
        f"The training was interrupted. It can continue {unfinished.in_words}, with the same "
        "settings.",
        icon=":material/stop_circle:",
    )
    st.caption(_in_words(settings, unfinished))
    with st.container(horizontal=True):
        if st.button("Continue training", icon=":material/play_arrow:", type=_type(workspace)):
            chosen = _Start(settings, unfinished.backbone_weights, unfinished.device)
            try:  # whoever wrote the file: it names a path
                if chosen.backbone_weights not in (None, DEFAULT_WEIGHTS):
                    start.roots().check(str(chosen.backbone_weights))
                _begin(workspace, chosen)
            except OpenMaxError as error:
                show_error(error)
        if st.button("Start anew", icon=":material/restart_alt:"):
            st.session_state[ANEW] = workspace.folder
            st.rerun()
    _show_curves(unfinished.epochs)


def _in_words(settings: TrainingSettings, unfinished: Unfinished) -> str:
    """Settings of a training, as Markdown."""
    source = unfinished.backbone_weights
    if source is None:
        begins = "random weights"
    elif source == DEFAULT_WEIGHTS:
        begins = "the library's weights"
    else:
        begins = plain(start.roots().shown(source))
    heads = f"{settings.head_epochs} of the last layer, " if source else ""
    return (
        f"From {begins} · epochs: {heads}at most {settings.epochs} of all layers · batches of "
        f"{settings.batch_size} · seed {settings.seed}"
    )


def _show_form(workspace: Workspace, n_pictures: int, anew: bool = False) -> None:
    """Ask how to train, and begin."""
    library = library_of(workspace.settings.classifier.name)
    sources = {
        LIBRARY: f"Weights of {library}",
        FILE: "A weights file",
        NOTHING: "Random weights",
    }
    captions = (
        "Downloaded once. Right for most cases",
        "Of the same architecture, on this server",
        "Needs many pictures and epochs",
    )
    source = st.radio(
        "Start from", list(sources), format_func=sources.__getitem__, captions=captions
    )
    file, place = "", st.empty()
    if source == FILE:
        file = st.text_input(
            "Weights file to start from",
            help="A file of the architecture, with any number of classes: .safetensors, .pth or "
            ".pt. Its last layer is replaced.",
        ).strip()
        place = st.empty()
    standard = TrainingSettings()
    epochs = st.number_input(
        "Epochs", 0, 10_000, standard.epochs, help=_sentence("epochs"), width=240
    )
    with st.expander("More settings", icon=":material/tune:"):
        others, device = _more_settings(standard, has_backbone=source != NOTHING)
    held_out = f"{standard.held_out:.0%}".replace("%", " %")
    st.caption(
        f"{n_pictures:,} training pictures. {held_out} of each class are held out: the training "
        "stops when it no longer improves on them."
    )
    if st.button("Start training", icon=":material/play_arrow:", type=_type(workspace)):
        try:
            settings = TrainingSettings(epochs=int(epochs), **others)
        except OpenMaxError as error:
            show_error(error)
            return
        backbone = {LIBRARY: DEFAULT_WEIGHTS, NOTHING: None}.get(source, file)
        if source == FILE and not _is_usable(file, place):
            return
        _begin(workspace, _Start(settings, backbone, device, anew))


def _is_usable(file: str, place: DeltaGenerator) -> bool:
    """Tell whether a file to start from may be opened; say below its field why not."""
    try:
        if not file:
            raise OpenMaxError("Fill this in.")
        if not start.roots().check(file).is_file():
            raise OpenMaxError(f"The file {file} does not exist.")
    except OpenMaxError as error:
        place.error(plain(str(error)), icon=":material/error:")
        return False
    return True


def _more_settings(standard: TrainingSettings, has_backbone: bool) -> tuple[dict[str, Any], str]:
    """Draw the settings that seldom change; by name, and the device."""
    left, right = st.columns(2)
    values: dict[str, Any] = {
        "head_epochs": left.number_input(
            "Epochs of the last layer",
            0,
            10_000,
            standard.head_epochs,
            help=_sentence("head_epochs"),
            disabled=not has_backbone,
        ),
        "batch_size": right.number_input(
            "Batch size", 1, 4096, standard.batch_size, help=_sentence("batch_size")
        ),
    }
    left, right = st.columns(2)  # anew for each row: on a phone, the order of reading
    values["learning_rate"] = left.number_input(
        "Learning rate",
        0.0,
        1.0,
        None,
        1e-4,
        "%g",
        help=_sentence("learning_rate"),
        placeholder="1e-4" if has_backbone else "1e-3",
    )
    values["patience"] = right.number_input(
        "Patience", 1, 10_000, standard.patience, help=_sentence("patience")
    )
    left, right = st.columns(2)
    values["seed"] = left.number_input("Seed", 0, None, standard.seed, help=_sentence("seed"))
    device = right.selectbox("Device", DEVICES)
    return values, device


def _sentence(name: str) -> str:
    """The shell's words on a setting."""
    return plain(f"{HELP[name][0].upper()}{HELP[name][1:]}.")


def _type(workspace: Workspace) -> Literal["primary", "secondary"]:
    """Kind of the button that trains: the next thing to do where there are no weights yet."""
    return "primary" if workspace.settings.classifier.file is None else "secondary"


def _begin(workspace: Workspace, chosen: _Start) -> None:
    """Begin the job, unless one runs, and run the page again."""
    opened = Workspace.open(workspace.folder)

    def work(report: Callable[[tuple[Step, str]], None]) -> TrainingReport:
        notes = [""]

        def on_note(note: str) -> None:
            notes[0] = note if "starts anew" in note else ""

        return train(
            opened,
            chosen.backbone_weights,
            chosen.settings,
            chosen.device,
            on_step=lambda step: report((step, notes[0])),
            on_note=on_note,
            anew=chosen.anew,
        )

    jobs.begin(KIND, workspace, work)
    st.session_state.pop(ANEW, None)
    state.status.clear()
    st.rerun()


def _show_curves(epochs: tuple[Epoch, ...]) -> None:
    if not epochs:
        return
    left, right = st.columns(2)
    left.plotly_chart(loss_figure(epochs), key="training_loss", config=PLOT)
    right.plotly_chart(accuracy_figure(epochs), key="training_accuracy", config=PLOT)
