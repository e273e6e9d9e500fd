"""A few architectures to begin with: small ones first, which train on a CPU too."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from openmax_core.network.timm_networks import is_timm


@dataclass(frozen=True)
class Suggestion:
    """An architecture of torchvision or timm.

    Attributes
    ----------
    architecture : str
    millions : float
        Of weights, with the 1,000 classes of ImageNet.
    words : str
        What it is good for.
    """

    architecture: str
    millions: float
    words: str

    @property
    def in_words(self) -> str:
        """Name, size of its weights file, and what it is good for."""
        return f"{self.architecture}: {4 * self.millions:.0f} MB, {self.words}"


_ALL = (
    Suggestion("mobilenet_v3_small", 2.54, "fast, also on a CPU"),
    Suggestion("shufflenet_v2_x1_0", 2.28, "fast, also on a CPU"),
    Suggestion("timm:mobilenetv4_conv_small", 3.77, "fast, also on a CPU"),
    Suggestion("efficientnet_b0", 5.29, "more accurate, still small"),
    Suggestion("resnet18", 11.69, "well known"),
    Suggestion("resnet50", 25.56, "well known, better with a GPU"),
    Suggestion("convnext_tiny", 28.59, "more accurate, needs a GPU"),
    Suggestion("timm:convnext_tiny", 28.59, "more accurate, needs a GPU"),
)


def suggestions() -> list[Suggestion]:
    """Those that this installation can build."""
    has_timm = find_spec("timm") is not None
    return [item for item in _ALL if has_timm or not is_timm(item.architecture)]
