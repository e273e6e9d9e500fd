"""Operating points that were saved under a name, beside each other in the workspace.

``operating_points.json`` holds them in the order in which they were saved; the one that decides is
the workspace's ``operating_point.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import standard_settings
from openmax_core.support.codec import entry, read_json, without_header
from openmax_core.support.files import write_text_atomically
from openmax_core.support.shares import percent_range
from openmax_core.tradeoff.intervals import Interval, share_interval
from openmax_core.tradeoff.operating_point import OperatingPoint

FORMAT = "openmax-operating-points"
FORMAT_VERSION = 1
MOST_POINTS = 100
LONGEST_NAME, LONGEST_NOTE = 60, 500
LOCK_SECONDS = 10


@dataclass(frozen=True)
class SavedPoint:
    """An operating point with a name, a note and the moment (ISO 8601, UTC) it was saved at."""

    name: str
    note: str
    saved_at: str
    point: OperatingPoint


class SavedPoints:
    """The file of a workspace's saved points.

    Two visitors may change it at once: each change reads, changes and writes under a lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[SavedPoint, ...]:
        """All saved points, the oldest first; none if nothing was saved yet.

        Raises
        ------
        OpenMaxError
            The file cannot be read or holds something else; it is named.
        """
        if not self.path.exists():
            return ()
        try:
            values, _ = without_header(read_json(self.path), FORMAT, FORMAT_VERSION)
            found: tuple[SavedPoint, ...] = entry(tuple[SavedPoint, ...], values, "points")
        except OpenMaxError as error:
            raise OpenMaxError(
                f"cannot read the saved points {self.path} ({error}); mend the file, or move it "
                "away to start anew"
            ) from error
        return found

    def add(self, saved: SavedPoint) -> None:
        """Save a point under a new name.

        Raises
        ------
        OpenMaxError
            The name is empty, too long or taken, there are too many, or it cannot be written.
        """
        if not saved.name.strip():
            raise OpenMaxError("give the point a name")
        for what, text, longest in (
            ("name", saved.name, LONGEST_NAME),
            ("note", saved.note, LONGEST_NOTE),
        ):
            if len(text) > longest:
                raise OpenMaxError(f"the {what} is longer than {longest} characters")

        def change(points: tuple[SavedPoint, ...]) -> Sequence[SavedPoint]:
            if any(item.name == saved.name for item in points):
                raise OpenMaxError(
                    f"there is a point '{saved.name}' already; take another name, or delete it"
                )
            if len(points) >= MOST_POINTS:
                raise OpenMaxError(f"there are {MOST_POINTS} saved points; delete some first")
            return (*points, saved)

        self._change(change)

    def remove(self, name: str) -> None:
        """Delete a point; one that is gone already is no error."""
        self._change(lambda points: [item for item in points if item.name != name])

    def _change(self, change: Callable[[tuple[SavedPoint, ...]], Sequence[SavedPoint]]) -> None:
        try:
            lock = FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS)
            with lock:
                values = {
                    "format": FORMAT,
                    "version": FORMAT_VERSION,
                    "points": [
                        vars(item) | {"point": item.point.to_dict()} for item in change(self.load())
                    ],
                }
                text = json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
                write_text_atomically(self.path, text)
        # A text that is no UTF-8 or a share that is no number; a disk without locks.
        except (OSError, ValueError, NotImplementedError) as error:
            raise OpenMaxError(f"cannot write {self.path}: {error}") from error


def comparison_table(points: Sequence[SavedPoint]) -> pd.DataFrame:
    """Saved points side by side: name, method, threshold, figures, counts, note, date, data.

    The intervals are 95 % Wilson.
    """
    at = [item.point for item in points]
    return pd.DataFrame(
        {
            "name": [item.name for item in points],
            "method": [_method(point) for point in at],
            "threshold": [point.threshold for point in at],
            "thresholds per class": [point.class_thresholds is not None for point in at],
            "test_accuracy": [point.test_accuracy for point in at],
            "test_interval": [
                _in_words(share_interval(round(point.test_accuracy * point.n_test), point.n_test))
                for point in at
            ],
            "reject_accuracy": np.array([point.reject_accuracy for point in at], dtype=np.float64),
            "reject_interval": [_in_words(point.reject_interval) for point in at],
            "test pictures": [point.n_test for point in at],
            "reject pictures": [point.n_reject for point in at],
            "kinds in production": [point.mix_in_words for point in at],
            "promised": [point.promise.in_words if point.promise else "" for point in at],
            "chosen for": [_chosen_for(point) for point in at],
            "note": [item.note for item in points],
            "saved_at": [item.saved_at for item in points],
            "data": [point.data for point in at],
        }
    )


def unfit(points: Sequence[SavedPoint], class_names: Sequence[str]) -> list[str]:
    """One text for each point whose thresholds per class are not of these classes; says why."""
    found = []
    for item in points:
        try:
            item.point.limits(class_names)
        except OpenMaxError as error:
            found.append(f"the saved point '{item.name}' does not fit the classes: {error}")
    return found


def _method(point: OperatingPoint) -> str:
    """Name, and the settings that differ from its own."""
    if point.preset is None or point.settings is None:
        return point.preset or ""
    standard = standard_settings(point.preset).to_dict()
    others = [
        f"{name} {value}"
        for name, value in point.settings.to_dict().items()
        if value is not None and standard[name] != value
    ]
    return ", ".join([point.preset, *others])


def _in_words(bounds: Interval | None) -> str:
    return "" if bounds is None else percent_range(bounds.low, bounds.high)


def _chosen_for(point: OperatingPoint) -> str:
    objective = point.chosen_for
    return "set by hand" if objective is None else objective.in_words_on(point.n_reject)
