"""Open-set recognition with OpenMax: classifier, activations, calibration, threshold.

The rooms, from the top down; each imports only from those below it (``make lint`` checks):

    cli          the shell command
    report       one self-contained HTML page for people without the dashboard
    analysis     why: health of the fits, mistakes, kinds of unknowns, sensitivity
    monitor      batches of new pictures held against the test set
    export       network, method and threshold as one file
    training     fine-tuning          prediction  decisions on new pictures
    demos        the embedded workspaces
    diagnosis    why a workspace does not work
    workspace    one folder that names everything: pictures, classifier, stored activations
    extraction   the network run once over every picture
    evaluation   a method calibrated and scored on stored activations
    tradeoff     Test and Reject accuracy over the threshold, and the choice of one
    network      a classifier ready to run
    activations  stored logits and features
    methods      what ranks pictures: OpenMax (``methods/openmax.py``), scores of the logits
    pictures     from files, folders and uploads to pixels
    weibull      tails: fit, CDF, goodness of fit
    support      files, jobs, chunks, the look of figures
    errors.py    one family of errors

``torch`` is imported only when a network runs.
"""

import os
from typing import TYPE_CHECKING, Any

# ONNX Runtime reports to its maker, from its import on, unless this is set.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from openmax_core.errors import OpenMaxError
from openmax_core.methods.openmax import OpenMax
from openmax_core.tradeoff.curve import TradeoffCurve
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint

if TYPE_CHECKING:
    from openmax_core.network.classifier import load_classifier
    from openmax_core.workspace.workspace import Workspace

__all__ = [
    "NoFeasibleThresholdError",
    "OpenMax",
    "OpenMaxError",
    "OperatingPoint",
    "TradeoffCurve",
    "Workspace",
    "load_classifier",
]

_LATER = {
    "Workspace": "openmax_core.workspace.workspace",
    "load_classifier": "openmax_core.network.classifier",
}


def __getattr__(name: str) -> Any:
    """Import pandas and torchvision only for those who ask for them."""
    if name not in _LATER:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
