"""Work in the background with a progress that others can look at: extraction, loading a network."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from openmax_core.errors import OpenMaxError

Progress = TypeVar("Progress")
Result = TypeVar("Result")


class CancelledError(Exception):
    """The work was told to stop."""


class Job(Generic[Progress, Result]):
    """One piece of work in a thread of its own, which begins at once.

    Parameters
    ----------
    work : called with a function that takes the latest progress; returns the result. That
        function raises :class:`CancelledError` where the work is to stop
    """

    def __init__(self, work: Callable[[Callable[[Progress], None]], Result]) -> None:
        self.progress: Progress | None = None
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._cancelled = threading.Event()
        # The thread alone holds the work: what that holds is not kept beside the result.
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Not yet ended."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Have the work stop at its next progress; returns at once."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Told to stop; it may still be about to."""
        return self._cancelled.is_set()

    @property
    def has_result(self) -> bool:
        """Ended well."""
        return not self.is_running and self._result is not None

    @property
    def problem(self) -> str | None:
        """What went wrong, in words; None while it runs, if all went well or it was cancelled."""
        if self._error is None or isinstance(self._error, CancelledError):
            return None
        if isinstance(self._error, OpenMaxError):
            return str(self._error)
        return f"unexpected {type(self._error).__name__}: {self._error}"

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the end and return what the work returned.

        Raises
        ------
        OpenMaxError
            The work failed; the message is its error's.
        TimeoutError
            It still runs after ``timeout`` seconds.
        """
        self._thread.join(timeout)
        if self.is_running:
            raise TimeoutError("the work is still running")
        if self._error is not None:
            raise OpenMaxError(self.problem or "the work was cancelled") from self._error
        return self._result  # type: ignore[return-value]

    def _run(self, work: Callable[[Callable[[Progress], None]], Result]) -> None:
        try:
            self._result = work(self._report)
        except BaseException as error:  # kept for whoever asks for the result
            if not isinstance(error, (OpenMaxError, CancelledError)):
                traceback.print_exc()
            self._error = _without_frames(error)

    def _report(self, progress: Progress) -> None:
        self.progress = progress
        if self._cancelled.is_set():
            raise CancelledError


def _without_frames(error: BaseException) -> BaseException:
    """Let go of what the work held when it failed: networks, pictures, memory of a GPU."""
    part: BaseException | None = error
    while part is not None:
        traceback.clear_frames(part.__traceback__)
        part.__traceback__ = None
        part = part.__cause__ or part.__context__
    return error
