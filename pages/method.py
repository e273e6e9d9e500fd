"""About the method: what OpenMax does, what the presets are, and why the default is the default."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.analysis.evidence import Evidence
from openmax_core.errors import OpenMaxError
from openmax_core.methods.presets import DEFAULT_PRESET, PRESETS, preset_in_words
from pages._method.evidence import show_evidence
from pages._shared.registry import ensure_routed
from pages._shared.start import ASSETS
from pages._shared.widgets import show_error

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
    table = pd.DataFrame({name: preset_in_words(name) for name in PRESETS})
    st.table(table.rename(columns={DEFAULT_PRESET: f"{DEFAULT_PRESET} (default)"}))
    st.subheader(f"Why '{DEFAULT_PRESET}' is the default")
    try:
        evidence = _evidence()
    except OpenMaxError as error:
        show_error(error)
    else:
        show_evidence(evidence)
    st.subheader("Where OpenMax misleads")
    st.markdown(TRAPS)


@st.cache_resource(show_spinner=False)
def _evidence() -> Evidence:
    return Evidence.load(ASSETS / "evidence.json")


ensure_routed()
main()
