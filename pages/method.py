"""About the method: what OpenMax does, what the presets are, and why the default is the default."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from openmax_core.analysis.evidence import FIGURES, KINDS, OWN, SHIFTED, Evidence
from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import FEATURE_METHODS, words_of
from openmax_core.methods.scores import SCORES
from openmax_core.methods.settings import DEFAULT_PRESET, PRESETS
from openmax_core.support.files import listed
from pages._shared.registry import ensure_routed
from pages._shared.start import ASSETS
from pages._shared.widgets import (
    choose,
    csv_button,
    in_percent,
    share_column,
    show_error,
    show_table,
)

N_CASES = 4
WHAT = """
A classifier turns a picture into one *logit* per class. Softmax turns the logits into probabilities
that always sum to 1, so it has no answer 'none of these'. **OpenMax** (Bendale & Boult, CVPR 2016)
adds this answer:

1. For each class, take the mean logits of its correctly classified training pictures (mean
   activation vector, **MAV**). Fit a **Weibull** to the η largest distances to it, the class's
   *tail*.
2. For a new picture, compute the Weibull **CDF** of its distance to each of its α top-ranked
   classes. Near 0 the picture lies among the training pictures. Near 1 it lies farther away than
   almost all of them.
3. Each of these classes gives a part of its logit to an additional class **unknown**: a weight for
   the rank, times the CDF.
4. Published OpenMax applies softmax to the C + 1 values. It **rejects** a picture if 'unknown' is
   the most probable class, or if the largest probability is below the **threshold**. The default
   `openmax` keeps the network's class, and rejects a picture if its largest logit after step 3 is
   below the threshold.
"""
OTHERS = """
These methods are scores of the logits z alone. They learn nothing from training pictures, and they
have no settings. The prediction is the class with the largest logit. A larger score means more
known, and a picture is rejected if its score is below the threshold. Choose them in the sidebar, or
with `--method` in the shell.
"""
OF_FEATURES = """
These methods need features (penultimate activations), which the extraction stores if
`features = true` stands under `[classifier]` in `workspace.toml`. They learn from the features x of
all training pictures, and have no settings. The prediction is the class with the largest logit.
"""
TRAPS = """
- **A constant added to all logits** does not change softmax, but it changes published OpenMax: what
  a class gives to 'unknown' grows with its logit. On a network with shifted logits, `bendale` and
  `notebook` may reject everything or nothing. `openmax` and `robust` first subtract each picture's
  mean logit. A constant of the network, the same for all pictures, changes no decision of theirs.
  `openmax` adds ¾ of a picture's mean logit to its score again, so a constant that is added to
  one picture alone changes its score.
- **Negative logits** change the sign of their part of 'unknown'. In `openmax` and `robust` they
  give nothing.
- **Many distant classes**: with full weights, each of the α classes adds its logit to 'unknown'.
  Then 'unknown' becomes the most probable class for known pictures too, and no threshold can accept
  them. In `openmax` and `robust` each class gives only a part: together at most ¾ of the largest
  logit. So **'unknown' is never the most probable class** (up to α = 5), and only the threshold
  rejects pictures.
- **Weibulls that do not fit**: libMR shifts all distances by 1. Where distances are much smaller,
  the shift dominates, and the CDF is not 0 at the mean. `openmax` fits a Weibull to what exceeds
  the (η + 1)-th largest distance, in which no unit and no shift matter.
- **The notebook's Weibull is degenerate**: three free parameters give a shape below 1, and the CDF
  becomes a step at the largest training distance.
- **A second softmax**, as in the notebook, limits the score to e/(e + C).
- **Training pictures lie closer to their mean than new ones.** A `calibration` folder with known
  pictures that were not used for training gives more realistic tails.
