"""A method, calibrated and scored on a workspace's activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from openmax_core.activations.activations import Activations
from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.counting import Counted
from openmax_core.methods.method import Decisions, Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.settings import PRESETS
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import counted
from openmax_core.tradeoff.class_thresholds import ClassThresholds
from openmax_core.tradeoff.curve import Curve, TradeoffCurve
from openmax_core.tradeoff.kinds import Kinds, Mix
from openmax_core.tradeoff.objectives import LeastTableCost, MostRejected, Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint


@dataclass(frozen=True)
class Evaluation:
    """A method calibrated and scored on a workspace.

    All figures come from :attr:`overall`. Where the pictures are too many to hold,
    ``train``, ``test``, ``reject`` and ``curve`` are those of a sample, for looking at pictures.

    Attributes
    ----------
    method : Method, fitted
    curve : TradeoffCurve, of the pictures in ``test`` and ``reject``, in their order
    train, test : Activations; ``train`` is what the calibration was fitted on
    reject : Activations or None
    calibrated_on : 'train' or 'calibration'
    data : str, fingerprint of all activations used
    counted : Counted or None
        What all pictures together gave, where the above are a sample.
    """

    method: Method
    curve: TradeoffCurve
    train: Activations
    test: Activations
    reject: Activations | None
    calibrated_on: str
    data: str
    counted: Counted | None = None

    @classmethod
    def of(
        cls,
        method: Method,
        train: Activations,
        test: Activations,
        reject: Activations | None,
        calibrated_on: str,
        data: str,
        counted: Counted | None = None,
    ) -> Evaluation:
        """Score test and reject set with a method that is fitted; arguments as the attributes."""
        tested = method.decide(test.logits, test.features)
        rejected = Decisions(np.empty(0), np.empty(0, dtype=np.int64))
        if reject is not None:
            rejected = method.decide(reject.logits, reject.features)
        curve = TradeoffCurve(
            tested.scores,
            tested.predictions,
            test.labels,
            rejected.scores,
            rejected.predictions,
            method.n_classes,
        )
        return cls(method, curve, train, test, reject, calibrated_on, data, counted)

    @property
    def has_tails(self) -> bool:
        """The method is OpenMax, which has means and Weibull tails to look at."""
        return isinstance(self.method, OpenMax)

    @property
    def openmax(self) -> OpenMax:
        """The method, for what is of OpenMax alone.

        Raises
        ------
        OpenMaxError
            It is another method; see :attr:`has_tails`.
        """
        if not isinstance(self.method, OpenMax):
            raise OpenMaxError(
                f"the method '{self.method.name}' has no means and no Weibull tails; choose a "
                f"preset of OpenMax: {', '.join(PRESETS)}"
            )
        return self.method

    @cached_property
    def score_range(self) -> tuple[float, float]:
        """Smallest and largest score: the method's own where it has bounds, else the pictures'.

        Nothing that was counted lies outside. Two numbers that differ, always.
        """
        if self.method.is_bounded:
            return self.method.score_range()
        return self.overall.score_span

    @property
    def overall(self) -> Curve:
        """Curve of all pictures: exact, or counts where they are too many to hold."""
        return self.curve if self.counted is None else self.counted.curve

    @property
    def accuracy_in_words(self) -> str:
        """How exact figures between the bins' edges are; '' where all are exact."""
        if self.counted is None:
            return ""
        return (
            f"Counted in {len(self.counted.curve.counts.edges) - 1:,} bins: exact at their "
            "edges and at all positions of the slider, and between edges "
            f"{self.counted.curve.error_bound.in_words}."
        )

    @property
    def sample_in_words(self) -> str:
        """Which pictures stand for all where single ones are shown; '' where all are there."""
        if self.counted is None:
            return ""
        parts = [f"{len(self.test):,} of {self.test.n_readable:,} test"]
        if self.reject is not None:
            parts.append(f"{len(self.reject):,} of {self.reject.n_readable:,} reject")
        return f"a sample of {' and '.join(parts)} pictures"

    @property
    def n_right_before_rejection(self) -> int:
        """Test pictures that the classifier alone gets right."""
        if self.counted is not None:
            return self.counted.n_right
        return int((self.test.readable["prediction"] == self.test.labels).sum())

    @property
    def accuracy_before_rejection(self) -> float:
        """Share of the test set that the classifier alone gets right."""
        return self.n_right_before_rejection / self.test.n_readable

    @property
    def accuracy_without_threshold(self) -> float:
        """Test accuracy at the lowest threshold: of the method, with nothing rejected by a score.

        Not the accuracy before rejection where the method changes the most probable class, or
        'unknown' is the most probable.
        """
        return float(self.overall.test_accuracy(self.score_range[0]))

    @property
    def both_accuracies_in_words(self) -> str:
        """Why the two differ, with both figures; '' where they are equal."""
        n_before, n_test = self.n_right_before_rejection, self.overall.n_test
        n_without = self.overall.outcome(self.score_range[0]).correct
        if n_before == n_without:
            return ""
        return (
            f"The network alone is right on {counted(n_before, n_test)} test pictures, and Test "
            f"accuracy at the lowest threshold is {counted(n_without, n_test)}: the method "
            "re-weights the classes, so that another class or 'unknown' may become the most "
            "probable."
        )

    @cached_property
    def kinds(self) -> Kinds | None:
        """Kinds of unknowns, the folders of the reject set; None without one."""
        if self.reject is None:
            return None
        return Kinds.from_paths(self.reject.readable["path"].tolist())

    @property
    def mix(self) -> Mix | None:
        """Shares of the kinds in production that figures are weighted by; None where by none."""
        return self.curve.mix

    def in_production(self, shares: Mapping[str, float] | None) -> Evaluation:
        """Return the same with Reject accuracy weighted by the kinds' shares in production.

        Parameters
        ----------
        shares : by kind, in any unit: only their ratios count; kinds that are not named are not
            expected. None or empty: all pictures count alike

        Raises
        ------
        OpenMaxError
            There is no reject set, a share is out of range or of a kind without pictures, or the
            pictures are too many to count by kind.
        """
        if not shares:
            return self if self.mix is None else replace(self, curve=self.curve.with_kinds(None))
        if self.kinds is None or not len(self.kinds.of):
            raise OpenMaxError(
                "kinds of unknowns have shares in production, but there is no reject set; add a "
                "folder with pictures of unknowns as reject under [folders]"
            )
        if self.counted is not None:
            raise OpenMaxError(
                f"shares of kinds cannot be used for {self.overall.n_reject:,} reject pictures: "
                "scores are counted for all kinds together. Leave the shares out"
            )
        mix = Mix.of(shares, self.kinds.sizes)
        return replace(self, curve=self.curve.with_kinds(self.kinds, mix))

    def with_kinds(self) -> Evaluation:
        """Return the same with the kind of every reject picture, for tables of costs by kind."""
        if self.curve.kinds is not None or self.kinds is None or self.counted is not None:
            return self
        return replace(self, curve=self.curve.with_kinds(self.kinds))

    def like(self, point: OperatingPoint) -> Evaluation:
        """Return the same with the kinds' shares of a point.

        Raises
        ------
        OpenMaxError
            As for :meth:`in_production`; it says that the point is the reason.
        """
        try:
            return self.in_production({item.name: item.share for item in point.kinds or ()})
        except OpenMaxError as error:
            raise OpenMaxError(
                "the operating point's Reject accuracy is weighted by kinds of unknowns, and this "
                f"is not possible now: {error}; or choose the threshold again"
            ) from error

    def _for(self, objective: Objective) -> Evaluation:
        """Return the same, with what the objective needs: kinds of unknowns, classes in order."""
        if not isinstance(objective, LeastTableCost):
            return self
        objective.table.for_classes(self.method.class_names_)
        return self.with_kinds() if objective.table.kinds else self

    def recommend(self, min_test_accuracy: float) -> OperatingPoint:
        """Best Reject accuracy under a floor of Test accuracy, see :meth:`choose`."""
        return self.choose(MostRejected(min_test_accuracy))

    def recommend_by_default(self, min_test_accuracy: float) -> OperatingPoint:
        """Best point where nobody said what for, see :meth:`Curve.default_objective`.

        Raises
        ------
        NoFeasibleThresholdError
            The best one rejects nothing, or nearly everything: it is ``nearest``. Or there are no
            test pictures.
        """
        objective = self.overall.default_objective(min_test_accuracy)
        point = self.choose(objective)
        if point.useless:
            raise NoFeasibleThresholdError(no_advice(point, objective), point)
        return point

    def choose(self, objective: Objective, confidence: float | None = None) -> OperatingPoint:
        """Best point for an objective, with method and data recorded; see :meth:`Curve.choose`.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold meets the objective's constraint; ``nearest`` is described as well.
        """
        try:
            return self._described(self._for(objective).overall.choose(objective, confidence))
        except NoFeasibleThresholdError as error:
            if error.nearest is not None:
                error.nearest = self._described(error.nearest)
            raise

    def point_at(self, threshold: float) -> OperatingPoint:
        """Operating point at a threshold that somebody set."""
        return self._described(OperatingPoint.of(self.overall.outcome(threshold)))

    def refreshed(self, point: OperatingPoint) -> OperatingPoint:
        """Return a point's thresholds with the figures that they have on the present pictures.

        A promise holds for the method and the data that it was made with, and is left out where
        they have changed.

        Raises
        ------
        OpenMaxError
            It has thresholds per class, and one is of a class that there is not, or the pictures
            are too many to count by class. Or it has kinds of unknowns or costs that do not fit.
        """
        return self.like(point)._counted_again(point)

    def _counted_again(self, point: OperatingPoint) -> OperatingPoint:
        if point.class_thresholds is None:
            objective = point.chosen_for or MostRejected()
            curve = self._for(objective).overall
            outcome = curve.outcomes_for(objective, [point.threshold]).at(0)
        elif self.counted is not None:
            raise OpenMaxError(
                f"thresholds per class cannot be counted on {self.overall.n_test:,} pictures; "
                "choose a single threshold"
            )
        else:
            limits = point.limits(self.method.class_names_)
            objective = point.chosen_for or MostRejected()
            curve_by_picture = self._for(objective).curve
            outcome = curve_by_picture.outcome_by_class(limits, point.threshold, objective)
        return self._described(
            OperatingPoint.of(
                outcome,
                objective=point.objective,
                class_thresholds=point.class_thresholds,
                promise=point.promise if self.is_of(point) else None,
            )
        )

    def is_of(self, point: OperatingPoint) -> bool:
        """Whether a point was made with this method, these settings and these data."""
        own = self._described(point)
        return (point.preset, point.settings, point.data) == (own.preset, own.settings, own.data)

    def class_point(self, chosen: ClassThresholds, objective: Objective) -> OperatingPoint:
        """Operating point with a threshold per class."""
        names = self.method.class_names_
        return self._described(
            OperatingPoint.of(
                chosen.outcome,
                objective=objective.to_dict(),
                class_thresholds=dict(zip(names, chosen.thresholds.tolist(), strict=True)),
                promise=chosen.promise,
            )
        )

    def _described(self, point: OperatingPoint) -> OperatingPoint:
        return replace(
            point,
            preset=self.method.name,
            settings=self.method.settings_,
            data=self.data,
        )


def no_advice(point: OperatingPoint, objective: Objective) -> str:
    """Why the best point for an objective is not recommended: it is useless."""
    return (
        f"the best threshold for {objective.in_words_on(point.n_reject)}, "
        f"{threshold_text(point.threshold)}, {point.useless}"
    )
