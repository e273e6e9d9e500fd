"""What the server keeps of what is slow to make: as much as fits a number of bytes.

``st.cache_resource`` bounds a cache by the number of its entries: a few of a workspace with
millions of pictures would exhaust the machine.
"""

from __future__ import annotations

import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.arrays import bytes_held
from openmax_core.workspace.workspace import Workspace

MOST_BYTES = 1 << 30  # of all visitors
MOST_ENTRIES = 200

# What tells arguments of cached functions apart. A workspace: what is stored of it now. An
# evaluation: its pictures, method and shares of kinds, for a fragment goes on with one that is
# older than the disk.
KEYS: dict[str | type[Any], Callable[[Any], Any]] = {
    Workspace: lambda item: (str(item.folder), item.state()),
    Evaluation: lambda item: (item.data, item.method.name, item.method.settings_, item.mix),
}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Kept:
    """Values by key; those that were not asked for longest make room.

    Parameters
    ----------
    most_bytes : of all values together; the newest is kept, however large it is
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._values: OrderedDict[Any, Any] = OrderedDict()
        self._making: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return the value of a key; the first who asks makes it, others wait."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
                with self._lock:
                    self._values[key] = value
                    self._make_room()
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def remove(self, key: Any) -> None:
        """Forget a value."""
        with self._lock:
            self._values.pop(key, None)

    def _make_room(self) -> None:
        """Keep the newest, as many as fit. What two of them share is counted once."""
        seen: set[int] = set()
        n_bytes = 0
        for number, key in enumerate(reversed(list(self._values))):
            n_bytes += bytes_held(self._values[key], seen)
            if number and (n_bytes > self._most_bytes or number >= MOST_ENTRIES):
                del self._values[key]


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    return Kept(MOST_BYTES)


class KeptFunction(Generic[Arguments, Result]):
    """A function whose results are kept for all visitors; they must not be changed.

    An argument whose name begins with ``_`` tells no results apart.
    """

    def __init__(self, work: Callable[Arguments, Result], spinner: str) -> None:
        self._work, self._spinner = work, spinner
        names = inspect.signature(work).parameters
        self._is_told_apart = [not name.startswith("_") for name in names]

    def __call__(self, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        """Return the result for these arguments, which are given by place."""

        def make() -> Result:
            with st.spinner(self._spinner) if self._spinner else nullcontext():
                return self._work(*arguments, **named)

        found: Result = _kept().get(self._key(arguments), make)
        return found

    def clear(self, *arguments: Any) -> None:
        """Forget the result for these arguments."""
        _kept().remove(self._key(arguments))

    def _key(self, arguments: tuple[Any, ...]) -> Any:
        code = self._work.__code__
        told_apart = [
            KEYS[type(item)](item) if type(item) in KEYS else _hashable(item)
            for item, is_told in zip(arguments, self._is_told_apart, strict=True)
            if is_told
        ]
        return code.co_filename, self._work.__qualname__, code.co_code, *told_apart


def kept(
    spinner: str = "",
) -> Callable[[Callable[Arguments, Result]], KeptFunction[Arguments, Result]]:
    """Have a function's results kept.

    Parameters
    ----------
    spinner : what is said while a result is made; nothing without
    """
    return lambda work: KeptFunction(work, spinner)


def _hashable(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value