"""


def main() -> None:
    st.title("About the method")
    st.markdown(WHAT)
    st.subheader("The presets")
    table = pd.DataFrame({name: settings.in_words for name, settings in PRESETS.items()})
    st.table(table.rename(columns={DEFAULT_PRESET: f"{DEFAULT_PRESET} (default)"}))
    st.subheader("Other methods")
    st.markdown(OTHERS)
    _show_words(SCORES)
    st.markdown(OF_FEATURES)
    _show_words(FEATURE_METHODS)
    st.subheader(f"Why '{DEFAULT_PRESET}' is the default")
    try:
        evidence = _evidence()
    except OpenMaxError as error:
        show_error(error)
    else:
        _show_rule(evidence)
        st.fragment(_show_comparison)(evidence)
        _show_ablations(evidence)
    st.subheader("Known problems of OpenMax")
    st.markdown(TRAPS)


def _show_words(names: Iterable[str]) -> None:
    """Draw a table with the words of methods, a column a method."""
    words = {name: words_of(name) for name in names}
    rows = {
        "what it is": [item.title for item in words.values()],
        "in a sentence": [item.sentence for item in words.values()],
        "score": [item.formula for item in words.values()],
        "unit and range": [item.score for item in words.values()],
        "a constant added to all logits": [item.shift for item in words.values()],
    }
    st.table(pd.DataFrame(rows, index=list(words)).T)


@st.cache_resource(show_spinner=False)
def _evidence() -> Evidence:
    return Evidence.load(ASSETS / "evidence.json")


def _show_rule(evidence: Evidence) -> None:
    counting = [row for row in evidence.candidates if row["counts"]]
    st.markdown(
        f"**{evidence.n_candidates} settings** were compared on "
        f"**{evidence.n_development_problems} development problems**: stored logits of networks "
        "(photographs, digits, Tiny-ImageNet, Caltech-101), and problems made of training pictures "
        "(flowers, digits, and made-up classes, also with a constant added to all logits). The "
        "rule: the mean figures are in no group of problems worse than maximum "
        "softmax probability (MSP) beyond noise, and over all groups they are not more often worse "
        f"than the maximum logit than better. {len(counting)} settings meet it. They differ "
        f"little, and `{DEFAULT_PRESET}` is one of them. The methods were then compared on "
        f"**{evidence.n_problems} other problems**, with test and reject sets that were not used "
        "for the choice."
    )
    below, above = evidence.beyond_noise(DEFAULT_PRESET, "")
    n_plain = evidence.n_comparisons("")
    words = f"better than maximum softmax probability in {len(above)} and worse in {len(below)}"
    st.markdown(
        f"On these, `{DEFAULT_PRESET}` is **{words}** of {n_plain} comparisons beyond noise "
        f"({n_plain // len(FIGURES)} problems × {len(FIGURES)} figures). In the others the "
        f"difference is within noise. {evidence.n_of(SHIFTED)} problems repeat others with a "
        f"constant added to all logits of the network: this changes nothing for "
        f"`{DEFAULT_PRESET}` and softmax. {evidence.n_of(OWN)} repeat others with another constant "
        f"for each picture, at random: `{DEFAULT_PRESET}` does not claim to ignore this."
        + (f" It is worse in: {listed(below, N_CASES)}." if below else "")
    )
    columns = st.container(key="stack").columns(len(KINDS), gap="medium")
    for place, (kind, title) in zip(columns, KINDS.items(), strict=True):
        place.markdown(f"**{title[0].upper()}{title[1:]}**")
        place.dataframe(
            evidence.noise_table(kind),
            hide_index=True,
            width="stretch",
            column_config={
                "method": st.column_config.TextColumn(width=110),
                "within noise": st.column_config.NumberColumn("noise", width=60),
                "better": st.column_config.NumberColumn(width=60),
                "worse": st.column_config.NumberColumn(width=60),
            },
        )
    st.caption(
        "How many figures are better or worse than those of maximum softmax probability, beyond "
        "noise; 'noise': no difference beyond it."
    )
    st.markdown(
        "A default must be safe; it need not be the best everywhere. Where a network shifts the "
        "logits of single pictures, `robust`, `msp` and `gen` do not see it. Compare the methods "
        "on your own reject set: the page Methods shows the same figures for every method."
    )


def _show_comparison(evidence: Evidence) -> None:
    chosen = choose(
        st.container(), "Figure", list(FIGURES), "evidence_figure", "auroc", FIGURES.__getitem__
    )
    st.plotly_chart(
        evidence.figure(chosen), key=f"evidence_{chosen}", config={"displayModeBar": False}
    )
    st.caption(
        "Right of the line, a method separates known and unknown pictures better than maximum "
        f"softmax probability. Bars are 95 % intervals from {evidence.n_resamples:,} paired "
        "resamples of test and reject pictures. Each row is the mean of its problems. If no "
        "threshold has Test accuracy ≥ 85.0 %, Reject accuracy counts as 0 %."
    )
    with st.expander("Every problem, every method", icon=":material/table:"):
        table = evidence.table(chosen)
        methods = table.columns[4:]
        columns = {name: name for name in table.columns} | dict.fromkeys(methods, share_column())
        show_table(in_percent(table, *methods), columns)
        csv_button("As CSV", table, f"evidence-{chosen}.csv")


def _show_ablations(evidence: Evidence) -> None:
    st.markdown(
        f"**Ablations.** One part of `{DEFAULT_PRESET}` is changed on the same development "
        "problems. The table shows the gain (+) or loss (−): mean over the groups with a 95 % "
        "interval."
    )
    show_table(evidence.ablation_table(), height="content")
    st.caption(
        "Calibration on held-out pictures and distances of penultimate features are compared on "
        "the problems that have them: linear heads, small networks, made-up classes. Features help "
        "most on made-up classes and not on photographs. Therefore the dashboard does not store a "
        "second, larger array unless features are asked for."
    )
    st.markdown(
        "**Methods of features**, on problems whose features are at hand: photographs of flowers "
        "behind a linear head, the digits, made-up classes. Better / within noise / worse than "
        "maximum softmax probability. `vim` can be fitted to those with more training pictures "
        "than features."
    )
    show_table(evidence.features_table(), height="content")
    with st.expander("By group of problems: AUROC, in points", icon=":material/table:"):
        table = evidence.ablation_groups("auroc")
        signed = st.column_config.NumberColumn(format="%+.1f")
        st.dataframe(
            in_percent(table, *table.columns[1:]),
            hide_index=True,
            width="stretch",
            height="content",
            column_config=dict.fromkeys(table.columns[1:], signed),
        )


ensure_routed()
main()
