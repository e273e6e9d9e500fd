"""Rows of tables of logits, brought together to be decided on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from openmax_core.activations.table_rows import Table
from openmax_core.errors import OpenMaxError


def rows_of(
    tables: Iterable[Table],
    classes: Sequence[str],
    most_rows: int | None = None,
    most_values: int | None = None,
    *,
    has_features: bool = False,
) -> tuple[list[str], list[NDArray[np.float32]]]:
    """Names and (C,) logits of all rows, table by table; (C + D,) with features behind them.

    Parameters
    ----------
    classes : names of C classes, in the order in which the logits are wanted
    most_rows, most_values : rows, and numbers of all rows together, that are allowed
    has_features : read the features too

    Raises
    ------
    ActivationsError
        A row is not as it should be, a table is of other classes or has no features that are
        asked for, or it is damaged.
    OpenMaxError
        There are more rows or logits than are allowed.
    """
    names: list[str] = []
    logits: list[NDArray[np.float32]] = []
    for table in tables:
        for part_names, rows in table.rows(classes, has_features=has_features):
            names += part_names
            logits += [*rows]
            n_values = len(names) * rows.shape[1]
            if len(names) > (most_rows or len(names)) or n_values > (most_values or n_values):
                raise OpenMaxError(
                    f"{table.path} has too many rows for this page; decide on them in the shell "
                    "with 'openmax predict'"
                )
    return names, logits
