"""Every picture is done once and told of in order, whoever is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmax_core.extraction.cluster import Spans


def results(spans: Spans, start: int) -> list[str]:
    return [str(index) for index in range(start, min(start + spans.size, spans.total))]


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 9))
def test_whoever_is_lost_every_picture_is_told_of_once_and_in_order(
    seed: int, total: int, size: int
) -> None:
    chance = np.random.default_rng(seed)
    spans, told, held = Spans(total, size), list[tuple[int, object]](), list[int]()
    while not spans.all_told:
        start = spans.take(ahead=4)
        if start is not None:
            held.append(start)
        assert held, "something is left, and nobody has it"
        if start is None or chance.random() < 0.5:
            chosen = held.pop(chance.integers(len(held)))
            if chance.random() < 0.25:
                spans.put_back(chosen)
            else:
                spans.finish(chosen, list(results(spans, chosen)))
        told += spans.tell()
    assert told == [(index, str(index)) for index in range(total)]


def test_what_is_held_back_is_bounded() -> None:
    spans = Spans(100, 10)
    taken = [spans.take(ahead=3) for _ in range(5)]
    assert taken == [0, 10, 20, None, None]
    spans.finish(20, list(results(spans, 20)))
    assert list(spans.tell()) == []
    assert spans.take(ahead=3) is None
    spans.finish(0, list(results(spans, 0)))
    assert len(list(spans.tell())) == 10
    assert spans.take(ahead=3) == 30


@pytest.mark.parametrize("count", [9, 11])
def test_a_row_too_few_or_too_many_is_an_error(count: int) -> None:
    spans = Spans(25, 10)
    with pytest.raises(ValueError, match="for 10 pictures"):
        spans.finish(0, ["x"] * count)


@pytest.mark.parametrize("tell", [False, True])
def test_results_that_come_twice_are_an_error(tell: bool) -> None:
    spans = Spans(25, 10)
    spans.finish(0, ["x"] * 10)
    if tell:
        assert len(list(spans.tell())) == 10
    with pytest.raises(ValueError, match="from 0 on"):
        spans.finish(0, ["x"] * 10)
