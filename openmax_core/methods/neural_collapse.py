"""The neural-collapse inspired score: ``nci`` (Liu & Qin, CVPR 2025).

Where training has collapsed, a known picture's features lie in the direction of its class's weight
vector, seen from the mean of all training features. With the class ŷ of the largest logit, its
weight vector w and the mean μ, the score is the part of the features in that direction,

    w · (x − μ) / ‖x − μ‖ = (z_ŷ − mean z_ŷ) / ‖x − μ‖,

the cosine of both times ‖w‖. The right side holds because logits are z = Wx + b: the mean logit of
the training pictures is that of their mean features. So no weights are needed. Logits that no
linear layer makes are taken as they are.

The paper adds the sum of the features' absolute values times a factor that is tuned on known
outliers. It is left out (a factor of 0), for nothing may be tuned on unknowns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.methods.features import Arrays, FeatureMethod, ReadBlocks
from openmax_core.methods.method import MethodWords
from openmax_core.support.arrays import Float
from openmax_core.support.products import squares


class NeuralCollapse(FeatureMethod):
    """How far the features point in the direction of the predicted class.

    Attributes
    ----------
    mean_features_ : (D,) float64, of all training pictures
    mean_logits_ : (C,) float64, of all training pictures
    """

    own_name = "nci"
    own_words = MethodWords(
        "Neural-collapse inspired score (NCI)",
        "How far the features point from the mean of the training features in the direction of the "
        "predicted class (Liu & Qin, CVPR 2025). It needs stored features.",
        "(z_ŷ − mean z_ŷ) / ‖x − μ‖, with the features x, their mean μ, and the largest logit z_ŷ",
        "length of the part of a weight vector, without bounds",
        "A constant added to all logits of a picture is added to the score, divided by ‖x − μ‖. "
        "The same constant for all pictures cancels out with their mean.",
    )
    sees_logits = True
    mean_features_: Float
    mean_logits_: Float

    @property
    def ignores_common_shift(self) -> bool:
        """The mean logits shift with the logits, up to rounding."""
        return True

    @property
    def learned_in_words(self) -> str:
        """Of how many features the mean is."""
        return f"It learned the means of {self.n_features:,} features and of the logits."

    def _learn(self, read: ReadBlocks, n_classes: int) -> None:
        n, features, logits = 0, np.zeros(1), np.zeros(n_classes)
        for block in read():
            n += len(block.labels)
            features = features + block.features.sum(axis=0)
            logits = logits + block.logits.sum(axis=0)
        self.mean_features_, self.mean_logits_ = features / n, logits / n

    def _score(self, logits: Float, features: Float) -> Float:
        best = logits.argmax(axis=1)
        above = logits[np.arange(len(logits)), best] - self.mean_logits_[best]
        lengths = np.sqrt(squares(features - self.mean_features_))
        # Features that are the mean itself point nowhere.
        return np.where(lengths > 0, above / np.where(lengths > 0, lengths, 1.0), 0.0)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"mean_features": self.mean_features_, "mean_logits": self.mean_logits_}

    def _restore(self, arrays: Arrays) -> None:
        self.mean_features_ = arrays.take("mean_features", np.float64, arrays.n_features)
        self.mean_logits_ = arrays.take("mean_logits", np.float64, arrays.n_classes)
