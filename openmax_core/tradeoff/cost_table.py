"""A table of costs: what each kind of mistake costs, with a column for rejection.

A row is the true class, or 'unknown'; a column is the class that is predicted, or 'rejected'. Kinds
of unknowns (folders of the reject set) may have rows of their own, 'unknown: KIND'. As CSV::

    truth,car,truck,rejected
    car,0,1,2
    truck,8,0,2
    unknown,5,5,0
    unknown: street,1,1,0

The three costs of :class:`~openmax_core.tradeoff.objectives.LeastCost` are its special case, see
:meth:`CostTable.of_three`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float
from openmax_core.support.codec import rebuilt
from openmax_core.support.files import listed

MOST_CLASSES = 200  # a table is kept with every point that is saved
MOST_KINDS = 100
LARGEST = 1e12
UNKNOWN, REJECTED, TRUTH, OF_KIND = "unknown", "rejected", "truth", "unknown: "
MOST_BYTES = 4 << 20  # of a CSV file

Row = tuple[float, ...]


@dataclass(frozen=True)
class CostTable:
    """Costs of one picture by truth and decision.

    Attributes
    ----------
    classes : C names, in the order of the classes
    kinds : K kinds of unknowns that have a row of their own
    costs : C + 1 + K rows of C + 1 costs, each from 0 to 10¹²
        Rows: the classes, all other unknowns, the kinds. Columns: the classes, rejected.
    """

    classes: tuple[str, ...]
    kinds: tuple[str, ...]
    costs: tuple[Row, ...]

    def __post_init__(self) -> None:
        """Refuse what is no table.

        Raises
        ------
        OpenMaxError
            It has too many classes, a row or column too few, or a cost is out of range; named.
        """
        n, names = len(self.classes), self.row_names
        if n > MOST_CLASSES:
            raise OpenMaxError(
                f"a table of costs is for at most {MOST_CLASSES} classes, and there are {n:,}; "
                "give the three costs instead (wrong known, rejected known, accepted unknown)"
            )
        if len(self.kinds) > MOST_KINDS or len(set(self.kinds)) != len(self.kinds):
            raise OpenMaxError(
                f"a table of costs has each kind of unknowns once, and at most {MOST_KINDS}"
            )
        if len(self.costs) != len(names) or any(len(row) != n + 1 for row in self.costs):
            raise OpenMaxError(
                f"a table of costs for {n} classes has {len(names)} rows and {n + 1} columns of "
                "numbers"
            )
        for row, costs in zip(names, self.costs, strict=True):
            for column, cost in zip(self.column_names, costs, strict=True):
                if not 0 <= cost <= LARGEST:
                    what = f"must be a number from 0 to {LARGEST:g}, not {cost:g}"
                    what = "is missing" if math.isnan(cost) else what
                    raise OpenMaxError(f"the cost of '{row}' decided as '{column}' {what}")

    @classmethod
    def from_dict(cls, values: Any) -> CostTable:
        """Read what :meth:`to_dict` gave.

        Raises
        ------
        OpenMaxError
            It is something else.
        """
        return rebuilt(cls, values)

    @classmethod
    def of_three(
        cls, classes: Sequence[str], wrong: float, rejected: float, accepted: float
    ) -> CostTable:
        """Table of the three costs: wrong known, rejected known, accepted unknown."""
        n = len(classes)
        known = np.where(np.eye(n, dtype=bool), 0.0, wrong)
        rows = [*np.column_stack([known, np.full(n, rejected)]).tolist(), [accepted] * n + [0.0]]
        return cls(tuple(classes), (), tuple(map(tuple, rows)))

    @property
    def row_names(self) -> list[str]:
        """Names of the rows for people: classes, 'unknown', 'unknown: KIND'."""
        return [*self.classes, UNKNOWN, *(OF_KIND + kind for kind in self.kinds)]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns for people: classes, 'rejected'."""
        return [*self.classes, REJECTED]

    @property
    def largest(self) -> float:
        """The largest cost."""
        return max(max(row) for row in self.costs)

    def known(self) -> Float:
        """(C, C + 1) costs of known pictures."""
        return np.array(self.costs[: len(self.classes)], dtype=np.float64)

    def unknown(self, kinds: Sequence[str]) -> Float:
        """(F, C + 1) costs of unknown pictures of some kinds; those without a row have 'unknown'.

        Raises
        ------
        OpenMaxError
            A row is of a kind that is not among them.
        """
        if absent := [kind for kind in self.kinds if kind not in kinds]:
            raise OpenMaxError(
                f"the table of costs has a row for the kind {listed(absent, 5)}, and the reject "
                f"set has no such folder; there are {listed(list(kinds), 10) or 'none'}"
            )
        first = len(self.classes)
        own = dict(zip(self.kinds, self.costs[first + 1 :], strict=True))
        return np.array([own.get(kind, self.costs[first]) for kind in kinds], dtype=np.float64)

    def for_classes(self, classes: Sequence[str]) -> CostTable:
        """Return the same table if it is of these classes.

        Raises
        ------
        OpenMaxError
            It is of other classes, or in another order.
        """
        if self.classes != tuple(classes):
            raise OpenMaxError(
                f"the table of costs is of the classes {listed(list(self.classes), 5)}, and the "
                f"workspace's are {listed(list(classes), 5)}; make the table again"
            )
        return self

    def without(self, index: int) -> CostTable:
        """Return the table without a class, and without rows of kinds of unknowns."""
        kept = [place for place in range(len(self.classes) + 1) if place != index]
        classes = tuple(name for place, name in enumerate(self.classes) if place != index)
        costs = tuple(tuple(self.costs[row][column] for column in kept) for row in kept)
        return CostTable(classes, (), costs)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        costs = [list(row) for row in self.costs]
        return {"classes": list(self.classes), "kinds": list(self.kinds), "costs": costs}

    def to_csv(self) -> str:
        """CSV text, which :func:`parse_costs` reads back."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([TRUTH, *self.column_names])
        for name, row in zip(self.row_names, self.costs, strict=True):
            writer.writerow([name, *(f"{cost:.15g}" for cost in row)])
        return text.getvalue()


def parse_costs(text: str, classes: Sequence[str]) -> CostTable:
    """Table of CSV text; rows and columns may be in any order.

    A first row names the columns, a first column the rows. Commas, semicolons or tabs separate.

    Parameters
    ----------
    classes : C names; each has a row and a column

    Raises
    ------
    OpenMaxError
        A row, a column or a cost is missing, there twice, unknown or no number; it is named.
    """
    lines = [line for line in text.removeprefix("\ufeff").splitlines() if line.strip(" ,;\t")]
    if not lines:
        raise OpenMaxError("the table of costs is empty")
    comma = max(",;\t", key=lines[0].count)
    try:
        head, *rows = csv.reader(lines, delimiter=comma, strict=True)
    except csv.Error as error:
        raise OpenMaxError(f"the table of costs is no CSV: {error}") from None
    columns = _places([name.strip() for name in head[1:]], classes, REJECTED, "column")
    names = [row[0].strip() for row in rows]
    places = _places(names, classes, UNKNOWN, "row")
    kinds = [(index, name) for index, name in enumerate(names) if index not in places]
    costs = [
        tuple(_number(rows[row], 1 + column, names[row], head) for column in columns)
        for row in [*places, *(index for index, _ in kinds)]
    ]
    return CostTable(
        tuple(classes), tuple(name.removeprefix(OF_KIND) for _, name in kinds), tuple(costs)
    )


def read_costs(path: Path, classes: Sequence[str]) -> CostTable:
    """Table of a CSV file, see :func:`parse_costs`.

    Raises
    ------
    OpenMaxError
        The file cannot be read, is too large, or is no such table; it is named.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise OpenMaxError(f"cannot read the costs {path}: {error}") from error
    try:
        return parse_costs(decoded(content), classes)
    except OpenMaxError as error:
        raise OpenMaxError(f"{path}: {error}") from error


