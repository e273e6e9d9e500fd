"""Labels of a batch: how many pictures are decided rightly, and whether a promise still holds.

A picture's label is the class folder that it lies in, or its entry in the column ``label`` of a
table. A label that is no class is that of an unknown picture. Pictures may have no label.

A promise is that at least a share of the pictures is kept: given their right class (Test accuracy),
or rejected (Reject accuracy). If the share among all new pictures were the promised one, a number
of labelled pictures at or below the one that was counted would be seen with the probability

    p = P(Bin(n, share) ≤ count)

the exact one-sided binomial test. Its level holds however few pictures there are. A share that is
higher than promised only makes p larger.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.activations.table_rows import LabelReader
from openmax_core.errors import OpenMaxError
from openmax_core.monitor.drift import Share
from openmax_core.pictures.folders import normal
from openmax_core.support.arrays import Int
from openmax_core.support.codec import MaybeNan
from openmax_core.support.files import listed
from openmax_core.support.shares import exact_percent
from openmax_core.tradeoff.operating_point import OperatingPoint

UNLABELLED, OF_NO_CLASS = -2, -1
MOST_NAMED = 3
PRESUPPOSED = (
    "This presupposes that the labels are right, that the labelled pictures were not picked by "
    "what was decided on them, and that they are independent of each other"
)
# What a requirement is of: words with a place for the bound, and whether the bound is a ceiling.
FIGURES = {
    "test_accuracy": ("Test accuracy ≥ {}", False),
    "reject_accuracy": ("Reject accuracy ≥ {}", False),
    "rejected_known": ("knowns rejected ≤ {}", True),
    "lost": ("Test accuracy lost ≤ {}", True),
}
# The same of the objectives that a point may be chosen for, with the name of their number.
CONSTRAINTS = {
    "max_reject_accuracy": ("test_accuracy", "min_test_accuracy"),
    "max_test_accuracy": ("reject_accuracy", "min_reject_accuracy"),
    "max_rejected_known": ("rejected_known", "max_rejected_known"),
    "max_lost_test_accuracy": ("lost", "max_lost"),
}


@dataclass(frozen=True)
class Requirement:
    """What a point's threshold should keep on new pictures.

    Attributes
    ----------
    figure : one of :data:`FIGURES`
    bound : share that the figure is at least, or at most
    confidence : of a promise; None of a constraint that the threshold met where it was chosen
    """

    figure: str
    bound: float
    confidence: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no requirement.

        Raises
        ------
        OpenMaxError
            The figure is unknown, or a number is no share.
        """
        if self.figure not in FIGURES:
            raise OpenMaxError(f"figure must be one of {', '.join(FIGURES)}, not {self.figure!r}")
        for name, share in (("bound", self.bound), ("confidence", self.confidence)):
            if share is not None and not 0 <= share <= 1:
                raise OpenMaxError(f"{name} must lie between 0 and 1, not {share!r}")

    @classmethod
    def of(cls, point: OperatingPoint | None) -> Requirement | None:
        """What a point promises, else what it was chosen under; None where a share is neither."""
        if point is None:
            return None
        promise = point.promise
        if promise is not None:
            if promise.figure not in FIGURES:
                return None
            return cls(promise.figure, promise.bound, promise.confidence)
        objective = point.objective or {}
        figure, name = CONSTRAINTS.get(objective.get("kind", ""), ("", ""))
        chosen_for = point.chosen_for
        return None if chosen_for is None or not figure else cls(figure, getattr(chosen_for, name))

    @property
    def least(self) -> float:
        """Share of the pictures that must be kept."""
        return 1 - self.bound if FIGURES[self.figure][1] else self.bound

    @property
    def in_words(self) -> str:
        """'Test accuracy ≥ 85.0 %'."""
        bound = exact_percent(self.bound)
        if self.figure == "lost":
            bound = bound.replace(" %", " points")
        return FIGURES[self.figure][0].format(bound)

    @property
    def kind(self) -> str:
        """'promise' or 'constraint'."""
        return "constraint" if self.confidence is None else "promise"

    @property
    def name(self) -> str:
        """'the promise Test accuracy ≥ 85.0 %', with its confidence; of a constraint, as such."""
        if self.confidence is None:
            return f"the constraint {self.in_words}"
        confidence = exact_percent(self.confidence).replace(".0 %", " %")
        return f"the promise {self.in_words} ({confidence} confidence)"


