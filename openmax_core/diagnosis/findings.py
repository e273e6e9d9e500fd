"""What a diagnosis says: findings in words, best explanation first, with figures and remedies."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
import tomlkit

from openmax_core.support.arrays import Int
from openmax_core.support.codec import plain
from openmax_core.support.figures import KNOWN_COLOUR, lay_out
from openmax_core.support.shares import percent

ERROR, WARNING = "error", "warning"
MOST_DRAWN = 30  # classes of a confusion
MOST_COUNTED = 12  # classes whose counts are written into the fields


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind : str
        What it is about: 'class order', 'transform', 'empty class', …
    severity : str
        'error': figures are wrong, or there are none. 'warning': figures mislead, or may.
    sentence : str
        What is wrong.
    advice : str
        What to do, where it is more than ``write`` and ``run`` say; may be empty.
    write : str
        Lines for ``workspace.toml``, with the name of their table; may be empty.
    run : str
        A shell command to run afterwards; may be empty.
    figures : dict
        The numbers that the sentence rests on.
    gain : float
        Share of the pictures that become right with it; 0 where that is not known.
    """

    kind: str
    severity: str
    sentence: str
    advice: str = ""
    write: str = ""
    run: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    gain: float = 0.0


@dataclass(frozen=True)
class Trial:
    """How many pictures are right under one transform.

    Attributes
    ----------
    name : str
        'stored', 'the notebook's', …
    write : str
        Lines for ``workspace.toml`` that make it the workspace's; empty for the stored one.
    n, n_right : int
        Pictures run, and those that the network alone gets right.
    n_right_reordered : int or None
        The same with the outputs in the order that explains them best; None where there is none.
    """

    name: str
    write: str
    n: int
    n_right: int
    n_right_reordered: int | None = None


@dataclass(frozen=True)
class SetAccuracy:
    """Pictures of a set that were looked at, and how many the network alone gets right."""

    n: int
    n_right: int

    @property
    def share(self) -> float:
        """Accuracy of the network alone; 0 of no pictures."""
        return self.n_right / self.n if self.n else 0.0


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`openmax_core.diagnosis.examine.examine` found.

    Attributes
    ----------
    classes : tuple of C str
        In the order of the logits.
    findings : tuple of Finding
        Best explanation first; empty for a sound workspace.
    accuracy : dict of split to SetAccuracy
        Of the network alone, before rejection, under the stored settings.
    confusion : (C, C) int64
        Pictures of these sets by class (row) and largest logit (column).
    trials : tuple of Trial
        The stored transform and others, on the same pictures.
    not_examined : tuple of str
        What could not be looked at, and why.
    seconds : float
    """

    classes: tuple[str, ...]
    findings: tuple[Finding, ...]
    accuracy: Mapping[str, SetAccuracy]
    confusion: Int
    trials: tuple[Trial, ...]
    not_examined: tuple[str, ...]
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Nothing is wrong."""
        return not self.findings

    @property
    def summary(self) -> str:
        """One sentence on what was looked at."""
        counts = [f"{item.n:,} {split}" for split, item in self.accuracy.items()]
        looked = f"{' and '.join(counts)} pictures" if counts else "folders and files alone"
        found = {
            0: "nothing is wrong",
            1: "one thing is wrong",
        }.get(len(self.findings), f"{len(self.findings)} things are wrong")
        return f"Looked at {looked} in {self.seconds:.1f} s: {found}."

    @property
    def accuracy_in_words(self) -> str:
        """Accuracy of the network alone on each set; empty where it did not run."""
        parts = [
            f"{percent(item.share)} of {split} ({item.n_right:,} of {item.n:,})"
            for split, item in self.accuracy.items()
        ]
        return " and ".join(parts)

    def confusions(self, most: int = 8) -> list[tuple[str, str, int, int]]:
        """Most frequent mistakes: class, what it is taken for, how many, of how many."""
        totals = self.confusion.sum(axis=1)
        wrong = self.confusion.copy()
        wrong[range(len(wrong)), range(len(wrong))] = 0
        order = (-wrong).ravel().argsort(kind="stable")[:most].tolist()
        places = [divmod(place, len(wrong)) for place in order]
        return [
            (self.classes[row], self.classes[column], int(wrong[row, column]), int(totals[row]))
            for row, column in places
            if wrong[row, column]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        values: dict[str, Any] = plain(self)
        return {"sound": self.is_sound, **values}


def confusion_figure(diagnosis: Diagnosis) -> go.Figure | None:
    """Draw the network's confusion as shares of each class; None for too many classes."""
    table, names = diagnosis.confusion, [html.escape(name) for name in diagnosis.classes]
    if len(names) > MOST_DRAWN or not table.sum():
        return None
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)
    # Names stand as text beside numbers: a class '10' is no number on the axis.
    places = list(range(len(names)))
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=places,
            y=places,
            customdata=[[(row, column) for column in names] for row in names],
            hovertemplate="%{customdata[0]} taken for %{customdata[1]}: %{z:.1%}<extra></extra>",
            colorscale=[[0, "rgba(128, 128, 128, 0.06)"], [1, KNOWN_COLOUR]],
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    if len(names) <= MOST_COUNTED:  # on weak colours in that of the page's text, on strong in white
        for y, row in enumerate(table.tolist()):
            for x, count in enumerate(row):
                font = {"color": "white"} if shares[y, x] > 0.5 else None
                shown = f"{count:,}" if count else ""
                figure.add_annotation(x=x, y=y, text=shown, showarrow=False, font=font)
    height = 150 + max(24 * len(names), 120)
    lay_out(figure, "output with the largest logit", "class of the folder", height)
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": names, "showgrid": False}
    figure.update_xaxes(**ticks)
    figure.update_yaxes(**ticks, autorange="reversed")
    return figure


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Best explanation first: by what it explains, then errors, else as they were found."""
    return tuple(sorted(findings, key=lambda item: (-item.gain, item.severity != ERROR)))


def toml_lines(table: str, values: Mapping[str, Any]) -> str:
    """Lines of a table of ``workspace.toml``, its name first."""
    return f"[{table}]\n{tomlkit.dumps(dict(values)).strip()}"


def counted(count: int, thing: str) -> str:
    """Return '1 picture' or '1,200 pictures'."""
    return f"{count:,} {thing}{'s' * (count != 1)}"
