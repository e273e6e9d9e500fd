"""Open-set recognition with OpenMax: classifier, activations, calibration, threshold.

``torch`` is imported only when a network runs.
"""

from typing import TYPE_CHECKING, Any

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
