"""OpenMax: a classifier's logits become C + 1 probabilities, the last one 'unknown'.

Source: Bendale & Boult, "Towards Open Set Deep Networks", CVPR 2016, and its code (OSDN).

1. Keep the correctly classified training activation vectors. Per class: the mean (MAV), the
   distances to it, and a Weibull over the η largest (:mod:`openmax_core.weibull.fit`).
2. For an activation vector v with distance d_j to MAV j, rank the classes by logit. Rank
   i = 1..α has the weight a_i = (α + 1 − i)/α ('code'), (α − i)/α ('paper') or 1 for every class
   ('all'); the others 0.
3. ω_j = 1 − a_j · CDF_j(d_j); v̂_j = v_j ω_j; the unknown's logit is Σ_j v_j (1 − ω_j).
4. Softmax over the C + 1, the largest subtracted first.

The preset 'robust' differs from this in three points, and has α = 5. Before anything else the mean
of a picture's logits is taken off them (``centring``), so that a constant added to all of them
changes nothing, as with softmax. Of the weights a_i only a quarter counts (``strength``), and of
the logits only positive ones give to the unknown (``unknown_from``): far out in a tail a picture
loses score, but never all at once. With these weights 'unknown' is never the most probable, for at
most ¾ of the largest logit can move to it, and more stays. Pictures are rejected by the threshold
alone.

Example
-------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> labels = np.repeat([0, 1, 2], 50)
>>> logits = 8 * np.eye(3)[labels] + rng.normal(size=(150, 3))
>>> om = OpenMax(preset="bendale").fit(logits, labels)
>>> om.predict([[8.0, 0.0, 0.0], [4.0, 4.0, 4.0]], threshold=0.5).tolist()
[0, 3]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import FitError, OpenMaxError
from openmax_core.methods.calibration import Calibration
from openmax_core.methods.distances import DISTANCES, SCALED_EUCOS, scaled_eucos
from openmax_core.methods.fitting import fit_arrays, fit_chunks, fit_weibull
from openmax_core.methods.method import Decisions, Method, MethodWords
from openmax_core.methods.reweighting import (
    centred,
    rank_weights,
    revised,
    softmax,
    top_ranked,
)
from openmax_core.methods.settings import (
    DEFAULT_PRESET,
    PRESET_SENTENCES,
    PRESETS,
    MethodSettings,
    resolve_settings,
)
from openmax_core.support.arrays import Float
from openmax_core.support.chunks import ReadChunks
from openmax_core.support.codec import read_json


class OpenMax(Method):
    """OpenMax over stored logits, following scikit-learn's conventions.

    Parameters
    ----------
    preset : 'robust', 'bendale' or 'notebook'
        Where settings that are not given come from.
    centring : 'none', 'mean' or 'minimum', optional
        What is taken off each picture's logits first.
    distance : 'euclidean', 'squared_euclidean', 'cosine', 'eucos' or 'scaled_eucos', optional
    tail_size : int, optional
        η, the distances per class that a Weibull is fitted to.
    tail_share : float in (0, 1], optional
        η of a class is this share of its correctly classified, where that is more than
        ``tail_size``.
    alpha_rank : int, optional
        α, how many top-ranked classes are re-weighted; at most C are. ``None``: the preset's.
    weighting : 'code', 'paper' or 'all', optional
        How the weight falls with the rank.
    strength : float in (0, 1], optional
        By which all weights are multiplied.
    unknown_from : 'all' or 'positive', optional
        Which logits give to the unknown's; a negative one would take from it.
    weibull : 'libmr' or 'weibull_max', optional
    translate : float, optional
        libMR's offset; used by the 'libmr' form.
    second_softmax : bool, optional
        Apply softmax to the probabilities once more before comparing with the threshold.
    fit_precision : 'float32' or 'float64', optional
        In which MAVs and training distances are computed. Scoring is always float64.

    Attributes
    ----------
    classes_ : (C,) int64
    preset_, settings_, class_names_, means_, distance_factors_, weibull_, tails_, n_correct_,
    n_training_, borrowed_ : what was learned, see
        :class:`openmax_core.methods.calibration.Calibration`
    """

    settings_: MethodSettings
    parameter_names: ClassVar[tuple[str, ...]] = ("preset", *vars(PRESETS[DEFAULT_PRESET]))

    def __init__(
        self,
        preset: str = DEFAULT_PRESET,
        *,
        centring: str | None = None,
        distance: str | None = None,
        tail_size: int | None = None,
        tail_share: float | None = None,
        alpha_rank: int | None = None,
        weighting: str | None = None,
        strength: float | None = None,
        unknown_from: str | None = None,
        weibull: str | None = None,
        translate: float | None = None,
        second_softmax: bool | None = None,
        fit_precision: str | None = None,
    ) -> None:
        self.preset = preset
        self.centring = centring
        self.distance = distance
        self.tail_size = tail_size
        self.tail_share = tail_share
        self.alpha_rank = alpha_rank
        self.weighting = weighting
        self.strength = strength
        self.unknown_from = unknown_from
        self.weibull = weibull
        self.translate = translate
        self.second_softmax = second_softmax
        self.fit_precision = fit_precision

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters as they were given to the constructor."""
        return {name: getattr(self, name) for name in self.parameter_names}

    def set_params(self, **parameters: Any) -> OpenMax:
        """Change parameters by name; takes effect at the next ``fit``."""
        for name, value in parameters.items():
            if name not in self.parameter_names:
                raise OpenMaxError(
                    f"OpenMax has no setting '{name}'; there are {', '.join(self.parameter_names)}"
                )
            setattr(self, name, value)
        return self

    def settings(self) -> MethodSettings:
        """Every setting with its value, the preset's where none was given.

        Raises
        ------
        OpenMaxError
            A setting has a value that does not exist; the message lists those that do.
        """
        overrides = self.get_params()
        return resolve_settings(overrides.pop("preset"), overrides)

    @property
    def name(self) -> str:
        """Name in the registry: the preset's."""
        return self.preset

    @property
    def words(self) -> MethodWords:
        """The method in words."""
        is_twice = self.settings().second_softmax
        return MethodWords(
            f"OpenMax, preset '{self.preset}'",
            PRESET_SENTENCES[self.preset],
            "largest of C + 1 probabilities, 'unknown' among them, after re-weighting by the "
            "Weibull tails",
            "softmax of the probabilities once more, up to e/(e + C)"
            if is_twice
            else "probability, from 1/(C + 1) to 1",
            "A constant added to all logits of a picture changes nothing."
            if self.ignores_shift
            else "A constant added to all logits of a picture changes the scores.",
        )

    def fit(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str] | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Learn MAVs and Weibull tails from training activations.

        A class with too few correctly classified pictures borrows from the others and is marked in
        ``borrowed_``; see :mod:`openmax_core.methods.fitting`.

        Parameters
        ----------
        logits : (N, C) float
        labels : (N,) int in 0..C − 1
        class_names : C names, optional
            Used in messages; '0', '1', … without.

        Raises
        ------
        FitError
            Shapes do not fit, logits are not finite, or no class gives a Weibull; named.
        """
        learned = fit_arrays(self.preset, self.settings(), logits, labels, class_names)
        for name in ("tail_rows_", "farthest_"):  # of an earlier fit_chunks
            vars(self).pop(name, None)
        return self._adopt(learned)

    def fit_chunks(self, read: ReadChunks, class_names: Sequence[str]) -> Self:
        """As :meth:`fit`, from chunks of activations that are read twice; memory does not grow.

        The rows of the pictures that a tail is made of are in ``tail_rows_`` afterwards, C arrays;
        the largest Euclidean distance of each class's correctly classified to its MAV is in
        ``farthest_``, (C,).

        Parameters
        ----------
        read : begins anew at each call
        class_names : C names

        Raises
        ------
        FitError
            No class gives a Weibull, all are named; or the distance is 'scaled_eucos', which needs
            all distances at once.
        """
        learned, self.tail_rows_, self.farthest_ = fit_chunks(
            self.preset, self.settings(), read, class_names
        )
        return self._adopt(learned)

    @property
    def n_fit_passes(self) -> int:
        """Twice: for the means, and for the tails."""
        return 2

    def _adopt(self, learned: Calibration) -> Self:
        self.preset_, self.settings_ = learned.preset, learned.settings
        self.class_names_ = learned.class_names
        self.classes_ = np.arange(len(learned.class_names))
        self.means_, self.distance_factors_ = learned.means, learned.distance_factors
        self.weibull_, self.tails_ = learned.weibull, learned.tails
        self.n_correct_, self.n_training_ = learned.n_correct, learned.n_training
        self.borrowed_ = learned.borrowed
        return self

    @property
    def calibration(self) -> Calibration:
        """Everything learned."""
        self._require_fit()
        return Calibration(**{f.name: getattr(self, f"{f.name}_") for f in fields(Calibration)})

    def with_shorter_tail(self, tail_size: int, alpha_rank: int | None = None) -> OpenMax:
        """Return the same fit with a smaller η, and another α if one is given.

        A tail holds the largest distances, so a shorter one is its end: nothing but the Weibull is
        fitted again, and the result is that of :meth:`fit` with these settings.

        Raises
        ------
        FitError
            ``tail_size`` is larger than what was fitted, or gives no Weibull.
        """
        self._require_fit()
        for tail, n_correct in zip(self.tails_, self.n_correct_.tolist(), strict=True):
            if len(tail) < min(tail_size, n_correct):
                raise FitError(
                    f"tail_size {tail_size} is more than the {len(tail)} fitted; fit again with it"
                )
        rank = self.settings_.alpha_rank if alpha_rank is None else alpha_rank
        names = self.class_names_
        settings = replace(self.settings_, tail_size=tail_size, tail_share=None, alpha_rank=rank)
        own = [
            tail[: 0 if is_borrowed else None]
            for tail, is_borrowed in zip(self.tails_, self.borrowed_.tolist(), strict=True)
        ]
        tails, weibull, borrowed = fit_weibull(own, self.n_correct_, settings, names)
        shorter = replace(
            self.calibration, settings=settings, tails=tails, weibull=weibull, borrowed=borrowed
        )
        return OpenMax(self.preset_, **settings.to_dict())._adopt(shorter)

    @property
    def ignores_shift(self) -> bool:
        """What is taken off each picture's logits takes the constant off too."""
        return self.settings().centring != "none"

    @property
    def is_probability(self) -> bool:
        """Not where softmax is applied once more."""
        return not self.settings_.second_softmax

    @property
    def borrowed_names(self) -> list[str]:
        """Names of the classes whose tails are borrowed."""
        return [self.class_names_[index] for index in np.flatnonzero(self.borrowed_).tolist()]

    def centred(self, logits: NDArray[Any]) -> NDArray[Any]:
        """(N, C) logits less what the method takes off them first: activation vectors."""
        return centred(logits, self.settings_.centring)

    def distance_between(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """(N,) distances between (N, C) activation vectors and one (C,), or (N, C) others."""
        if self.settings_.distance == SCALED_EUCOS:
            return scaled_eucos(a, b, self.distance_factors_)
        return DISTANCES[self.settings_.distance](a, b)

    def distances(self, logits: ArrayLike) -> Float:
        """(N, C) float64 distances of (N, C) logits to every MAV."""
        checked = self._check_logits(logits)
        out = np.empty(checked.shape)
        for part, chunk in self.chunks(checked):
            out[part] = self._all_distances(self.centred(chunk))
        return out

    def cdf(self, distances: ArrayLike) -> Float:
        """(N, C) float64 Weibull CDF of (N, C) distances: how far out in the class's tail."""
        self._require_fit()
        return self.weibull_.cdf(distances)

    def predict_proba(self, logits: ArrayLike) -> Float:
        """(N, C + 1) float64 probabilities of (N, C) logits, unknown last; rows sum to 1.

        A row depends on its own logits alone.

        Raises
        ------
        ActivationsError
            Wrong number of classes, or a logit that is not finite or beyond 1e38; the row is
            named.
        """
        checked = self._check_logits(logits)
        out = np.empty((len(checked), self.n_classes + 1))
        for part, chunk in self.chunks(checked):
            out[part] = self._probabilities(chunk)
        return out

    def decide(self, logits: ArrayLike, features: ArrayLike | None = None) -> Decisions:
        """Scores and predictions of (N, C) logits, without keeping the probabilities."""
        checked = self._check_logits(logits)
        scores = np.empty(len(checked))
        predictions = np.empty(len(checked), dtype=np.int64)
        for part, chunk in self.chunks(checked):
            probabilities = self._probabilities(chunk)
            predictions[part] = probabilities.argmax(axis=1)
            scores[part] = self.scores_of(probabilities)
        return Decisions(scores, predictions)

    def score_range(self) -> tuple[float, float]:
        """Smallest and largest value that ``decision_scores`` can take, given method and C."""
        n_outputs = self.n_classes + 1
        if self.settings_.second_softmax:
            return 1.0 / n_outputs, float(np.e / (np.e + n_outputs - 1))
        return 1.0 / n_outputs, 1.0

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as plain numbers and lists; floats survive JSON exactly."""
        return self.calibration.to_dict()

    @classmethod
    def from_dict(cls, values: Any) -> OpenMax:
        """Rebuild a fitted OpenMax from :meth:`to_dict`.

        Raises
        ------
        OpenMaxError
            Not a calibration, or one of a newer format.
        """
        learned = Calibration.from_dict(values)
        return cls(learned.preset, **learned.settings.to_dict())._adopt(learned)

    @classmethod
    def load(cls, path: str | Path) -> OpenMax:
        """Read a calibration that :meth:`save` wrote.

        Raises
        ------
        OpenMaxError
            The file cannot be read or is no calibration; it is named.
        """
        try:
            values = read_json(Path(path))
        except OpenMaxError as error:
            raise OpenMaxError(f"cannot read the calibration {path}: {error}") from error
        try:
            return cls.from_dict(values)
        except OpenMaxError as error:
            raise OpenMaxError(f"{path}: {error}") from error

    def probabilities_at(self, logits: ArrayLike, cdf: ArrayLike) -> Float:
        """(N, C + 1) probabilities that (N, C) logits would have with these (N, C) CDFs."""
        v = self.centred(np.asarray(self._check_logits(logits), dtype=np.float64))
        ranked = top_ranked(v, len(self.rank_weights()))
        own = np.take_along_axis(np.asarray(cdf, dtype=np.float64), ranked, axis=1)
        return self._reweighted(v, ranked, own)

    def rank_weights(self) -> Float:
        """(min(α, C),) float64 weights of the ranks 1, 2, …, the strength included."""
        settings, n_classes = self.settings_, self.n_classes
        alpha = settings.alpha_rank or n_classes
        if settings.weighting == "all":
            alpha = n_classes
        return rank_weights(settings.weighting, alpha, n_classes) * settings.strength

    def scores_of(self, probabilities: Float) -> Float:
        """(N,) values that are compared with the threshold, of (N, C + 1) probabilities."""
        largest = probabilities.max(axis=1)
        if not self.settings_.second_softmax:
            return largest
        return 1.0 / np.exp(probabilities - largest[:, None]).sum(axis=1)

    def _probabilities(self, logits: Float) -> Float:
        """Steps 2 to 4 of the module's docstring, for one chunk."""
        v = self.centred(logits)
        weights = self.rank_weights()
        if self.settings_.weighting == "all":
            weighted = self.weibull_.cdf(self._all_distances(v)) * weights
            return softmax(revised(v, weighted, self.settings_.unknown_from))
        ranked = top_ranked(v, len(weights))
        if len(weights) == self.n_classes:
            to_ranked = np.take_along_axis(self._all_distances(v), ranked, axis=1)
        else:
            by_rank = [self.distance_between(v, self.means_[classes]) for classes in ranked.T]
            to_ranked = np.stack(by_rank, axis=1)
        return self._reweighted(v, ranked, self.weibull_.cdf(to_ranked, ranked))

    def _reweighted(self, v: Float, ranked: NDArray[np.intp], cdf: Float) -> Float:
        """Probabilities of (N, C) vectors with the CDFs of their ranked classes, both (N, α)."""
        weighted = np.zeros_like(v)
        np.put_along_axis(weighted, ranked, cdf * self.rank_weights(), axis=1)
        return softmax(revised(v, weighted, self.settings_.unknown_from))

    def _all_distances(self, v: Float) -> Float:
        return np.stack([self.distance_between(v, mean) for mean in self.means_], axis=1)
