"""Open-set decisions on pictures that belong to no split: uploaded ones, or paths of a shell."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.assessment import Evaluation
from openmax_core.decimals import threshold_text
from openmax_core.errors import NoFeasibleThresholdError, OpenMaxError
from openmax_core.openmax import OpenMax
from openmax_core.operating_point import OperatingPoint
from openmax_core.settings import FILE_NAME
from openmax_core.workspace import Workspace

if TYPE_CHECKING:
    from openmax_core.devices import WaitCallback
    from openmax_core.engines import Engine

ACCEPTED, REJECTED, UNREADABLE = "accepted", "rejected", "unreadable"


Logits = NDArray[np.float32] | str


@dataclass(frozen=True)
class PictureLogits:
    """What the network made of some pictures.

    Attributes
    ----------
    names : N file names
    results : N results: (C,) float32 logits, or the reason why there are none
    """

    names: tuple[str, ...]
    results: tuple[Logits, ...]


@dataclass(frozen=True)
class Choice:
    """Which method and threshold decide, and where they come from."""

    evaluation: Evaluation
    threshold: float
    source: str


def run_network(
    engine: Engine, sources: Sequence[Path | bytes], on_wait: WaitCallback | None = None
) -> list[Logits]:
    """Run pictures through the network; one that cannot be read gets its reason, not an error.

    Parameters
    ----------
    on_wait : called with how many others are before, whenever the device is busy with them

    Raises
    ------
    ClassifierError
        The network refuses pictures of the transform's size, or the device fails.
    """
    from openmax_core.inference import run

    with closing(run(engine, sources, on_wait)) as results:
        return [result for _, result in results]


def verdict_table(openmax: OpenMax, pictures: PictureLogits, threshold: float) -> pd.DataFrame:
    """Decide on every picture.

    Returns
    -------
    DataFrame with a row a picture: file, verdict ('accepted', 'rejected' or 'unreadable'),
    decision (class name, 'rejected' or ''), score, nearest_class (the classifier's own answer),
    reason, then ``p_<class>`` and ``p_unknown``, ``distance_<class>`` and ``cdf_<class>``.
    """
    names = openmax.class_names_
    n, n_classes = len(pictures.names), len(names)
    readable = np.array([not isinstance(result, str) for result in pictures.results], dtype=bool)
    vectors = [result for result in pictures.results if not isinstance(result, str)]
    logits = np.array(vectors, dtype=np.float64).reshape(-1, n_classes)
    probabilities = np.full((n, n_classes + 1), np.nan)
    distances = np.full((n, n_classes), np.nan)
    scores = np.full(n, np.nan)
    predictions, own = np.full(n, -1), np.full(n, -1)
    probabilities[readable] = openmax.predict_proba(logits)
    distances[readable] = openmax.distances(logits)
    decided = openmax.decide(logits)
    scores[readable], predictions[readable] = decided.scores, decided.predictions
    cdf = openmax.cdf(distances)
    own[readable] = logits.argmax(axis=1)
    rows = []
    for i, name in enumerate(pictures.names):
        if not readable[i]:
            rows.append((name, UNREADABLE, "", np.nan, "", pictures.results[i]))
            continue
        nearest = names[own[i]]
        beyond = f"{100 * cdf[i, own[i]]:.1f} %"
        if predictions[i] == n_classes:
            reason = (
                f"'unknown' is the most probable ({probabilities[i, -1]:.3f}); its distance to "
                f"{nearest} lies beyond {beyond} of that class's tail"
            )
            rows.append((name, REJECTED, REJECTED, scores[i], nearest, reason))
        elif scores[i] < threshold:
            reason = f"score {scores[i]:.4f} is under the threshold {threshold_text(threshold)}"
            rows.append((name, REJECTED, REJECTED, scores[i], nearest, reason))
        else:
            reason = f"score {scores[i]:.4f} reaches the threshold {threshold_text(threshold)}"
            rows.append((name, ACCEPTED, names[predictions[i]], scores[i], nearest, reason))
    columns = ["file", "verdict", "decision", "score", "nearest_class", "reason"]
    numbers = {f"p_{name}": probabilities[:, j] for j, name in enumerate((*names, "unknown"))}
    numbers |= {f"distance_{name}": distances[:, j] for j, name in enumerate(names)}
    numbers |= {f"cdf_{name}": cdf[:, j] for j, name in enumerate(names)}
    return pd.concat([pd.DataFrame(rows, columns=columns), pd.DataFrame(numbers)], axis=1)


def choose_method(
    workspace: Workspace, preset: str | None = None, threshold: float | None = None
) -> Choice:
    """Method and threshold to decide with.

    The chosen operating point's where there is one and nothing else is asked for; otherwise the
    preset's recommended threshold under the workspace's floor.

    Raises
    ------
    OpenMaxError
        No threshold keeps the floor and none was given, or there are no activations.
    """
    point = workspace.operating_point()
    if point is not None and preset is None:
        return _from_point(workspace, point, threshold)
    evaluation = workspace.evaluate(preset)
    if threshold is not None:
        return Choice(evaluation, threshold, "given")
    floor = workspace.settings.defaults.min_test_accuracy
    try:
        recommended = evaluation.recommend(floor)
    except NoFeasibleThresholdError as error:
        raise NoFeasibleThresholdError(
            f"{error}. Give a threshold (--threshold), or lower min_test_accuracy under [defaults] "
            f"in {workspace.folder / FILE_NAME}",
            error.nearest,
        ) from error
    return Choice(evaluation, recommended.threshold, f"recommended under Test accuracy ≥ {floor:g}")


def expand_paths(paths: Sequence[str]) -> list[Path]:
    """Files of the given paths; a folder stands for the visible files below it, sorted.

    Raises
    ------
    OpenMaxError
        A path does not exist, or there are no files.
    """
    found: list[Path] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found += sorted(
                item
                for item in path.rglob("*")
                if item.is_file()
                and not any(part.startswith(".") for part in item.relative_to(path).parts)
            )
        elif path.exists():
            found.append(path)
        else:
            raise OpenMaxError(f"there is no file or folder {path}")
    if not found:
        raise OpenMaxError(f"no files in {', '.join(paths)}")
    return found


def _from_point(workspace: Workspace, point: OperatingPoint, threshold: float | None) -> Choice:
    try:
        evaluation = workspace.evaluate(point.preset, **point.settings)
    except TypeError as error:
        raise OpenMaxError(
            f"{workspace.operating_point_path} has settings that do not exist or are of the wrong "
            f"kind ({point.settings}); choose the threshold again"
        ) from error
    if threshold is not None:
        return Choice(evaluation, threshold, "given")
    current = "" if point.data == evaluation.data else ", on activations that have changed since"
    return Choice(evaluation, point.threshold, f"the workspace's operating point{current}")
