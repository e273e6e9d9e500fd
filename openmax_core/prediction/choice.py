"""Method and threshold that decide on new pictures; the run over files of a shell or a visitor."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.counting import Report
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.method import Settings
from openmax_core.methods.registry import standard_settings
from openmax_core.pictures.folders import find_files
from openmax_core.pictures.locations import require_path, require_there
from openmax_core.pictures.strangers import View, looked
from openmax_core.prediction.verdicts import Logits
from openmax_core.support.arrays import Float
from openmax_core.support.chunks import n_cores
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.operating_point import (
    NoFeasibleThresholdError,
    OperatingPoint,
    class_limits,
)
from openmax_core.tradeoff.promises import Promise
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace

if TYPE_CHECKING:
    from openmax_core.network.devices import WaitCallback
    from openmax_core.network.engines import Engine
    from openmax_core.network.inference import Source

LOOKED_AT_ONCE = 32


@dataclass(frozen=True)
class Choice:
    """Which method and threshold decide, and where they come from.

    ``point`` is the one that the threshold is of: the workspace's operating point, which may have
    thresholds per class, or the recommended one; None where the threshold was given.
    """

    evaluation: Evaluation
    threshold: float
    source: str
    point: OperatingPoint | None = None

    @property
    def class_thresholds(self) -> dict[str, float] | None:
        """Thresholds per predicted class, by its name; None where there is one for all."""
        return None if self.point is None else self.point.class_thresholds

    @property
    def limits(self) -> Float:
        """(C,) thresholds of pictures predicted as a class."""
        names = self.evaluation.method.class_names_
        return class_limits(names, self.threshold, self.class_thresholds)

    @property
    def promise(self) -> Promise | None:
        """What the thresholds keep on new pictures; None where method or data have changed."""
        point = self.point
        return point.promise if point is not None and self.evaluation.is_of(point) else None

    def require_useful(self) -> None:
        """Refuse thresholds that reject nothing, or nearly everything.

        A threshold that was given is taken as it is.

        Raises
        ------
        OpenMaxError
            They do, on the present pictures.
        """
        if self.point is not None and (why := self.present_point.useless):
            raise OpenMaxError(
                f"threshold {threshold_text(self.threshold)} ({self.source}) {why}; choose another "
                "on the Threshold page or with --threshold, or take it all the same with --anyway"
            )

    @property
    def is_chosen_on_test_set(self) -> bool:
        """The threshold was chosen for something, on the pictures that it is counted on now.

        What they give at it is then a little too good. A threshold that was given, or set by hand,
        is none of these, as far as its point tells.
        """
        point = self.point
        return (
            point is not None and point.objective is not None and point.data == self.evaluation.data
        )

    @property
    def present_point(self) -> OperatingPoint:
        """What was chosen, with the figures that it has on the present pictures."""
        if self.point is None:
            return self.evaluation.point_at(self.threshold)
        return self.evaluation.refreshed(self.point)


def run_network(
    engine: Engine, sources: Sequence[Source], on_wait: WaitCallback | None = None
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
    from openmax_core.network.inference import run

    with closing(run(engine, sources, on_wait)) as results:
        return [result for _, result in results]


@dataclass(frozen=True)
class Answer:
    """What became of a visitor's picture: logits and a view, or the reason why there are none."""

    logits: Logits
    view: View | None


def answers(
    engine: Engine, contents: Sequence[bytes], on_wait: WaitCallback | None = None
) -> Iterator[Answer]:
    """Answers to visitors' picture files, in order; each is decoded once, in another process.

    Raises
    ------
    ClassifierError
        The network refuses pictures of the transform's size, or the device fails.
    """
    look = partial(looked, transform=engine.transform)
    with ThreadPoolExecutor(n_cores(), "views") as pool:
        for first in range(0, len(contents), LOOKED_AT_ONCE):
            found = list(pool.map(look, contents[first : first + LOOKED_AT_ONCE]))
            pixels = [item[1] for item in found if not isinstance(item, str)]
            logits = iter(run_network(engine, pixels, on_wait))
            for item in found:
                yield Answer(item, None) if isinstance(item, str) else Answer(next(logits), item[0])


