"""Which pictures of a batch are worth a look, and whether their files are still there.

Those that changed most are listed, or else those farthest out.

Changed: pictures of the same path that were scored before with the same calibration. First come
those that are decided otherwise (rejected or not, or another class), then the others by how far
their score moved. Before and now are decided at the present thresholds, so that a moved threshold
changes no picture.

Farthest out: by how many interquartile ranges a picture's distance (the negative score of a method
without means) lies beyond the median distance of the test pictures that got the same answer.
Pictures of classes with fewer than 2 test pictures have no place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from openmax_core.support.shares import percent

if TYPE_CHECKING:
    from openmax_core.monitor.report import BatchReport

REJECTED_LABEL = "rejected"
GONE = "The picture is no longer there"
CHANGED = "The file has changed since"
NO_FILE = (0, 0)


def pictures_to_look_at(report: BatchReport, pictures: pd.DataFrame) -> pd.DataFrame:
    """Pictures that changed, the most changed first; the farthest out where none is compared.

    Returns
    -------
    DataFrame with path, size, mtime, now and before (class or 'rejected'; '' if not scored
    before), is_flipped, nearest (class name), score, score_before, change, share, excess.
    """
    read = pictures[pictures["nearest"] >= 0]
    names = np.array(report.classes, dtype=object)
    was_scored = (read["prediction_before"] >= 0).to_numpy()
    table = pd.DataFrame(
        {
            "path": read["path"].to_numpy(dtype=object),
            "size": read["size"].to_numpy(),
            "mtime": read["mtime"].to_numpy(),
            "now": _decisions(names, read["prediction"], read["is_rejected"]),
            "before": _decisions(names, read["prediction_before"], read["is_rejected_before"]),
            "nearest": names[read["nearest"].to_numpy(dtype=np.int64)],
            "score": read["score"].to_numpy(),
            "score_before": read["score_before"].to_numpy(),
            "change": (read["score"] - read["score_before"]).to_numpy(),
            "share": read["share"].to_numpy(),
            "excess": read["excess"].to_numpy(),
        }
    )
    table["is_flipped"] = was_scored & (table["now"] != table["before"]).to_numpy()
    if report.compared_with:
        table = table[was_scored & (table["is_flipped"] | (table["change"] != 0)).to_numpy()]
        order = np.lexsort((-table["change"].abs(), ~table["is_flipped"]))
    else:
        table = table[np.isfinite(table["excess"])]
        order = np.argsort(-table["excess"].to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def what_is_listed(report: BatchReport) -> str:
    """Say what the pictures of :func:`pictures_to_look_at` are."""
    if report.compared_with:
        same = f"of {report.n_shared:,} pictures with the same path as in {report.compared_with}"
        if not report.n_flipped:
            return f"{same} none is decided otherwise now; those whose score moved most come first"
        return (
            f"{same} {report.n_flipped:,} {'is' if report.n_flipped == 1 else 'are'} decided "
            "otherwise now; these come first, then those whose score moved most"
        )
    far = {"distances": "distance beyond", "scores": "score below"}[report.basis.measured]
    return (
        f"those farthest out are listed: {far} the median of test pictures with the same answer, "
        "in their interquartile ranges (IQR)"
    )


def picture_in_words(picture: pd.Series) -> str:
    """What happened to one picture, in a line."""
    if picture["before"]:
        decided = f"{picture['before']} → {picture['now']}"
        return f"{decided}, score {picture['score_before']:.4f} → {picture['score']:.4f}"
    return (
        f"{picture['now']} (nearest: {picture['nearest']}), farther out than "
        f"{percent(picture['share'])} of test pictures, {picture['excess']:+.1f} IQR"
    )


def picture_lines(picture: pd.Series) -> list[str]:
    """The same in three short lines, for a thumbnail."""
    if not picture["before"]:
        place = f"{picture['excess']:+.1f} IQR, beyond {percent(picture['share'])}"
        return [str(picture["now"]), f"nearest: {picture['nearest']}", place]
    decided = f"still {picture['now']}"
    if picture["is_flipped"]:
        decided = f"{picture['before']} → {picture['now']}"
    score = f"score {picture['score_before']:.4f} → {picture['score']:.4f}"
    return [decided, score, f"{picture['excess']:+.1f} IQR"]


def picture_file(folder: str | None, path: str, size: int, mtime: int) -> Path | str:
    """Find a batch's picture.

    Parameters
    ----------
    folder : where the batch's pictures lay; None if that is not known
    size, mtime : of the file when it was decided on, 0 where it was not there

    Returns
    -------
    The file, or why there is none to show.
    """
    state = file_state(folder, path)
    if folder is None or not mtime or state == NO_FILE:
        return GONE
    return Path(folder) / path if state == (size, mtime) else CHANGED


def file_state(folder: str | Path | None, path: str) -> tuple[int, int]:
    """Size and date (in nanoseconds) of a batch's file; zeros where there is none."""
    try:
        stat = (Path(folder) / path).stat() if folder is not None else None
    except (OSError, ValueError):
        return NO_FILE
    return NO_FILE if stat is None else (stat.st_size, stat.st_mtime_ns)


def _decisions(names: np.ndarray, predictions: pd.Series, is_rejected: pd.Series) -> list[str]:
    pairs = zip(predictions.tolist(), is_rejected.tolist(), strict=True)
    return [
        "" if p < 0 else REJECTED_LABEL if r or p >= len(names) else str(names[p]) for p, r in pairs
    ]
