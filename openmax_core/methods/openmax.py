"""OpenMax: a classifier's logits become C + 1 probabilities, the last one 'unknown'.

Source: Bendale & Boult, "Towards Open Set Deep Networks", CVPR 2016, and its code (OSDN).

1. Keep the correctly classified training activation vectors. Per class: the mean (MAV), the
   distances to it, and a Weibull over the η largest (:mod:`openmax_core.weibull.fit`).
2. For an activation vector v with distance d_j to MAV j, rank the classes by logit. Rank
   i = 1..α has the weight a_i = (α + 1 − i)/α ('code'), (α − i)/α ('paper') or 1 for every class
   ('all'); the others 0.
3. ω_j = 1 − a_j · CDF_j(d_j); v̂_j = v_j ω_j; the unknown's logit is Σ_j v_j (1 − ω_j).
4. Softmax over the C + 1, the largest subtracted first.

The preset 'openmax', the default, keeps MAVs, tails and the re-weighting by rank, with α = 5, and
differs from this in these points:

* Before anything else the mean of a picture's logits is taken off them (``centring``), so that a
  constant added to all of them changes no distance.
* The distance adds Euclidean/200 and the chord between the directions (``distance``). The Weibull
  is that of how far the η largest distances exceed the next one (``weibull``): it does not depend
  on the unit of the distances, and the CDF is 0 near the MAV.
* Of the weights a_i only a quarter counts (``strength``), and of the logits only positive ones give
  to the unknown (``unknown_from``).
* The score is not a probability but the largest revised logit of a class, max_j v̂_j (``score``),
  plus ¾ · (the mean of the picture's logits − the same mean over training pictures)
  (``kept_mean``): the size of the logits, which a softmax throws away, tells unknown pictures. The
  class is that of the largest logit, and the threshold alone rejects.

So a constant that the network adds to the logits of every picture, those of training included,
changes no decision, up to rounding. One that is added to a single picture changes neither its class
nor its probabilities, and its score by ¾ of the constant.

The preset 'robust' has the mean taken off, ``strength`` and ``unknown_from`` as well, but the
distances and Weibulls of the source, and the largest probability as its score: a constant added to
all logits of a picture changes nothing, as with softmax. With its weights 'unknown' is never the
most probable, for at most ¾ of the largest logit can move to it, and more stays: the threshold
alone rejects.

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
from openmax_core.methods.fitting import fit_arrays, fit_chunks, fit_weibull, with_threshold
from openmax_core.methods.method import Decisions, Method, MethodWords
from openmax_core.methods.reweighting import (
    centred,
    rank_weights,
    revised,
    row_means,
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
    preset : 'openmax', 'robust', 'bendale' or 'notebook'
        Where settings that are not given come from.
    centring : 'none', 'mean' or 'minimum', optional
        What is taken off each picture's logits first.
    distance : str, optional
        'euclidean', 'squared_euclidean', 'cosine', 'eucos', 'scaled_eucos' or 'euchord'; see
        :mod:`openmax_core.methods.distances`.
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
    weibull : 'libmr', 'exceedances' or 'weibull_max', optional
        See :mod:`openmax_core.weibull.fit`.
    translate : float, optional
        libMR's offset; used by the 'libmr' form.
    second_softmax : bool, optional
        Apply softmax to the probabilities once more before comparing with the threshold.
    score : 'probability' or 'revised_logit', optional
        What is compared with the threshold: the largest of the C + 1 probabilities, or the largest
        of the C revised logits. With the latter the class is that of the largest logit, and
        'unknown' never wins.
    kept_mean : float in [0, 1], optional
        Share of a picture's mean logit, less the mean logit of training pictures, that is added to
        the largest revised logit.
    fit_precision : 'float32' or 'float64', optional
        In which MAVs and training distances are computed. Scoring is always float64.

    Attributes
    ----------
    classes_ : (C,) int64
    preset_, settings_, class_names_, means_, distance_factors_, mean_logit_, weibull_, tails_,
    n_correct_, n_training_, borrowed_ : what was learned, see
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
        score: str | None = None,
        kept_mean: float | None = None,
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
        self.score = score
        self.kept_mean = kept_mean
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
        settings = self.settings()
        formula = (
            "largest of C + 1 probabilities, 'unknown' among them, after re-weighting by the "
            "Weibull tails"
        )
        score = "probability, from 1/(C + 1) to 1"
        if settings.second_softmax:
            score = "softmax of the probabilities once more, up to e/(e + C)"
        shift = "A constant added to all logits of a picture changes the scores."
        if self.ignores_shift:
            shift = "A constant added to all logits of a picture changes nothing."
        if settings.score == "revised_logit":
            formula = "largest logit of a class after re-weighting by the Weibull tails"
            score = "revised logit, without bounds"
            if share := settings.kept_mean:
                formula += f", plus {share:g} · (the picture's mean logit − that of training)"
                shift = (
                    f"A constant added to all logits of one picture is added to its score by the "
                    f"share {share:g}. A constant that the network adds to the logits of every "
                    "picture, of training too, does not change any decision."
                )
        return MethodWords(
            f"OpenMax, preset '{self.preset}'",
            PRESET_SENTENCES[self.preset],
            formula,
            score,
            shift,
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
        self.mean_logit_ = learned.mean_logit
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
        is_of_exceedances = self.settings_.weibull == "exceedances"
        for tail, n_correct in zip(self.tails_, self.n_correct_.tolist(), strict=True):
            is_short = len(tail) < min(tail_size, n_correct)
            if is_of_exceedances:  # the threshold, and what equals it, is not in the tail
                is_short = tail_size > max(self.settings_.tail_size, len(tail))
            if is_short:
                raise FitError(
                    f"tail_size {tail_size} is more than the {len(tail)} fitted; fit again with it"
                )
        rank = self.settings_.alpha_rank if alpha_rank is None else alpha_rank
        names = self.class_names_
        settings = replace(self.settings_, tail_size=tail_size, tail_share=None, alpha_rank=rank)
        own = [
            tail[:0] if is_borrowed else with_threshold(self.weibull_, tail, index)
            for index, (tail, is_borrowed) in enumerate(
                zip(self.tails_, self.borrowed_.tolist(), strict=True)
            )
        ]
        tails, weibull, borrowed = fit_weibull(own, self.n_correct_, settings, names)
        shorter = replace(
            self.calibration, settings=settings, tails=tails, weibull=weibull, borrowed=borrowed
        )
        return OpenMax(self.preset_, **settings.to_dict())._adopt(shorter)

    @property
    def ignores_shift(self) -> bool:
        """What is taken off each picture's logits takes the constant off too, if all of it is."""
        return self.ignores_common_shift and not self.settings().kept_mean

    @property
    def ignores_common_shift(self) -> bool:
        """What is taken off each picture's logits, and off the kept mean, takes it off too."""
        return self.settings().centring != "none"

    @property
    def is_probability(self) -> bool:
        """Not where softmax is applied once more, nor where it is a revised logit."""
        return self.settings_.score == "probability" and not self.settings_.second_softmax

    @property
    def has_unknown(self) -> bool:
        """'Unknown' may be the most probable class.

        Not where revised logits are ranked: the class is then that of the largest logit. Not where
        the classes can lose too little either: with centred logits of which only positive ones
        lose, 'unknown' gets at most Σ a_i times the largest, and its class keeps 1 − a_1 of it.
        """
        settings = self.settings_
        if settings.score != "probability":
            return False
        weights = self.rank_weights()
        is_small = weights.sum() + weights[0] <= 1
        is_centred = settings.centring == "mean" and settings.unknown_from == "positive"
        return not (is_small and is_centred)

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
            out[part] = softmax(self._revised(chunk))
        return out

    def decide(self, logits: ArrayLike, features: ArrayLike | None = None) -> Decisions:
        """Scores and predictions of (N, C) logits, without keeping the probabilities."""
        checked = self._check_logits(logits)
        scores = np.empty(len(checked))
        predictions = np.empty(len(checked), dtype=np.int64)
        for part, chunk in self.chunks(checked):
            decided = self._decisions(chunk, self._revised(chunk))
            scores[part], predictions[part] = decided.scores, decided.predictions
        return Decisions(scores, predictions)

    def score_range(self) -> tuple[float, float]:
        """Smallest and largest value that ``decision_scores`` can take, given method and C."""
        n_outputs = self.n_classes + 1
        if self.settings_.score == "revised_logit":
            return -np.inf, np.inf
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
        return softmax(self._revised_at(np.asarray(self._check_logits(logits), float), cdf))

    def decide_at(self, logits: ArrayLike, cdf: ArrayLike) -> Decisions:
        """Scores and predictions that (N, C) logits would have with these (N, C) CDFs."""
        checked = np.asarray(self._check_logits(logits), dtype=np.float64)
        return self._decisions(checked, self._revised_at(checked, cdf))

    def rank_weights(self) -> Float:
        """(min(α, C),) float64 weights of the ranks 1, 2, …, the strength included."""
        settings, n_classes = self.settings_, self.n_classes
        alpha = settings.alpha_rank or n_classes
        if settings.weighting == "all":
            alpha = n_classes
        return rank_weights(settings.weighting, alpha, n_classes) * settings.strength

    def _decisions(self, logits: Float, revised_logits: Float) -> Decisions:
        """Scores and predictions of (N, C) logits and their (N, C + 1) revised ones."""
        if self.settings_.score == "revised_logit":
            scores = revised_logits[:, :-1].max(axis=1)
            if share := self.settings_.kept_mean:
                scores += share * (row_means(logits) - self.mean_logit_)
            return Decisions(scores, logits.argmax(axis=1))
        probabilities = softmax(revised_logits)
        return Decisions(self._scores_of(probabilities), probabilities.argmax(axis=1))

    def _scores_of(self, probabilities: Float) -> Float:
        largest = probabilities.max(axis=1)
        if not self.settings_.second_softmax:
            return largest
        return 1.0 / np.exp(probabilities - largest[:, None]).sum(axis=1)

    def _revised(self, logits: Float) -> Float:
        """Steps 2 and 3 of the module's docstring, for one chunk."""
        v = self.centred(logits)
        weights = self.rank_weights()
        if self.settings_.weighting == "all":
            weighted = self.weibull_.cdf(self._all_distances(v)) * weights
            return revised(v, weighted, self.settings_.unknown_from)
        ranked = top_ranked(v, len(weights))
        if len(weights) == self.n_classes:
            to_ranked = np.take_along_axis(self._all_distances(v), ranked, axis=1)
        else:
            by_rank = [self.distance_between(v, self.means_[classes]) for classes in ranked.T]
            to_ranked = np.stack(by_rank, axis=1)
        return self._reweighted(v, ranked, self.weibull_.cdf(to_ranked, ranked))

    def _reweighted(self, v: Float, ranked: NDArray[np.intp], cdf: Float) -> Float:
        """Revised logits of (N, C) vectors with the CDFs of their ranked classes, both (N, α)."""
        weighted = np.zeros_like(v)
        np.put_along_axis(weighted, ranked, cdf * self.rank_weights(), axis=1)
        return revised(v, weighted, self.settings_.unknown_from)

    def _revised_at(self, logits: Float, cdf: ArrayLike) -> Float:
        """(N, C + 1) revised logits that (N, C) logits would have with these (N, C) CDFs."""
        v = self.centred(logits)
        ranked = top_ranked(v, len(self.rank_weights()))
        own = np.take_along_axis(np.asarray(cdf, dtype=np.float64), ranked, axis=1)
        return self._reweighted(v, ranked, own)

    def _all_distances(self, v: Float) -> Float:
        return np.stack([self.distance_between(v, mean) for mean in self.means_], axis=1)
