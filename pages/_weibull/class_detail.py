"""One class in detail: CDF, density, QQ plot, parameters in words, and the tail's pictures."""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmax_core.analysis.class_facts import class_boundary, class_facts
from openmax_core.analysis.class_health import tail_members
from openmax_core.analysis.figures import class_cdf_figure, class_density_figure, class_qq_figure
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.single_class import rejection_distance
from openmax_core.support.decimals import threshold_text
from openmax_core.workspace.workspace import Workspace
from pages._shared import pictures
from pages._shared.format import plain
from pages._shared.guards import show_notice
from pages._weibull import fits

PLOT = {"displayModeBar": False}


def show_class(workspace: Workspace, evaluation: Evaluation, index: int, threshold: float) -> None:
    """Open a class in front of the page."""
    title = f"Class {plain(evaluation.openmax.class_names_[index])}"
    st.dialog(title, width="large")(_show)(workspace, evaluation, index, threshold)


def _show(workspace: Workspace, evaluation: Evaluation, index: int, threshold: float) -> None:
    health = fits.health(evaluation)
    limit = rejection_distance(evaluation.openmax, index, threshold)
    if health.warnings[index]:
        st.warning(plain(health.warnings[index]), icon=":material/warning:")
    distances = fits.distances(evaluation)
    boundary = class_boundary(evaluation, distances, index, threshold)
    test, reject = distances.of(index)
    drawn = (
        ("CDF", class_cdf_figure(evaluation, index, test, reject, boundary.distance)),
        ("Density", class_density_figure(evaluation, index)),
        ("QQ plot", class_qq_figure(evaluation, index)),
    )
    for column, (name, figure) in zip(
        st.container(key="stack").columns(len(drawn), gap="medium"), drawn, strict=True
    ):
        column.markdown(f"**{name}**")
        column.plotly_chart(figure, key=f"class_{name}", config=PLOT)
    st.caption(
        "Marks below the CDF: test pictures of this class, and reject pictures with the largest "
        "logit for this class. Dashed line: the distance that separates rejected and accepted "
        f"pictures best, at threshold {threshold_text(threshold)}. QQ plot: points on the line "
        "mean that the tail follows its Weibull; 95 % of random draws lie in the band."
    )
    facts = class_facts(evaluation, health, index, limit, boundary)
    st.table(facts.set_index("figure"), border="horizontal")
    _show_members(workspace, evaluation, index)


def _show_members(workspace: Workspace, evaluation: Evaluation, index: int) -> None:
    members = tail_members(evaluation, index)
    split = evaluation.calibrated_on
    st.markdown(f"**The {len(members)} *{split}* pictures of the tail**, farthest first")
    show_notice(workspace)

    def items(first: int, most: int) -> list[dict[str, Any]]:
        return [
            {
                "key": str(member["path"]),
                "path": member["path"],
                **pictures.stored_thumbnail(workspace, split, str(member["path"])),
                "lines": [f"distance {member['distance']:.4g}", f"CDF {member['cdf']:.4f}"],
            }
            for member in members.iloc[first : first + most].to_dict(orient="records")
        ]

    opened = pictures.show_gallery(len(members), "tail", f"tail_page_{index}", items)
    if opened is not None:
        path = str(members.iloc[opened]["path"])
        pictures.show_picture(
            lambda: pictures.stored_picture(workspace, split, path), f"{split}/{path}"
        )