def decoded(content: bytes) -> str:
    """Text of a CSV file.

    Raises
    ------
    OpenMaxError
        It is larger than 4 MB, or no UTF-8.
    """
    if len(content) > MOST_BYTES:
        raise OpenMaxError(f"a table of costs has at most {MOST_BYTES >> 20} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OpenMaxError("the table of costs is no text in UTF-8; save it as CSV UTF-8") from None


def _places(given: Sequence[str], classes: Sequence[str], last: str, what: str) -> list[int]:
    """Where the classes are among names, and then the last one; kinds may be there too.

    A class may be called as the last one is: the first of both is the class.
    """
    wanted, found = [*classes, last], []
    left = list(enumerate(given))
    for name in wanted:
        match = next((pair for pair in left if pair[1] == name), None)
        if match is None:
            raise OpenMaxError(
                f"the table of costs has no {what} '{name}'; it has a {what} for each class and "
                f"one for '{last}'"
            )
        left.remove(match)
        found.append(match[0])
    for index, name in left:
        is_kind = what == "row" and name.startswith(OF_KIND)
        if not is_kind or name in given[:index]:
            there = "there twice" if name in wanted or is_kind else "no class"
            hint = f"; kinds of unknowns are '{OF_KIND}KIND'" if what == "row" else ""
            raise OpenMaxError(f"the table of costs: the {what} '{name}' is {there}{hint}")
    return found


def _number(row: Sequence[str], column: int, name: str, head: Sequence[str]) -> float:
    text = row[column].strip() if column < len(row) else ""
    try:
        return float(text)
    except ValueError:
        what = f"is '{text}', no number" if text else "is missing"
        raise OpenMaxError(
            f"the table of costs: '{name}' decided as '{head[column].strip()}' {what}"
        ) from None
