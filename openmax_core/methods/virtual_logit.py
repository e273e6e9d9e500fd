"""Virtual-logit matching: ``vim`` (Wang et al., CVPR 2022).

Features are taken about the origin o = −W⁺b, where W and b are the last layer's weights: there all
logits are 0. The directions in which training features vary least about o span the *residual
space*: all but the first d, with d = 1000 from 2048 features on, 512 from 768 on, and half of the
features below. The score is log Σ exp z − α ‖residual of x − o‖, in which α makes the second part,
the virtual logit, as large as the largest logit, on average over the training pictures.

W and b are not stored. They are recovered by least squares of the logits on the features, from the
sums of one pass. That is exact but for the rounding of the features to float16 (relative errors of
W about 1e-3 or less), as far as the logits are what a linear layer makes of the features; where
they are not, the fit is refused. It takes more training pictures than features. A feature that
never varies has the weight 0 then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import FitError
from openmax_core.methods.features import (
    ROUNDING,
    Arrays,
    FeatureMethod,
    ReadBlocks,
    vectors_as_arrays,
)
from openmax_core.methods.method import MethodWords
from openmax_core.methods.scores import energy
from openmax_core.support.arrays import Float
from openmax_core.support.products import Vectors, squares

# Of the logits' spread, that a linear layer may leave: rounding leaves about a thousandth.
MOST_LEFT = 0.03


def n_principal(n_features: int) -> int:
    """How many directions the residual leaves out."""
    if n_features >= 2048:
        return 1000
    return 512 if n_features >= 768 else n_features // 2


class VirtualLogit(FeatureMethod):
    """Energy less the virtual logit.

    Attributes
    ----------
    origin_ : (D,) float64, the features of which all logits are 0
    residual_ : Vectors (D − d, D), directions of length 1
    alpha_ : float, the virtual logit of a residual of length 1
    """

    own_name = "vim"
    own_words = MethodWords(
        "Virtual-logit matching (ViM)",
        "The energy of the logits, less the length of that part of the features that training "
        "pictures hardly have (Wang et al., CVPR 2022). It needs stored features.",
        "log Σ exp z − α ‖residual of x − o‖, with the features x, the point o where all logits "
        "are 0, and the residual in the directions in which training features vary least",
        "energy less the virtual logit, in units of the logits, without bounds",
        "A constant added to all logits of a picture is added to the score too.",
    )
    sees_logits = True
    origin_: Float
    residual_: Vectors
    alpha_: float

    @property
    def n_fit_passes(self) -> int:
        """Twice: the mean length of the residuals is known once their space is."""
        return 2

    @property
    def learned_in_words(self) -> str:
        """Size of the residual space, and α."""
        return (
            f"The residual runs over {len(self.residual_):,} of {self.n_features:,} directions; α "
            f"is {self.alpha_:.4g}."
        )

    def _learn(self, read: ReadBlocks, n_classes: int) -> None:
        sums = _Sums(n_classes)
        for block in read():
            sums.add(block.features, block.logits)
        self.origin_ = sums.origin()
        about = sums.about(self.origin_)
        _, directions = np.linalg.eigh(about)
        width = len(about)
        self.residual_ = Vectors.of(directions.T[: width - n_principal(width)])
        total = sum(float(self._lengths(block.features).sum()) for block in read())
        largest = sums.largest / sums.n
        if not largest > 0:
            raise FitError(
                f"the largest logits of the training pictures are {largest:.3g} on average: 'vim' "
                "scales by them and needs a positive one; choose another method"
            )
        if not total > np.sqrt(ROUNDING * np.trace(about) / width) * sums.n:
            raise FitError(
                "the features of the training pictures have no residual beyond their rounding, "
                "which 'vim' scales by; choose another method"
            )
        self.alpha_ = largest / (total / sums.n)

    def _score(self, logits: Float, features: Float) -> Float:
        return energy(logits) - self.alpha_ * self._lengths(features)

    def _lengths(self, features: Float) -> Float:
        """(n,) lengths of the residuals."""
        return np.sqrt(squares(self.residual_.applied(features - self.origin_)))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "origin": self.origin_,
            "alpha": np.array([self.alpha_]),
            **vectors_as_arrays("residual", self.residual_),
        }

    def _restore(self, arrays: Arrays) -> None:
        n = arrays.n_features
        self.origin_ = arrays.take("origin", np.float64, n)
        self.alpha_ = float(arrays.take("alpha", np.float64, 1)[0])
        self.residual_ = arrays.vectors("residual", n - n_principal(n))


class _Sums:
    """What one pass gathers of features x and logits z: sums of x, xxᵀ, z, z² and xzᵀ."""

    def __init__(self, n_classes: int) -> None:
        self.n, self.largest = 0, 0.0
        self.z, self.zz = np.zeros(n_classes), np.zeros(n_classes)
        self.x, self.xx, self.xz = np.empty(0), np.empty(0), np.empty(0)

    def add(self, x: Float, z: Float) -> None:
        """Add a block of (n, D) features and (n, C) logits."""
        if not self.n:
            width = x.shape[1]
            self.x, self.xx = np.zeros(width), np.zeros((width, width))
            self.xz = np.zeros((width, z.shape[1]))
        self.n += len(x)
        self.x += x.sum(axis=0)
        self.xx += x.T @ x
        self.xz += x.T @ z
        self.z += z.sum(axis=0)
        self.zz += (z * z).sum(axis=0)
        self.largest += float(z.max(axis=1).sum())

    def origin(self) -> Float:
        """(D,) o = −W⁺b of the last layer that the logits come from.

        Raises
        ------
        FitError
            There are too few pictures, or the logits do not come from a linear layer.
        """
        width = len(self.x)
        if self.n < width + 2:
            raise FitError(
                f"'vim' recovers the last layer from the training pictures and needs more of them "
                f"than there are features: there are {self.n:,} pictures and {width:,} features"
            )
        x, z = self.x / self.n, self.z / self.n
        covariance = self.xx / self.n - np.outer(x, x)
        shared = self.xz / self.n - np.outer(x, z)
        variances, directions = np.linalg.eigh(covariance)
        kept = variances > ROUNDING * np.trace(self.xx) / self.n / width
        axes = directions[:, kept]
        weights = axes @ (axes.T @ shared / variances[kept][:, None])  # (D, C)
        spread = self.zz / self.n - z * z
        left = spread - (weights * shared).sum(axis=0)
        if (left > MOST_LEFT**2 * spread).any():
            share = float(np.sqrt((left / np.where(spread > 0, spread, np.inf)).max()))
            raise FitError(
                "the stored logits do not come from one linear layer on the stored features "
                f"({100 * share:.1f} % of their spread are left), which 'vim' needs; choose "
                "another method, or name the features with features_output in workspace.toml"
            )
        return np.asarray(-np.linalg.pinv(weights.T) @ (z - x @ weights))

    def about(self, origin: Float) -> Float:
        """(D, D) mean of (x − o)(x − o)ᵀ."""
        x = self.x / self.n
        return np.asarray(
            self.xx / self.n - np.outer(x, origin) - np.outer(origin, x) + np.outer(origin, origin)
        )
