"""A method, calibrated and scored on a workspace's activations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from openmax_core.activations import Activations
from openmax_core.class_thresholds import ClassThresholds
from openmax_core.errors import NoFeasibleThresholdError
from openmax_core.evaluation import TradeoffCurve
from openmax_core.objectives import MostRejected, Objective
from openmax_core.openmax import OpenMax
from openmax_core.operating_point import OperatingPoint


@dataclass(frozen=True)
class Evaluation:
    """A method calibrated and scored on a workspace.

    Attributes
    ----------
    openmax : OpenMax, fitted
    curve : TradeoffCurve
    train, test : Activations; ``train`` is what the calibration was fitted on
    reject : Activations or None
    calibrated_on : 'train' or 'calibration'
    data : str, fingerprint of all activations used
    """

    openmax: OpenMax
    curve: TradeoffCurve
    train: Activations
    test: Activations
    reject: Activations | None
    calibrated_on: str
    data: str

    @property
    def n_right_before_rejection(self) -> int:
        """Test pictures that the classifier alone gets right."""
        return int((self.test.readable["prediction"] == self.test.labels).sum())

    @property
    def accuracy_before_rejection(self) -> float:
        """Share of the test set that the classifier alone gets right."""
        return self.n_right_before_rejection / len(self.test)

    def recommend(self, min_test_accuracy: float) -> OperatingPoint:
        """Best Reject accuracy under a floor of Test accuracy, see :meth:`choose`."""
        return self.choose(MostRejected(min_test_accuracy))

    def choose(self, objective: Objective) -> OperatingPoint:
        """Best point for an objective, with method and data recorded.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold meets the objective's constraint; ``nearest`` is described as well.
        """
        try:
            return self._described(self.curve.choose(objective))
        except NoFeasibleThresholdError as error:
            if error.nearest is not None:
                error.nearest = self._described(error.nearest)
            raise

    def point_at(self, threshold: float) -> OperatingPoint:
        """Operating point at a threshold that somebody set."""
        return self._described(OperatingPoint.of(self.curve.outcome(threshold)))

    def refreshed(self, point: OperatingPoint) -> OperatingPoint:
        """Return a point's thresholds with the figures that they have on the present pictures."""
        if point.class_thresholds is None:
            outcome = self.curve.outcome(point.threshold)
        else:
            names = self.openmax.class_names_
            limits = [point.class_thresholds.get(name, point.threshold) for name in names]
            outcome = self.curve.outcome_by_class(np.array(limits), point.threshold)
        return self._described(
            OperatingPoint.of(
                outcome, objective=point.objective, class_thresholds=point.class_thresholds
            )
        )

    def class_point(self, chosen: ClassThresholds, objective: Objective) -> OperatingPoint:
        """Operating point with a threshold per class."""
        names = self.openmax.class_names_
        return self._described(
            OperatingPoint.of(
                chosen.outcome,
                objective=objective.to_dict(),
                class_thresholds=dict(zip(names, chosen.thresholds.tolist(), strict=True)),
            )
        )

    def _described(self, point: OperatingPoint) -> OperatingPoint:
        return replace(
            point,
            preset=self.openmax.preset_,
            settings=self.openmax.settings_,
            data=self.data,
        )
