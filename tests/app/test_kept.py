"""What the server keeps is bounded by its bytes."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pages._shared import kept as kept_module
from pages._shared.kept import Kept, kept

MADE: list[tuple[int, str]] = []


def _array(n_bytes: int) -> np.ndarray:
    return np.zeros(n_bytes, dtype=np.uint8)


def test_values_that_were_not_asked_for_longest_make_room() -> None:
    store = Kept(most_bytes=250)
    for key in "abc":
        store.get(key, lambda: _array(100))
        store.get("a", lambda: pytest.fail("it is kept"))
    store.get("c", lambda: pytest.fail("it is kept"))
    assert store.get("b", lambda: "made anew") == "made anew"


def test_the_newest_is_kept_however_large_it_is() -> None:
    store = Kept(most_bytes=250)
    large = store.get("large", lambda: _array(1000))
    assert store.get("large", lambda: None) is large
    store.get("small", lambda: _array(10))
    assert store.get("large", lambda: "gone") == "gone"


def test_what_two_values_share_is_counted_once() -> None:
    store, shared = Kept(most_bytes=250), _array(200)
    for key in "abcd":
        store.get(key, lambda: [shared])
    assert store.get("a", lambda: None) is not None


def test_two_who_ask_at_once_have_it_made_once() -> None:
    store, made = Kept(most_bytes=250), []

    is_making, go = threading.Event(), threading.Event()

    def make() -> object:
        is_making.set()
        assert go.wait(30)
        made.append(1)
        return object()

    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(store.get("key", make))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert is_making.wait(30)
    go.set()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert len(set(map(id, found))) == 1


def test_what_failed_is_made_again() -> None:
    store = Kept(most_bytes=250)
    with pytest.raises(ZeroDivisionError):
        store.get("key", lambda: 1 / 0)
    assert store.get("key", lambda: 1) == 1


@kept()
def _work(number: int, options: dict[str, int], _rest: str) -> object:
    MADE.append((number, _rest))
    return object()


def test_results_are_told_apart_by_arguments_without_an_underscore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Kept(most_bytes=250)
    monkeypatch.setattr(kept_module, "_kept", lambda: store)
    first = _work(1, {"a": 1}, "x")
    assert _work(1, {"a": 1}, "y") is first
    assert _work(2, {"a": 1}, "x") is not first
    assert _work(1, {"a": 2}, "x") is not first
    _work.clear(1, {"a": 1}, "x")
    assert _work(1, {"a": 1}, "x") is not first
