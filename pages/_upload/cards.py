"""The cards of decided pictures: a component that follows the threshold in the browser."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.column_config import NumberColumn, ProgressColumn

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.pictures.intake import Upload
from openmax_core.pictures.strangers import large_view
from openmax_core.prediction.cards import cards_data
from openmax_core.prediction.choice import Answer
from openmax_core.prediction.results import class_values, results_json
from openmax_core.prediction.verdicts import (
    ACCEPTED,
    ScoredPictures,
    decision_table,
    score_pictures,
)
from openmax_core.support.arrays import Float
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.components import cards, moved, take_threshold
from pages._shared.format import plain, sentence
from pages._shared.pictures import show_nearest
from pages._shared.widgets import csv_button, download, show_table
from pages._upload import basket

KEY, SENT = "cards", "cards_sent"
PICTURE_WIDTH = 200


def show_cards(workspace: Workspace, evaluation: Evaluation, answered: list[Answer]) -> None:
    """Draw threshold, cards and downloads of the session's pictures."""
    files = basket.files()
    threshold = state.threshold(workspace, evaluation)
    scored, board = _scored(workspace, evaluation, answered)
    point = state.chosen_point(workspace, evaluation)
    by_class = None
    if point is not None and point.class_thresholds is not None:
        by_class = point.threshold, point.class_thresholds
    # They stand above the cards. They need the threshold, which the cards tell.
    downloads = st.container(horizontal=True, horizontal_alignment="right")
    result = _draw(workspace, evaluation, board, answered, threshold, by_class)
    used = None
    if by_class is not None and by_class[0] == threshold and _wants_class_thresholds():
        used = by_class[1]
    limits = class_limits(evaluation.method.class_names_, threshold, used)
    with downloads:
        _show_downloads(evaluation, scored, threshold, used, limits)
    keys = [file.key for file in files]
    # Only pictures that this session holds can be named.
    if result.removed == "all":
        basket.clear()
        st.rerun()
    if result.removed in keys:
        basket.remove([result.removed])
        st.rerun()
    if result.opened in keys:
        row = keys.index(result.opened)
        decision = decision_table(scored, limits).iloc[row]
        _open(workspace, evaluation, scored, row, files[row], decision)


def _scored(
    workspace: Workspace, evaluation: Evaluation, answered: list[Answer]
) -> tuple[ScoredPictures, dict[str, Any]]:
    """Scores and cards, which no threshold changes: made once for the pictures and the method."""
    files = basket.files()
    keys = [file.key for file in files]
    made_of = (state.method_key(workspace), evaluation.data, workspace.classifier.key, keys)
    made = st.session_state.get(basket.SCORED)
    if made is None or made[0] != made_of:
        logits = [answer.logits for answer in answered]
        scored = score_pictures(evaluation.method, [file.name for file in files], logits)
        board = cards_data(
            evaluation.method, scored, keys, evaluation.overall, evaluation.score_range
        )
        made = (made_of, scored, board)
        st.session_state[basket.SCORED] = made
    return made[1], made[2]


def _draw(
    workspace: Workspace,
    evaluation: Evaluation,
    board: dict[str, Any],
    answered: list[Answer],
    threshold: float,
    by_class: tuple[float, dict[str, float]] | None,
) -> Any:
    keys = [file.key for file in basket.files()]
    # The browser keeps what was sent, and asks for what it has lost.
    # Another network may see another part of the same picture.
    seen_by = workspace.classifier.key
    sent: set[str] = st.session_state.get(SENT, set())
    st.session_state[SENT] = {board["id"], *(f"{seen_by}/{key}" for key in keys)}
    limits = None
    if by_class is not None:
        limits = class_limits(evaluation.method.class_names_, *by_class).tolist()
    return cards(
        key=KEY,
        data={
            "board": None if board["id"] in sent else board,
            "board_id": board["id"],
            "pictures": {
                key: asdict(answer.view)
                for key, answer in zip(keys, answered, strict=True)
                if answer.view is not None and f"{seen_by}/{key}" not in sent
            },
            "value": threshold,
            "echo": moved(KEY).get("count", 0),
            "class_limits": limits,
            "class_limits_at": None if by_class is None else by_class[0],
            "is_by_class": _wants_class_thresholds(),
        },
        on_moved_change=lambda: take_threshold(workspace, evaluation.method, KEY),
        on_lacking_change=lambda: st.session_state.pop(SENT, None),
        on_opened_change=lambda: None,
        on_removed_change=lambda: None,
    )


def _show_downloads(
    evaluation: Evaluation,
    scored: ScoredPictures,
    threshold: float,
    by_class: dict[str, float] | None,
    limits: Float,
) -> None:
    name = evaluation.method.name
    csv_button("Results as CSV", lambda: decision_table(scored, limits), f"decisions-{name}.csv")
    download(
        "Results as JSON",
        lambda: results_json(evaluation, scored, threshold, by_class),
        f"decisions-{name}.json",
        "application/json",
        help="Method, settings, threshold and fingerprint of the data. For every picture: logits, "
        "probabilities before and after OpenMax, distances and CDFs. Other methods have logits and "
        "softmax probabilities.",
    )


def _wants_class_thresholds() -> bool:
    return moved(KEY).get("is_by_class") is not False


@st.dialog("Picture", width="large")
def _open(
    workspace: Workspace,
    evaluation: Evaluation,
    scored: ScoredPictures,
    row: int,
    file: Upload,
    decision: pd.Series,
) -> None:
    """Draw both pictures, the reason, the classes' figures and the nearest Weibull CDFs."""
    is_accepted = decision["verdict"] == ACCEPTED
    verdict = f"Accepted as {decision['decision']}" if is_accepted else "Rejected"
    st.markdown(f"**{plain(verdict)}** · {plain(file.name)}")
    st.caption(sentence(str(decision["reason"])))
    pictures, numbers = st.columns([1, 3], gap="medium")
    view = large_view(file.content, workspace.settings.transform)
    if view is not None:
        # Data URLs: a picture that Streamlit serves would have an address of its own.
        pictures.image(view.original, width=PICTURE_WIDTH)
        pictures.caption("Original, {} × {} pixels".format(*view.size))
        pictures.image(view.seen, width=PICTURE_WIDTH)
        pictures.caption("What the network sees, {} × {} pixels".format(*view.seen_size))
    table = class_values(scored, row)
    share = ProgressColumn(min_value=0.0, max_value=1.0, format="%.4f")
    with numbers:
        show_table(
            table,
            {
                "class": "class",
                "logit": NumberColumn(format="%.3f"),
                "before": share | {"label": "before" if scored.has_tails else "softmax"},
                "after": share | {"label": "after OpenMax"},
                "distance": NumberColumn(format="%.4g"),
                "cdf": share | {"label": "Weibull CDF"},
            },
            placeholder="",
        )
    show_nearest(evaluation, scored, row)
