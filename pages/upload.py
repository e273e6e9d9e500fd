"""Upload: open-set decisions on one's own pictures."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core import figures
from openmax_core.assessment import Evaluation
from openmax_core.errors import OpenMaxError
from openmax_core.prediction import run_network
from openmax_core.samples import thumbnail_of
from openmax_core.uploads import Upload, within_limits
from openmax_core.verdicts import ACCEPTED, REJECTED, Logits, PictureLogits, verdict_table
from openmax_core.workspace import Workspace
from pages._shared import state
from pages._shared.format import plain
from pages._shared.guards import require_evaluation, show_provenance
from pages._shared.messages import show_error, show_warning
from pages._shared.registry import ensure_routed
from pages._shared.threshold_control import threshold_control
from pages._shared.widgets import csv_button

MOST_CARDS = 24
BADGES: dict[str, tuple[str, Literal["blue", "orange", "gray"]]] = {
    ACCEPTED: (":material/check_circle:", "blue"),
    REJECTED: (":material/block:", "orange"),
    "unreadable": (":material/broken_image:", "gray"),
}


def main() -> None:
    st.title("Upload")
    workspace, evaluation = require_evaluation()
    show_provenance(evaluation)
    # The network loads while the visitor looks for pictures.
    state.engine_job(workspace)
    sent = st.file_uploader(
        "Pictures to decide on",
        accept_multiple_files=True,
        key=f"files_{workspace.folder}",
        help="JPEG, PNG, WebP, BMP, GIF or TIFF. They stay in memory and go with this session.",
    )
    if not sent:
        st.info(
            "Drop pictures here, several at once if you like: of the known classes "
            f"({plain(', '.join(workspace.classes[:8]))}) and of something else. "
            "Each is decided on with the threshold below, which you can move afterwards.",
            icon=":material/add_photo_alternate:",
        )
        return
    accepted = within_limits(Upload(item.name, item.getvalue()) for item in sent)
    for problem in accepted.problems:
        show_warning(problem)
    _forget_others(accepted.files)
    try:
        pictures = _logits(workspace, accepted.files)
    except OpenMaxError as error:
        show_error(error)
        return
    st.fragment(_decide)(workspace, evaluation, accepted.files, pictures)


def _logits(workspace: Workspace, files: tuple[Upload, ...]) -> PictureLogits:
    """Logits of all files; only those not seen in this session go through the network."""
    known: dict[tuple[str, str], Logits] = st.session_state.setdefault("logits", {})
    keys = [(workspace.classifier_key, file.digest) for file in files]
    fresh = {key: file for key, file in zip(keys, files, strict=True) if key not in known}
    if fresh:
        queue = st.empty()

        def on_wait(before: int) -> None:
            queue.info(
                f"The network is busy with {before} other{'s' * (before > 1)} before you; "
                "your pictures get their turn between theirs.",
                icon=":material/hourglass_top:",
            )

        with st.spinner(f"{len(fresh)} pictures go through the network …", show_time=True):
            engine = state.engine_job(workspace).result()
            results = run_network(engine, [file.content for file in fresh.values()], on_wait)
            known.update(zip(fresh, results, strict=True))
        queue.empty()
    return PictureLogits(tuple(file.name for file in files), tuple(known[key] for key in keys))


def _decide(
    workspace: Workspace,
    evaluation: Evaluation,
    files: tuple[Upload, ...],
    pictures: PictureLogits,
) -> None:
    threshold = threshold_control(workspace, evaluation)
    class_thresholds = _class_thresholds(workspace, evaluation, threshold)
    table = verdict_table(evaluation.openmax, pictures, threshold, class_thresholds)
    counts = table["verdict"].value_counts()
    with st.container(horizontal=True, vertical_alignment="center"):
        for verdict, (icon, colour) in BADGES.items():
            st.badge(f"{counts.get(verdict, 0)} {verdict}", icon=icon, color=colour)
        st.space("stretch")
        csv_button("Results as CSV", table, f"decisions-{evaluation.openmax.preset_}.csv")
    n_pages = -(-len(table) // MOST_CARDS)
    first = 0
    if n_pages > 1:
        first = MOST_CARDS * (st.pagination(n_pages, key="card_page") - 1)
    shown = range(first, min(first + MOST_CARDS, len(table)))
    names = evaluation.openmax.class_names_
    limits = [(class_thresholds or {}).get(name, threshold) for name in names]
    columns = st.container(key="cards").columns(len(shown), gap="small")
    for column, row in zip(columns, shown, strict=True):
        card = column.container(border=True, height="stretch")
        _show_card(card, evaluation, files[row], table.iloc[row], limits, row)


def _class_thresholds(
    workspace: Workspace, evaluation: Evaluation, threshold: float
) -> dict[str, float] | None:
    """Thresholds per class of the workspace's operating point, while its threshold is the one."""
    point = state.chosen_point(workspace, evaluation)
    if point is None or point.class_thresholds is None or point.threshold != threshold:
        return None
    is_wanted = st.toggle(
        "Thresholds per class, as chosen for this workspace", value=True, key="use_class_thresholds"
    )
    return point.class_thresholds if is_wanted else None


def _show_card(
    card: DeltaGenerator,
    evaluation: Evaluation,
    file: Upload,
    row: pd.Series,
    limits: list[float],
    number: int,
) -> None:
    icon, colour = BADGES[row["verdict"]]
    picture, text = card.columns([2, 3], vertical_alignment="center")
    if row["verdict"] == "unreadable":
        picture.markdown("## :material/broken_image:")
    else:
        picture.image(_thumbnail(file), width="stretch")
    verdict = f"accepted as {row['decision']}" if row["verdict"] == ACCEPTED else row["verdict"]
    text.badge(plain(verdict), icon=icon, color=colour)
    text.markdown(f"**{plain(file.name)}**")
    reason = str(row["reason"])
    text.caption(f"{plain(reason[:1].upper() + reason[1:])}.")
    if row["verdict"] == "unreadable":
        return
    names = evaluation.openmax.class_names_
    probabilities = [row[f"p_{name}"] for name in (*names, "unknown")]
    limit = limits[max(range(len(names)), key=probabilities.__getitem__)]
    own = None if evaluation.openmax.settings_["second_softmax"] else limit
    card.plotly_chart(
        figures.probability_figure(names, probabilities, own),
        key=f"probabilities_{number}",
        config={"displayModeBar": False, "staticPlot": True},
    )
    with card.expander("Distances to the classes"):
        st.dataframe(
            pd.DataFrame(
                {
                    "class": names,
                    "distance": [row[f"distance_{name}"] for name in names],
                    "Weibull CDF": [row[f"cdf_{name}"] for name in names],
                }
            ).sort_values("distance"),
            hide_index=True,
            column_config={
                "Weibull CDF": st.column_config.ProgressColumn(
                    min_value=0.0, max_value=1.0, format="%.4f"
                )
            },
        )


def _thumbnail(file: Upload) -> bytes:
    """Thumbnail of a picture of this session, made once; it goes with the session."""
    made: dict[str, bytes] = st.session_state.setdefault("thumbnails", {})
    if file.digest not in made:
        made[file.digest] = thumbnail_of(file.content)
    return made[file.digest]


def _forget_others(files: tuple[Upload, ...]) -> None:
    """Keep nothing of pictures that have been taken away."""
    kept = {file.digest for file in files}
    for digest in set(st.session_state.get("thumbnails", {})) - kept:
        del st.session_state["thumbnails"][digest]
    for key in [key for key in st.session_state.get("logits", {}) if key[1] not in kept]:
        del st.session_state["logits"][key]


ensure_routed()
main()
