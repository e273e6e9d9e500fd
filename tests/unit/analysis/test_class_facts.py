"""Where the threshold begins to reject: against a plain loop, and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmax_core.analysis.class_facts import Boundary, best_boundary, class_boundary
from openmax_core.analysis.class_health import class_distances
from tests.support.evaluations import made_up_evaluation

pictures = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.2, 0.3, 0.5, 0.9]), st.booleans()), max_size=12
)


@settings(max_examples=300)
@given(pictures)
def test_no_distance_tells_rejected_from_accepted_better(rows):
    distances = np.array([row[0] for row in rows])
    rejected = np.array([row[1] for row in rows], dtype=bool)
    found = best_boundary(distances, rejected)

    def mistakes(cut: float) -> int:
        return sum(is_rejected != (distance > cut) for distance, is_rejected in rows)

    fewest = min((mistakes(cut) for cut in (-1.0, 0.15, 0.25, 0.4, 0.7, 2.0)), default=0)
    at_ends = min(mistakes(-1.0), mistakes(2.0))
    if found.distance is None:
        assert fewest == at_ends
        assert (found.n_nearer, found.n_nearer_rejected) == (len(rows), int(rejected.sum()))
    else:
        assert mistakes(found.distance) == fewest < at_ends
        beyond = distances > found.distance
        assert found.n_beyond == int(beyond.sum())
        assert found.n_beyond_rejected == int(rejected[beyond].sum())
        assert found.n_nearer == int((~beyond).sum())
        assert found.n_nearer_rejected == int(rejected[~beyond].sum())


@pytest.mark.parametrize(
    ("boundary", "words"),
    [
        (Boundary(None, 0, 0), "no pictures"),
        (Boundary(None, 9, 2), "rejected: 2 of 9, at any distance"),
        (Boundary(0.12345, 9, 2, 5, 4), "rejected: 4 of 5 beyond 0.123, 2 of 9 nearer"),
    ],
)
def test_a_boundary_in_words(boundary, words):
    assert boundary.in_words == words


@pytest.mark.parametrize("preset", ["robust", "bendale", "notebook"])
@pytest.mark.parametrize("threshold", [0.0, 0.35, 0.6, 1.1])
def test_a_class_s_pictures_are_its_test_pictures_and_the_unknowns_taken_for_it(preset, threshold):
    evaluation = made_up_evaluation(preset=preset)
    openmax, test, reject = evaluation.openmax, evaluation.test, evaluation.reject
    assert reject is not None
    found = class_boundary(evaluation, class_distances(evaluation), 1, threshold)
    known = test.logits[test.labels == 1]
    unknown = reject.logits[reject.logits.argmax(axis=1) == 1]
    both = np.concatenate([known, unknown])
    rejected = openmax.predict(both, threshold) == openmax.n_classes
    assert found == best_boundary(openmax.distances(both)[:, 1], rejected)
    assert found.n_nearer + found.n_beyond == len(both)


def test_without_a_reject_set_the_test_pictures_are_divided():
    evaluation = made_up_evaluation(n_reject=0)
    found = class_boundary(evaluation, class_distances(evaluation), 0, 0.9)
    assert found.n_nearer + found.n_beyond == 30