def chosen_settings(workspace: Workspace) -> tuple[str, Settings]:
    """Name and every setting of the method that :func:`choose_method` decides with by itself.

    Raises
    ------
    OpenMaxError
        The operating point is damaged, or a setting does not exist.
    """
    return _settings(workspace, workspace.operating_point(), None)


def choose_method(
    workspace: Workspace,
    method: str | None = None,
    threshold: float | None = None,
    report: Report | None = None,
    evaluation: Evaluation | None = None,
    *,
    anyway: bool = False,
) -> Choice:
    """Method and threshold to decide with.

    The chosen operating point's where there is one and nothing else is asked for; otherwise the
    method's recommended threshold, see :meth:`~.Curve.default_objective`.

    Parameters
    ----------
    method : name of a method, see :data:`openmax_core.methods.registry.METHODS`; the operating
        point's without, else the workspace's default
    report : called with the pictures done and to do, where they are so many that they are counted
    evaluation : of the method of :func:`chosen_settings`, where it is at hand
    anyway : take the nearest threshold where none is recommended

    Raises
    ------
    OpenMaxError
        No threshold keeps the floor and none was given, there are no activations, or the operating
        point has a threshold for a class that the workspace has not.
    """
    point = workspace.operating_point() if method is None else None
    used, settings = _settings(workspace, point, method)
    evaluation = evaluation or workspace.evaluate(used, report=report, **settings.to_dict())
    if threshold is not None:
        return Choice(evaluation, threshold, "given")
    if point is not None:
        source = "the workspace's operating point"
        if point.class_thresholds:
            source += ", with thresholds per class"
            if single := point.without_own(evaluation.method.class_names_):
                source += f" (the single one for {', '.join(single)})"
        if point.data != evaluation.data:
            source += ", on activations that have changed since"
        if point.promise is not None and not evaluation.is_of(point):
            source += ": its promise no longer holds"
        return Choice(evaluation, point.threshold, source, point)
    floor = workspace.settings.defaults.min_test_accuracy
    try:
        recommended = evaluation.recommend_by_default(floor)
    except NoFeasibleThresholdError as error:
        if anyway and (nearest := error.nearest) is not None:
            return Choice(evaluation, nearest.threshold, f"taken anyway: {error}", nearest)
        raise NoFeasibleThresholdError(
            f"{error}. Give a threshold (--threshold), or lower min_test_accuracy under [defaults] "
            f"in {workspace.folder / FILE_NAME}",
            error.nearest,
        ) from error
    objective = recommended.chosen_for
    requirement = "" if objective is None else objective.requirement
    return Choice(
        evaluation, recommended.threshold, f"recommended under {requirement}", recommended
    )


def expand_paths(paths: Sequence[str], classes: Collection[str] = ()) -> list[Path]:
    """Files of the given paths, sorted; a folder stands for the files that are found below it.

    Parameters
    ----------
    classes : folders of these names are looked into, whatever they are called

    Raises
    ------
    OpenMaxError
        A path does not exist, a folder may not be read, or there are no files.
    """
    found: list[Path] = []
    for text in paths:
        path = require_path(text, "pictures to decide on")
        if stat.S_ISDIR(require_there(path).st_mode):
            found += sorted(path / name for name, _, _ in find_files(path, classes))
        else:
            found.append(path)
    if not found:
        raise OpenMaxError(f"no files in {', '.join(paths)}")
    return found


def _settings(
    workspace: Workspace, point: OperatingPoint | None, name: str | None
) -> tuple[str, Settings]:
    """Name and settings of a point; of a method, or the workspace's, where there is no point."""
    if point is None:
        name = name or workspace.settings.defaults.preset
        return name, standard_settings(name)
    name = point.preset or workspace.settings.defaults.preset
    return name, point.settings or standard_settings(name)
