"""Mahalanobis distances of features: ``mahalanobis`` and ``rmds``.

A Gaussian is laid around the mean of every class, all with one covariance Σ: that of the training
features about the means of their classes. With M_c the squared Mahalanobis distance to class c,

============== ======================= ==========================
``mahalanobis`` −min M_c               Lee et al., NeurIPS 2018
``rmds``        M_0 − min M_c          Ren et al., 2021
============== ======================= ==========================

where M_0 is the squared distance to one Gaussian of all training features. All training pictures
count, whether the network is right on them or not, as in the papers. Covariances are divided by
N. Directions in which features vary less than by their rounding to float16 are left out; the
inverse of Σ is one in the others. A class without training pictures has no mean and is left out.

Example
-------
>>> import numpy as np
>>> features = np.array([[4.0, 0], [6, 0], [5, 1], [5, -1], [0, 4], [0, 6], [1, 5], [-1, 5]])
>>> logits, labels = features, [0] * 4 + [1] * 4
>>> method = Gaussians("mahalanobis").fit(logits, labels, features=features)
>>> method.decide(logits[:2], features=[[5.0, 0], [5, 2]]).scores.round(6).tolist()
[-0.0, -8.0]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import FitError, OpenMaxError
from openmax_core.methods.features import (
    ROUNDING,
    Arrays,
    FeatureMethod,
    ReadBlocks,
    vectors_as_arrays,
)
from openmax_core.methods.method import MethodWords
from openmax_core.support.arrays import Float
from openmax_core.support.products import Vectors, squares

FEATURES_ALONE = "Only features count: a constant added to all logits of a picture changes nothing."
WORDS = {
    "mahalanobis": MethodWords(
        "Mahalanobis distance",
        "The distance to the nearest class mean of the features, in units of their spread within "
        "the classes (Lee et al., NeurIPS 2018). It needs stored features.",
        "−min (x − μ_c)ᵀ Σ⁻¹ (x − μ_c) over the classes c, with the features x, their mean μ_c in "
        "class c and their covariance Σ within the classes",
        "negative squared Mahalanobis distance, at most 0",
        FEATURES_ALONE,
    ),
    "rmds": MethodWords(
        "Relative Mahalanobis distance (RMDS)",
        "The Mahalanobis distance to the nearest class mean, less the one to the mean of all "
        "classes: what all pictures have in common does not count (Ren et al., 2021). It needs "
        "stored features.",
        "M_0 − min M_c over the classes c, with M_c = (x − μ_c)ᵀ Σ⁻¹ (x − μ_c) of the features x, "
        "and M_0 the same with mean and covariance of all training features",
        "difference of squared Mahalanobis distances, without bounds",
        FEATURES_ALONE,
    ),
}


@dataclass(frozen=True)
class Whitening:
    """A linear map after which features have the covariance 1.

    Attributes
    ----------
    axes : Vectors (R, D), directions in which features vary, divided by their spread
    """

    axes: Vectors

    @classmethod
    def of(cls, covariance: Float, floor: float) -> Self:
        """Whitening for a (D, D) covariance.

        Parameters
        ----------
        floor : variances below are left out
        """
        variances, directions = np.linalg.eigh(covariance)
        kept = variances > floor
        return cls(Vectors.of(directions.T[kept] / np.sqrt(variances[kept])[:, None]))


class Gaussians(FeatureMethod):
    """Mahalanobis distances of features.

    Parameters
    ----------
    name : 'mahalanobis' or 'rmds'

    Attributes
    ----------
    centre_ : (D,) float64, the mean of all training features
    within_ : Whitening, of features about the means of their classes
    means_ : Vectors (K, R), means of the K classes with training pictures, less centre, whitened
    whole_ : Whitening of all features about their mean; of 'rmds' alone
    """

    def __init__(self, name: str) -> None:
        if name not in WORDS:
            raise OpenMaxError(f"no Mahalanobis distance {name!r}; there are {', '.join(WORDS)}")
        self.own_name, self.own_words = name, WORDS[name]
        super().__init__()

    centre_: Float
    within_: Whitening
    means_: Vectors
    whole_: Whitening | None

    @property
    def is_relative(self) -> bool:
        """Less the distance to the Gaussian of all features."""
        return self.own_name == "rmds"

    @property
    def learned_in_words(self) -> str:
        """Over how many directions the distance runs."""
        left = self.n_features - len(self.within_.axes)
        text = f"There are means of {len(self.means_):,} classes, with {self.n_features:,} features"
        if left:
            text += f"; {left:,} directions are left out, in which features do not vary in a class"
        return f"{text}."

    def score_range(self) -> tuple[float, float]:
        """At most 0, but for the relative distance."""
        return self.bounds[0], self.bounds[1] if self.is_relative else 0.0

    def _learn(self, read: ReadBlocks, n_classes: int) -> None:
        n, sums, products = 0, np.empty(0), np.empty(0)
        counts = np.zeros(n_classes)
        for block in read():
            x = block.features
            if not n:
                width = x.shape[1]
                sums, products = np.zeros((n_classes, width)), np.zeros((width, width))
            of_class = np.zeros((n_classes, len(x)))
            of_class[block.labels, np.arange(len(x))] = 1.0
            sums += of_class @ x
            products += x.T @ x
            counts += of_class.sum(axis=1)
            n += len(x)
        if not n:
            raise FitError("there are no training pictures")
        has_pictures = counts > 0
        means = sums[has_pictures] / counts[has_pictures, None]
        self.centre_ = sums.sum(axis=0) / n
        floor = ROUNDING * np.trace(products) / n / len(products)
        own = counts[has_pictures]
        within = (products - (means * own[:, None]).T @ means) / n
        self.within_ = Whitening.of(within, floor)
        if not len(self.within_.axes):
            raise FitError(
                "the features of a class do not differ from each other: there is no spread to "
                "measure distances with; it takes more training pictures of each class"
            )
        self.means_ = Vectors.of(self.within_.axes.applied(means - self.centre_))
        self.whole_ = None
        if self.is_relative:
            whole = products / n - np.outer(self.centre_, self.centre_)
            self.whole_ = Whitening.of(whole, floor)

    def _score(self, logits: Float, features: Float) -> Float:
        centred = features - self.centre_
        z = self.within_.axes.applied(centred)
        means = self.means_.values
        # The nearest mean by exact products, then the distance to it alone.
        nearest = np.argmin(squares(means) - 2.0 * self.means_.applied(z), axis=1)
        distance = squares(z - means[nearest])
        if self.whole_ is None:
            return -distance
        return squares(self.whole_.axes.applied(centred)) - distance

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {
            "centre": self.centre_,
            **vectors_as_arrays("within", self.within_.axes),
            **vectors_as_arrays("means", self.means_),
        }
        if self.whole_ is not None:
            arrays |= vectors_as_arrays("whole", self.whole_.axes)
        return arrays

    def _restore(self, arrays: Arrays) -> None:
        self.centre_ = arrays.take("centre", np.float64, arrays.n_features)
        self.within_ = Whitening(arrays.vectors("within"))
        self.means_ = arrays.vectors("means", None, len(self.within_.axes))
        self.whole_ = Whitening(arrays.vectors("whole")) if self.is_relative else None
