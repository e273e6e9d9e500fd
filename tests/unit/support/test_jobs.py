"""Work in the background: results, progress, and errors in words."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import pytest

from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.jobs import CancelledError, Job

LONG = 30.0  # seconds after which a test has failed


def test_the_result_is_what_the_work_returned() -> None:
    job: Job[int, str] = Job(lambda report: "done")
    assert job.result(LONG) == "done"
    assert not job.is_running
    assert (job.problem, job.progress) == (None, None)
    assert job.result() == "done"  # as often as asked


def test_the_work_runs_beside_its_caller_until_it_ends() -> None:
    go_on, caller = threading.Event(), threading.get_ident()

    def work(report: Callable[[int], None]) -> int:
        assert go_on.wait(LONG)
        return threading.get_ident()

    job: Job[int, int] = Job(work)
    states = [job.is_running]
    go_on.set()
    assert job.result(LONG) != caller
    assert [*states, job.is_running] == [True, False]


def test_a_result_that_is_not_there_in_time_is_a_timeout() -> None:
    go_on = threading.Event()
    job: Job[int, bool] = Job(lambda report: go_on.wait(LONG))
    with pytest.raises(TimeoutError, match="still running"):
        job.result(0.01)
    go_on.set()
    assert job.result(LONG) is True


def test_the_latest_progress_is_seen_while_it_runs() -> None:
    begin, reported, go_on = threading.Event(), threading.Event(), threading.Event()

    def work(report: Callable[[int], None]) -> None:
        assert begin.wait(LONG)
        report(1)
        report(2)
        reported.set()
        assert go_on.wait(LONG)
        report(3)

    job: Job[int, None] = Job(work)
    seen = [job.progress]
    begin.set()
    assert reported.wait(LONG)
    seen.append(job.progress)
    go_on.set()
    job.result(LONG)
    assert [*seen, job.progress] == [None, 2, 3]


def test_an_error_of_ours_is_given_in_its_own_words(capfd: pytest.CaptureFixture[str]) -> None:
    def work(report: Callable[[int], None]) -> None:
        raise ActivationsError("the disk is full")

    job: Job[int, None] = Job(work)
    with pytest.raises(OpenMaxError, match=r"^the disk is full$") as caught:
        job.result(LONG)
    assert isinstance(caught.value.__cause__, ActivationsError)
    assert job.problem == "the disk is full"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit("left")])
def test_an_unexpected_error_names_its_kind_and_is_traced(
    capfd: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def work(report: Callable[[int], None]) -> None:
        raise error

    job: Job[int, None] = Job(work)
    with pytest.raises(OpenMaxError, match=f"unexpected {type(error).__name__}: {error}"):
        job.result(LONG)
    assert job.problem == f"unexpected {type(error).__name__}: {error}"
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_work_that_is_cancelled_stops_at_its_next_progress() -> None:
    started, go_on = threading.Event(), threading.Event()
    reached: list[int] = []

    def work(report: Callable[[int], None]) -> None:
        for step in range(3):
            reached.append(step)
            report(step)
            started.set()
            assert go_on.wait(LONG)

    job: Job[int, None] = Job(work)
    assert started.wait(LONG)
    assert not job.is_cancelled
    job.cancel()
    go_on.set()
    with pytest.raises(OpenMaxError, match="was cancelled") as caught:
        job.result(LONG)
    assert isinstance(caught.value.__cause__, CancelledError)
    assert reached == [0, 1]
    assert (job.is_cancelled, job.has_result, job.problem) == (True, False, None)


def test_work_that_ends_before_it_sees_the_wish_has_its_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job: Job[int, str] = Job(lambda report: "done")
    assert job.result(LONG) == "done"
    job.cancel()
    assert job.has_result
    assert job.result() == "done"
    assert capsys.readouterr().err == ""


def test_a_job_that_failed_holds_nothing_of_what_it_worked_on() -> None:
    class Network:
        """Large."""

    held: list[weakref.ref[Network]] = []

    def work(report: Callable[[int], None]) -> None:
        network = Network()
        held.append(weakref.ref(network))
        try:
            raise ValueError("a cause")
        except ValueError as error:
            raise OpenMaxError("failed") from error

    job: Job[int, None] = Job(work)
    with pytest.raises(OpenMaxError, match="failed"):
        job.result(LONG)
    gc.collect()
    assert held[0]() is None
