"""About the method: what OpenMax does, what the presets are, and why the default is the default."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.analysis.evidence import FIGURES, Evidence
from openmax_core.errors import OpenMaxError
from openmax_core.methods.settings import DEFAULT_PRESET, PRESETS
from pages._shared.registry import ensure_routed
from pages._shared.start import ASSETS
from pages._shared.widgets import csv_button, show_error

N_CASES = 4
WHAT = """
A classifier turns a picture into one *logit* a class, and softmax turns these into probabilities
that always sum to 1: there is no room for 'none of these'. **OpenMax** (Bendale & Boult, CVPR 2016)
makes room:

1. For each class, the mean logits of its correctly classified training pictures (**MAV**), and a
   **Weibull** over the η largest distances to it, the class's *tail*.
2. For a new picture, the **CDF** of its distance in the tails of its α top-ranked classes: near 0
   it lies among the training pictures, near 1 beyond almost all of them.
3. Each of these classes gives a part of its logit, its weight times the CDF, to a class
   **unknown**.
4. Softmax over the C + 1. A picture is **rejected** where 'unknown' is the most probable, or where
   the largest probability is below the **threshold**.
"""
TRAPS = """
- **A constant added to all logits** changes nothing for softmax, but it does for OpenMax as
  published: what a class gives away grows with its logit. On a network whose logits are shifted,
  `bendale` and `notebook` may reject everything or nothing. `robust` takes each picture's mean off
  its logits first, so that it decides the same.
- **Negative logits** turn the sign of their share of 'unknown'; in `robust` they give nothing.
- **Many classes far away**: with full weights each of the α classes adds its logit to 'unknown',
  which then wins for known pictures too, and no threshold brings them back. `robust` moves a part
  only: at most ¾ of the largest logit, as much as stays. So **'unknown' is never the most probable
  there** (up to α = 5), and pictures are rejected by the threshold alone.
- **The notebook's Weibull degenerates**: three free parameters give a shape below 1, and the CDF is
  a step at the largest training distance.
- **A second softmax**, as in the notebook, caps the score at e/(e + C).
- **Training pictures lie closer to their mean than new ones.** A `calibration` folder of known
  pictures held out of training shows the tails as they are.
"""


def main() -> None:
    st.title("About the method")
    st.markdown(WHAT)
    st.subheader("The presets")
    table = pd.DataFrame({name: settings.in_words for name, settings in PRESETS.items()})
    st.table(table.rename(columns={DEFAULT_PRESET: f"{DEFAULT_PRESET} (default)"}))
    st.subheader(f"Why '{DEFAULT_PRESET}' is the default")
    try:
        evidence = _evidence()
    except OpenMaxError as error:
        show_error(error)
    else:
        _show_rule(evidence)
        st.fragment(_show_comparison)(evidence)
        _show_ablations(evidence)
    st.subheader("Where OpenMax misleads")
    st.markdown(TRAPS)


@st.cache_resource(show_spinner=False)
def _evidence() -> Evidence:
    return Evidence.load(ASSETS / "evidence.json")


def _show_rule(evidence: Evidence) -> None:
    st.markdown(
        f"**{evidence.n_candidates} settings** were compared on "
        f"**{evidence.n_development_problems} development problems** made of training pictures: "
        "photographs of flowers (a linear head on frozen features, and fine-tuned networks), "
        "handwritten digits, and made-up classes (2, 4, 10 and 100 of them), also with a constant "
        "added to all logits. The rule was fixed before: of the settings that in no group of "
        "problems lie beyond noise below maximum softmax probability, the one with the largest "
        "mean of AUROC, OSCR and Reject accuracy at Test accuracy ≥ 0.85. Only then were the "
        f"methods compared on **{evidence.n_problems} other problems**, test and reject sets "
        "that had no part in the choice."
    )
    below, above = evidence.beyond_noise(DEFAULT_PRESET, is_shifted=False)
    n_plain = evidence.n_comparisons(is_shifted=False)
    words = f"better than maximum softmax probability in {len(above)} and worse in {len(below)}"
    st.markdown(
        f"There `{DEFAULT_PRESET}` is, beyond noise, **{words}** of {n_plain} comparisons "
        f"({n_plain // len(FIGURES)} problems × {len(FIGURES)} figures); in the others the "
        f"difference is within noise. {evidence.n_shifted} problems are others with a constant "
        f"added to the logits, of all pictures or of each its own: for `{DEFAULT_PRESET}` and "
        "softmax nothing changes then, for the other methods it does."
        + (f" It is worse in: {_listed(below)}." if below else "")
    )
    plain, shifted = st.container(key="stack").columns(2, gap="medium")
    for place, title, is_shifted in (
        (plain, "Logits as the network gives them", False),
        (shifted, "With a constant added", True),
    ):
        place.markdown(f"**{title}**")
        place.dataframe(
            evidence.noise_table(is_shifted),
            hide_index=True,
            width="stretch",
            column_config={
                "better": st.column_config.NumberColumn("better than softmax"),
                "worse": st.column_config.NumberColumn("worse than softmax"),
            },
        )
    st.markdown(
        "That is what a default has to promise, not the most that can be had: `notebook` and the "
        "maximum logit use the *size* of the logits, which says much about unknowns on many "
        "networks, and misleads on networks whose logits are shifted. Compare them on your own "
        "reject set; the Threshold page shows the same figures for every method."
    )


def _show_comparison(evidence: Evidence) -> None:
    figure = st.segmented_control(
        "Figure",
        list(FIGURES),
        format_func=FIGURES.__getitem__,
        default="auroc",
        required=True,
        key="evidence_figure",
        label_visibility="collapsed",
    )
    chosen = figure or "auroc"
    st.plotly_chart(
        evidence.figure(chosen), key=f"evidence_{chosen}", config={"displayModeBar": False}
    )
    st.caption(
        "Right of the line a method tells known from unknown better than the largest softmax "
        f"probability. Bars are 95 % intervals of {evidence.n_resamples:,} paired resamples of "
        "test and reject pictures; a row is the mean of its problems. Where no threshold keeps "
        "Test accuracy ≥ 0.85, the Reject accuracy there counts as 0."
    )
    with st.expander("Every problem, every method", icon=":material/table:"):
        table = evidence.table(chosen)
        st.dataframe(table, hide_index=True, width="stretch")
        csv_button("As CSV", table, f"evidence-{chosen}.csv")


def _show_ablations(evidence: Evidence) -> None:
    st.markdown(
        "**What helped, and what did not.** The same development problems, one thing changed in "
        f"`{DEFAULT_PRESET}`: what that gains (+) or loses (−), mean over the groups with a 95 % "
        "interval."
    )
    st.dataframe(evidence.ablation_table(), hide_index=True, width="stretch", height="content")
    st.caption(
        "Calibrating on held-out pictures and distances of penultimate features are compared on "
        "the problems that have them: linear heads, small networks, made-up classes. Features help "
        "most where classes are made up among features, and on the photographs not at all, so a "
        "second, larger array for every picture is not stored."
    )
    with st.expander("By group of problems: AUROC", icon=":material/table:"):
        table = evidence.ablation_groups("auroc")
        signed = st.column_config.NumberColumn(format="%+.3f")
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            height="content",
            column_config=dict.fromkeys(table.columns[1:], signed),
        )


def _listed(cases: list[str]) -> str:
    shown = "; ".join(cases[:N_CASES])
    return shown if len(cases) <= N_CASES else f"{shown}; and {len(cases) - N_CASES} more"


ensure_routed()
main()
