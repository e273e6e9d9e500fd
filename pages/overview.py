"""Overview: what is loaded, how good the classifier is before rejection, the chosen point."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.decimals import threshold_text
from openmax_core.support.files import listed
from openmax_core.support.shares import percent
from openmax_core.tradeoff.intervals import share_interval
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.workspace.samples import Sample, sample_pictures
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.format import interval, plain
from pages._shared.guards import (
    require_evaluation,
    require_workspace,
    show_notice,
    show_provenance,
)
from pages._shared.kept import KEYS
from pages._shared.registry import ensure_routed, link_to
from pages._shared.widgets import figure_card, show_error, show_table, show_unreadable

N_SAMPLES = 8


def main() -> None:
    workspace = require_workspace()
    st.title(plain(workspace.settings.name))
    if workspace.settings.description:
        st.markdown(plain(workspace.settings.description))
    st.markdown(
        "A classifier knows "
        f"**{len(workspace.classes)} classes** ({plain(listed(workspace.classes))}). It must "
        "**reject** pictures of anything else. OpenMax gives each picture a score. Pictures with a "
        "score below the **threshold** are rejected."
    )
    # Pictures can be drawn at once; messages about work that is still running stand above them.
    above = st.container()
    _show_pictures(workspace)
    with above:
        workspace, evaluation = require_evaluation()
    show_provenance(evaluation)
    _show_figures(evaluation)
    if evaluation.both_accuracies_in_words:
        st.caption(evaluation.both_accuracies_in_words)
    _show_point(workspace, evaluation)
    _show_next_steps()
    _show_data(workspace, evaluation)


def _show_figures(evaluation: Evaluation) -> None:
    right = share_interval(evaluation.n_right_before_rejection, evaluation.overall.n_test)
    with st.container(horizontal=True):
        figure_card(
            "Accuracy before rejection",
            percent(evaluation.accuracy_before_rejection),
            note=f"95 % {interval(right)}",
            explanation="Share of the test pictures that the classifier alone decides correctly "
            "(closed-set accuracy).",
        )
        figure_card(
            "Known or unknown (AUROC)",
            percent(evaluation.overall.auroc),
            note="100 % is perfect, 50 % is chance",
            explanation="Probability that a test picture has a higher score than a reject "
            "picture. It says how well this method separates the two, at any threshold. Pictures "
            "with 'unknown' as the most probable class count as lowest.",
        )
        for split, item in (("Test pictures", evaluation.test), ("Reject", evaluation.reject)):
            n_lost = item.n_unreadable if item is not None else 0
            figure_card(
                "Reject pictures" if split == "Reject" else split,
                f"{item.n_readable:,}" if item is not None else "none",
                note=f"{n_lost:,} unreadable" if item is not None else "no reject set",
            )


def _show_point(workspace: Workspace, evaluation: Evaluation) -> None:
    try:
        point = workspace.operating_point()
    except OpenMaxError as error:
        show_error(error)
        return
    if point is not None:
        fresh = point.data == evaluation.data and point.settings == evaluation.method.settings_
        note = "" if fresh else " It was chosen with another method or other data."
        if point.promise is not None and evaluation.is_of(point):
            note = f" Promised: {point.promise.in_words}."
        st.success(f"**Chosen operating point:** {_in_words(point)}{note}", icon=":material/flag:")
        return
    floor = workspace.settings.defaults.min_test_accuracy
    try:
        point = evaluation.recommend_by_default(floor)
        objective = point.chosen_for
        requirement = "" if objective is None else f" with {objective.requirement}"
        st.info(
            f"**No operating point is chosen yet.** Recommended{requirement}: {_in_words(point)}",
            icon=":material/flag:",
        )
    except NoFeasibleThresholdError as error:
        st.warning(f"**No operating point is chosen yet**, and {error}.", icon=":material/flag:")


def _show_next_steps() -> None:
    with st.container(horizontal=True):
        link_to("threshold", "Choose the threshold")
        link_to("weibull", "Look at the Weibull fits")
        link_to("upload", "Try your own pictures")
        link_to("workspace", "Use your own classifier")


def _in_words(point: OperatingPoint) -> str:
    reject = "not measured" if point.reject_accuracy is None else percent(point.reject_accuracy)
    weighted = f", weighted by kind ({plain(point.mix_in_words)})" if point.kinds else ""
    return (
        f"method {point.preset}, threshold {threshold_text(point.threshold)}: Test accuracy "
        f"{percent(point.test_accuracy)} on {point.n_test:,} pictures, Reject accuracy {reject} on "
        f"{point.n_reject:,}{weighted}."
    )


def _show_pictures(workspace: Workspace) -> None:
    show_notice(workspace)
    with st.container(key="pictures"):
        n_shown = 0
        for title, split in (("Known classes", "test"), ("Unknown, to be rejected", "reject")):
            found = _samples(workspace, split) if split in workspace.pictures.splits else []
            if not found:
                continue
            n_shown += len(found)
            st.markdown(f"**{title}**")
            for column, sample in zip(st.columns(N_SAMPLES), found, strict=False):
                column.image(sample.picture, caption=plain(sample.caption), width="stretch")
    if workspace.settings.tables and not n_shown:
        st.caption(
            ":material/table: The logits come from tables. There are no pictures to show: the "
            "tables name none, or none that lies in an allowed folder."
        )


def _samples(workspace: Workspace, split: str) -> list[Sample]:
    """Thumbnails of a few pictures, extracted or not; none where they cannot be read.

    The page's figures need the same pictures and say what is wrong.
    """
    try:
        return _decoded(workspace, split)
    except OpenMaxError:
        return []


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=KEYS)
def _decoded(workspace: Workspace, split: str) -> list[Sample]:
    opened = Workspace.open(workspace.folder)
    settings = opened.settings
    has_weights = bool(settings.tables) or settings.classifier.file is not None
    activations = opened.stored.few(split, N_SAMPLES) if has_weights else None
    return sample_pictures(opened, split, activations, N_SAMPLES, start.roots())


def _show_data(workspace: Workspace, evaluation: Evaluation) -> None:
    st.subheader("The data")
    shown = start.roots().shown
    items = {evaluation.calibrated_on: evaluation.train, "test": evaluation.test}
    if evaluation.reject is not None:
        items["reject"] = evaluation.reject
    rows = [
        {
            "set": split,
            "pictures": item.n_readable,
            "unreadable": item.n_unreadable,
            "table" if workspace.settings.tables else "folder": shown(
                str(workspace.pictures.location(split))
            ),
        }
        for split, item in items.items()
    ]
    show_table(pd.DataFrame(rows))
    st.caption(f"{_network(workspace)} · workspace {plain(shown(str(workspace.folder)))}")
    lost = pd.concat([item.unreadable.assign(set=split) for split, item in items.items()])
    if n_lost := sum(item.n_unreadable for item in items.values()):
        first = f", the first {len(lost):,}" if len(lost) < n_lost else ""
        show_unreadable(
            f"{n_lost:,} files could not be read{first}", lost[["set", "path", "error"]]
        )
    if evaluation.reject is None:
        st.info(
            "There is no reject set, so Reject accuracy cannot be measured. "
            + (
                "Write logits of unknowns into a table. In workspace.toml, name it as reject under "
                "[tables]."
                if workspace.settings.tables
                else "Put pictures of unknowns into a folder. In workspace.toml, name the folder "
                "as reject under [folders]."
            ),
            icon=":material/info:",
        )


def _network(workspace: Workspace) -> str:
    """What the logits come from."""
    settings = workspace.settings
    if settings.tables:
        return "The logits come from tables"
    return f"Network {plain(settings.classifier.in_words)} · {settings.transform.in_words}"


ensure_routed()
main()
