"""How to train: the settings of ``openmax train`` and of the page, and what each means."""

from __future__ import annotations

import math
from dataclasses import dataclass

from openmax_core.errors import OpenMaxError

# Stands for a file of weights to start from: the library's own, which are downloaded.
DEFAULT_WEIGHTS = "DEFAULT"
SMALLEST = {"epochs": 0, "head_epochs": 0, "batch_size": 1, "patience": 1, "seed": 0}
# What a setting means, for the shell and for the page.
HELP = {
    "epochs": "at most, of all layers",
    "head_epochs": "of the last layer alone, before; only with backbone weights",
    "batch_size": "pictures in one step",
    "learning_rate": "default: 1e-4 with backbone weights, 1e-3 without",
    "patience": "stop after so many epochs without a smaller held-out loss",
    "seed": "the same seed gives the same weights on a CPU",
}


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes
    ----------
    epochs : int
        Most passes over the pictures with all layers free.
    head_epochs : int
        Passes with all but the last layer frozen; none without backbone weights.
    batch_size : int
    learning_rate : float or None
        Of all layers at the start; 1e-3 from random weights, 1e-4 from a backbone without.
    held_out : float
        Share of each class's pictures that is not trained on.
    patience : int
        Epochs without a smaller held-out loss before it stops.
    seed : int
    """

    epochs: int = 10
    head_epochs: int = 2
    batch_size: int = 32
    learning_rate: float | None = None
    held_out: float = 0.15
    patience: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        OpenMaxError
            A setting is out of range; it is named.
        """
        for name, smallest in SMALLEST.items():
            if getattr(self, name) < smallest:
                raise OpenMaxError(f"{name} must be at least {smallest}, not {getattr(self, name)}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise OpenMaxError(f"learning_rate must be larger than 0, not {self.learning_rate}")
        if not 0 < self.held_out < 1:
            raise OpenMaxError(f"held_out must lie between 0 and 1, not {self.held_out}")
