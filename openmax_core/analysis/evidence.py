"""What the choice of the default method rests on: figures of methods on many problems.

Made by ``tests/benchmarks/evidence.py``, which holds the rule, and stored as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from openmax_core.analysis.ranking import FIGURES as FIGURES_OF_FIELD
from openmax_core.errors import OpenMaxError
from openmax_core.support.figures import (
    CHOSEN_COLOUR,
    GRID_COLOUR,
    KNOWN_COLOUR,
    UNKNOWN_COLOUR,
    lay_out,
)
from openmax_core.support.shares import points, points_range

FIGURES = {
    "auroc": "AUROC",
    "oscr": "OSCR",
    "reject_at_floor": "Reject accuracy at Test accuracy ≥ 85.0 %",
}
FIELD_FIGURES = ("auroc", "fpr_at_95_tpr", "oscr", "reject_at_floor")
SHIFTED, OWN = ", shifted", ", own constants"  # ends of groups
KINDS = {  # of problems: in words
    "": "logits as they are",
    SHIFTED: "a constant of the network",
    OWN: "a constant of each picture",
}
BASELINE = "maximum softmax probability"
LOOKS = {  # colour and symbol of each method
    "openmax": (CHOSEN_COLOUR, "diamond"),
    "robust": ("#0891b2", "diamond-open"),
    "bendale": (KNOWN_COLOUR, "circle"),
    "notebook": (UNKNOWN_COLOUR, "square"),
    "maximum logit": ("#64a30d", "triangle-up"),
    "energy": ("#a16207", "triangle-down"),
    "GEN": ("#64748b", "cross"),
}


@dataclass(frozen=True)
class Evidence:
    """Results of the comparison.

    Attributes
    ----------
    n_candidates, n_development_problems, n_resamples : int
    chosen : settings of the preset that the grid varies
    candidates : rows with the grid's settings, ``mean_figure``, how many mean figures of groups lie
        beyond noise above and below softmax and the maximum logit, and ``counts``: the rule is met
    by_problem, by_group : rows with ``method`` and, for each of ``FIGURES``, ``value``, and
        ``difference`` to maximum softmax probability with the ends ``low`` and ``high`` of its
        95 % interval
    ablations : rows with ``change`` and the same against 'openmax'
    of_features : rows as ``by_problem``, with ``FIELD_FIGURES``, of problems with features;
        ``method`` is a name in the registry
    """

    n_candidates: int
    n_development_problems: int
    n_resamples: int
    chosen: dict[str, Any]
    candidates: list[dict[str, Any]]
    by_problem: list[dict[str, Any]]
    by_group: list[dict[str, Any]]
    ablations: list[dict[str, Any]]
    of_features: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Evidence:
        """Read the stored results.

        Raises
        ------
        OpenMaxError
            The file cannot be read or is no such file; it is named.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{name: values[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OpenMaxError(
                f"the evidence {path} cannot be read ({error}); install from a checkout of the "
                "project"
            ) from error

    @property
    def n_problems(self) -> int:
        """Problems that the methods are compared on."""
        return len({row["problem"] for row in self.by_problem})

    def n_of(self, kind: str) -> int:
        """Problems of one of ``KINDS``."""
        return len({row["problem"] for row in self.by_problem if _kind(row) == kind})

    def beyond_noise(self, method: str, kind: str) -> tuple[list[str], list[str]]:
        """'problem (figure)' where a method lies beyond noise below and above the baseline.

        Parameters
        ----------
        kind : of the problems that are counted, one of ``KINDS``
        """
        cases = [
            (f"{row['problem']} ({name})", row[key])
            for row in self.by_problem
            if row["method"] == method and _kind(row) == kind
            for key, name in FIGURES.items()
        ]
        below = [case for case, difference in cases if difference["high"] < 0]
        return below, [case for case, difference in cases if difference["low"] > 0]

    def n_comparisons(self, kind: str) -> int:
        """Problems of a kind times figures."""
        return self.n_of(kind) * len(FIGURES)

    def noise_table(self, kind: str) -> pd.DataFrame:
        """How often each method lies beyond noise above and below the baseline, a row a method."""
        counts = [list(map(len, self.beyond_noise(method, kind))) for method in LOOKS]
        table = pd.DataFrame(counts, columns=["worse", "better"])
        within = self.n_comparisons(kind) - table["worse"] - table["better"]
        table = table.assign(method=list(LOOKS), **{"within noise": within})
        return table[["method", "better", "worse", "within noise"]]

    def table(self, figure: str) -> pd.DataFrame:
        """One figure of all methods, a row a problem."""
        rows = pd.json_normalize(self.by_problem)
        rows = rows.rename(columns={"test": "test pictures", "reject": "reject pictures"})
        problem = ["problem", "classes", "test pictures", "reject pictures"]
        table = rows.pivot(index=problem, columns="method", values=f"{figure}.value")
        # In the order in which problems and methods are stored.
        table = table.loc[rows[problem].drop_duplicates().to_records(index=False).tolist()]
        return table[rows["method"].unique()].rename_axis(columns=None).reset_index()

    def ablation_table(self) -> pd.DataFrame:
        """What each change of 'openmax' gains (positive) or loses, with 95 % intervals."""
        return pd.DataFrame(
            [
                {
                    "instead": row["change"],
                    **{
                        name: f"{points(row['difference'][key])} "
                        f"({points_range(row['low'][key], row['high'][key])})"
                        for key, name in FIGURES.items()
                    },
                }
                for row in self.ablations
            ]
        )

    def ablation_groups(self, figure: str) -> pd.DataFrame:
        """What each change gains or loses in one figure, a column a group of problems.

        NaN where the group lacks what the change needs.
        """
        return pd.DataFrame(
            [
                {
                    "instead": row["change"],
                    **{group: values[figure] for group, values in row["by_group"].items()},
                }
                for row in self.ablations
            ]
        )

    def features_table(self) -> pd.DataFrame:
        """How often methods lie beyond noise above and below softmax, problems with features alone.

        A row a method: 'better / within noise / worse' of each figure, and on how many problems.
        """
        rows = []
        for method in dict.fromkeys(row["method"] for row in self.of_features):
            own = [row for row in self.of_features if row["method"] == method]
            found: dict[str, Any] = {"method": method, "problems": len(own)}
            for name in FIELD_FIGURES:
                better = sum(row[name]["low"] > 0 for row in own)
                worse = sum(row[name]["high"] < 0 for row in own)
                if FIGURES_OF_FIELD[name].is_less_better:
                    better, worse = worse, better
                within = len(own) - better - worse
                found[FIGURES_OF_FIELD[name].label] = f"{better} / {within} / {worse}"
            rows.append(found)
        return pd.DataFrame(rows)

    def figure(self, figure: str) -> go.Figure:
        """Difference of each method to the baseline with its interval, a row a group."""
        groups = list(dict.fromkeys(row["group"] for row in self.by_group))
        drawn = go.Figure()
        for place, (method, (colour, symbol)) in enumerate(LOOKS.items()):
            rows = [row for row in self.by_group if row["method"] == method]
            shown = 100 * pd.DataFrame([row[figure] for row in rows])
            shown = shown.assign(
                **{key: [row[key] for row in rows] for key in ("group", "problems")}
            )
            drawn.add_scatter(
                x=shown["difference"],
                y=[
                    groups.index(group) + 0.12 * (place - (len(LOOKS) - 1) / 2)
                    for group in shown["group"]
                ],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": shown["high"] - shown["difference"],
                    "arrayminus": shown["difference"] - shown["low"],
                    "thickness": 1.3,
                    "width": 0,
                },
                customdata=shown[["group", "value", "low", "high", "problems"]],
                name=method,
                mode="markers",
                marker={"color": colour, "size": 9, "symbol": symbol},
                hovertemplate=f"<b>{method}</b>, %{{customdata[0]}} (%{{customdata[4]}} problems)"
                "<br>%{customdata[1]:.1f} %, %{x:+.1f} points (%{customdata[2]:+.1f} to "
                "%{customdata[3]:+.1f})<extra></extra>",
            )
        title = f"{FIGURES[figure]}, points more than {BASELINE}"
        lay_out(drawn, title, "", 90 + 60 * len(groups))
        drawn.add_vline(x=0, line={"color": GRID_COLOUR.replace("0.22", "0.9"), "width": 1.5})
        drawn.update_xaxes(tickformat="+~g")
        drawn.update_yaxes(
            tickvals=list(range(len(groups))),
            ticktext=groups,
            range=[len(groups) - 0.5, -0.5],
            showgrid=False,
        )
        return drawn


def _kind(row: dict[str, Any]) -> str:
    """Which of ``KINDS`` the problem of a row is."""
    return next((kind for kind in (SHIFTED, OWN) if row["group"].endswith(kind)), "")
