"""How far a training is, in words and in time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openmax_core.training.progress import Clock, Step


def ticking(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_the_time_left_is_that_of_the_work_left_at_the_pace_of_the_phase() -> None:
    # 10 training and 4 held-out pictures: an epoch of all layers is 3 · 10 + 4 = 34 passes.
    times = ticking(100.0, 102.0, 103.0)
    clock = Clock({"all": 2}, 10, 4, lambda: next(times))
    first = clock.step("all", 1, 5, ())
    assert first.seconds_left is None
    assert first.share == 15 / 68
    second = clock.step("all", 1, 10, ())
    assert second.seconds_left == pytest.approx((68 - 30) * 2.0 / 15)
    check = clock.step("all", 1, 4, (), is_check=True)
    assert (check.stage, check.done, check.total) == ("held out", 4, 4)
    assert check.share == 0.5
    assert check.seconds_left == pytest.approx(34 * 3.0 / 19)


def test_another_phase_has_a_pace_of_its_own() -> None:
    times = ticking(0.0, 10.0, 11.0, 12.0)
    clock = Clock({"head": 1, "all": 1}, 10, 0, lambda: next(times))
    clock.step("head", 1, 5, ())
    assert clock.step("head", 1, 10, ()).seconds_left == pytest.approx(30 * 10.0 / 5)
    assert clock.step("all", 1, 5, ()).seconds_left is None
    assert clock.step("all", 1, 10, ()).seconds_left == 0.0


def test_a_run_that_goes_on_counts_from_where_it_begins() -> None:
    times = ticking(0.0, 1.0)
    clock = Clock({"all": 4}, 10, 0, lambda: next(times))
    assert clock.step("all", 3, 5, ()).share == (60 + 15) / 120
    assert clock.step("all", 3, 10, ()).seconds_left == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("pictures", 1200, 3400), "Checking the pictures · 1,200 of 3,400"),
        (Step("weights"), "Getting the weights to start from …"),
        (
            Step("all", 120, 340, (), "all", 3, 10, 0.2, 125.9),
            "Epoch 3 of 10, all layers · 120 of 340 pictures · at most 2:05 left",
        ),
        (
            Step("held out", 20, 60, (), "head", 1, 2),
            "Epoch 1 of 2, the last layer · 20 of 60 held-out pictures",
        ),
    ],
)
def test_a_step_in_words(step: Step, words: str) -> None:
    assert step.in_words == words