@dataclass(frozen=True)
class Labelled:
    """What became of the labelled pictures of a batch, as counts.

    Attributes
    ----------
    correct, wrong, rejected_known : known pictures given their right class, another, or rejected
    lost : of those rejected, the ones whose most probable class is the right one
    rejected_unknown, accepted_unknown : pictures whose label is no class
    unlabelled : pictures that could be read and have no label
    requirement : Requirement or None
        What is tested; None where the point has nothing that can be.
    p_value : float
        Of the exact binomial test; NaN where nothing is tested.
    """

    correct: int
    wrong: int
    rejected_known: int
    lost: int
    rejected_unknown: int
    accepted_unknown: int
    unlabelled: int
    requirement: Requirement | None
    p_value: MaybeNan

    @property
    def test(self) -> Share:
        """Labelled known pictures, and those given their right class: Test accuracy."""
        return Share(self.correct, self.correct + self.wrong + self.rejected_known)

    @property
    def reject(self) -> Share:
        """Labelled unknown pictures, and those that are rejected: Reject accuracy."""
        return Share(self.rejected_unknown, self.rejected_unknown + self.accepted_unknown)

    @property
    def is_tested(self) -> bool:
        """A requirement was tested."""
        return not math.isnan(self.p_value)

    def kept(self, figure: str) -> Share:
        """Pictures that a requirement is of, and those that are kept."""
        known = self.test
        kept = {
            "test_accuracy": known,
            "rejected_known": Share(self.correct + self.wrong, known.n),
            "lost": Share(known.n - self.lost, known.n),
            "reject_accuracy": self.reject,
        }
        return kept[figure]


def check_labels(
    labels: Int,
    predictions: Int,
    is_rejected: NDArray[np.bool_],
    point: OperatingPoint | None,
) -> Labelled | None:
    """Count labelled pictures, and test what their point should keep; None where none has a label.

    Parameters
    ----------
    labels : (N,) int, class indices; −1: of no class, −2: no label
    predictions : (N,) int, most probable of C + 1
    is_rejected : (N,) bool
    point : what was chosen
    """
    is_known, is_unknown = labels >= 0, labels == OF_NO_CLASS
    if not (is_known | is_unknown).any():
        return None
    is_right = predictions == labels
    counts = {
        "correct": is_known & ~is_rejected & is_right,
        "wrong": is_known & ~is_rejected & ~is_right,
        "rejected_known": is_known & is_rejected,
        "lost": is_known & is_rejected & is_right,
        "rejected_unknown": is_unknown & is_rejected,
        "accepted_unknown": is_unknown & ~is_rejected,
        "unlabelled": labels == UNLABELLED,
    }
    requirement = Requirement.of(point)
    found = Labelled(
        **{name: int(mask.sum()) for name, mask in counts.items()},
        requirement=requirement,
        p_value=math.nan,
    )
    if requirement is None:
        return found
    return Labelled(**vars(found) | {"p_value": _p_value(found, requirement)})


def _p_value(found: Labelled, requirement: Requirement) -> float:
    from scipy.stats import binom

    kept = found.kept(requirement.figure)
    if not kept.n:
        return math.nan
    return float(binom.cdf(kept.rejected, kept.n, requirement.least))


def labels_of_folders(
    paths: Sequence[str], classes: Sequence[str]
) -> tuple[Int | None, tuple[str, ...]]:
    """Labels of pictures by the first folder of their paths, and what one must know of them.

    Parameters
    ----------
    paths : N paths, relative to the batch's folder

    Returns
    -------
    (N,) labels; None where no folder is called like a class. Notes in words.
    """
    indices = {normal(name): index for index, name in enumerate(classes)}
    firsts = [normal(path.partition("/")[0]) if "/" in path else "" for path in paths]
    if not any(first in indices for first in firsts):
        return None, ()
    labels = [indices.get(first, OF_NO_CLASS) if first else UNLABELLED for first in firsts]
    others = sorted({first for first in firsts if first and first not in indices})
    notes = ["folders are called like classes, so their names are taken for labels"]
    if others:
        names = listed(others, MOST_NAMED)
        notes.append(f"pictures in {names} count as unknowns: no class is called so")
    return np.array(labels, dtype=np.int64), tuple(notes)


def labels_of_values(values: Iterable[Any], classes: Sequence[str], place: str) -> Int | None:
    """Labels of the entries of a column; None where all are empty.

    Parameters
    ----------
    values : N class names or indices; empty, None or NaN of a picture without a label; a negative
        number, or a name of no class, of an unknown
    place : of the column, for messages

    Raises
    ------
    OpenMaxError
        A number is no index; the row is named.
    """
    reader = LabelReader(classes)
    labels = []
    for row, value in enumerate(values):
        if _is_empty(value):
            labels.append(UNLABELLED)
            continue
        try:
            label = reader.read(value.item() if isinstance(value, np.generic) else value)
        except (ValueError, TypeError) as error:
            raise OpenMaxError(f"{place}, row {row + 1:,}, column label: {error}") from error
        labels.append(OF_NO_CLASS if isinstance(label, str) else label)
    found = np.array(labels, dtype=np.int64)
    return found if (found != UNLABELLED).any() else None


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))
