"""Distances to the classes' means and the health of the fits, computed once an evaluation."""

from __future__ import annotations

from dataclasses import replace

from openmax_core.analysis.class_health import (
    ClassDistances,
    Health,
    class_distances,
    class_health,
    without_borrowed,
)
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.jobs import Job
from openmax_core.weibull.goodness import Goodness, simulate_goodness
from pages._shared.kept import kept

FitJob = Job[tuple[int, int], Goodness]


def health(evaluation: Evaluation) -> Health:
    """State of every class's fit; with the simulated p-values of :func:`fit_job` once it ended."""
    found = _health(evaluation, distances(evaluation))
    job = fit_job(evaluation)
    return found if job is None or not job.has_result else replace(found, goodness=job.result())


def fit_job(evaluation: Evaluation) -> FitJob | None:
    """Simulation of p-values in the background; None where they are not simulated there."""
    if not _health(evaluation, distances(evaluation)).goodness.is_open:
        return None
    return _fit_job(evaluation)


@kept("Measuring distances …")
def distances(evaluation: Evaluation) -> ClassDistances:
    """Distance of every picture to the MAV of one class."""
    return class_distances(evaluation)


@kept("Testing the fits …")
def _health(evaluation: Evaluation, _measured: ClassDistances) -> Health:
    return class_health(evaluation, _measured)


@kept()
def _fit_job(evaluation: Evaluation) -> FitJob:
    openmax = evaluation.openmax
    return Job(
        lambda report: without_borrowed(
            simulate_goodness(openmax.weibull_, openmax.tails_, report), openmax
        )
    )
