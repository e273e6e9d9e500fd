"""A batch of new pictures and their logits: a folder that the network is run over, or a file.

What can be read:

* a folder of pictures, in sub-folders or not, or one picture;
* stored activations, as ``openmax extract`` writes them: their folder, or the Parquet file in it;
* decisions with logits, as ``openmax predict --json`` writes them;
* a Parquet or CSV table with a column ``path`` (or ``file``) and ``logit_<class>`` for every class,
  or an NPZ file with ``logits``; for a workspace that is made of tables itself, what that takes
  (:mod:`openmax_core.activations.tables`).

Labels are read where there are some: folders that are called like classes, those of stored
activations, and the column ``label`` of a table (:mod:`openmax_core.monitor.labels`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.activations.activations import LOGITS, OK, PICTURES, Activations
from openmax_core.activations.tables import SUFFIXES, open_table
from openmax_core.errors import OpenMaxError
from openmax_core.monitor.labels import labels_of_folders, labels_of_values
from openmax_core.monitor.report import Batch
from openmax_core.network.inference import NOT_FINITE, Progress, run
from openmax_core.pictures.locations import is_address, require_path, require_there
from openmax_core.prediction.choice import expand_paths
from openmax_core.prediction.results import FORMAT as RESULTS_FORMAT
from openmax_core.support.arrays import Int
from openmax_core.support.files import listed, storable
from openmax_core.workspace.workspace import Workspace

TABLES = (".parquet", ".csv")
PREFIX, LABEL = "logit_", "label"
MOST_NAMED = 3  # classes in a message
HOW_TO_HAVE_LOGITS = (
    "give a folder of pictures, stored activations, what 'openmax predict --json FILE' writes, or "
    f"a table with a column path and {PREFIX}<class> for every class"
)

ProgressCallback = Callable[[Progress], None]


def read_batch(
    workspace: Workspace,
    source: str | Path,
    device: str = "auto",
    progress: ProgressCallback | None = None,
    *,
    has_features: bool = False,
    has_labels: bool = True,
) -> Batch:
    """Read a batch; the network runs only over pictures.

    Parameters
    ----------
    device : 'auto', 'cpu', 'cuda' or 'mps'
    progress : told how far the network is; what it raises ends the run
    has_features : read the features too
    has_labels : False to leave labels out

    Raises
    ------
    OpenMaxError
        There is nothing, or it is of another classifier, what differs is named; or it has no
        features that are asked for.
    """
    path = require_path(str(source), "a batch").expanduser()
    require_there(path)
    path = path.resolve()
    # Not Path.is_file, which raises where the folder may not be searched: that is said later.
    if all(os.path.isfile(path / name) for name in (LOGITS, PICTURES)):
        return _stored(workspace, path, has_features, has_labels)
    if path.name == PICTURES and os.path.isfile(path.parent / LOGITS):
        return _stored(workspace, path.parent, has_features, has_labels)
    is_table = path.suffix.lower() in (SUFFIXES if workspace.settings.tables else (".npz",))
    if path.is_file() and is_table:
        return _rows_of_table(workspace, path, has_features, has_labels)
    if path.is_file() and path.suffix.lower() in (*TABLES, ".json"):
        if has_features:
            raise _no_features(path)
        is_results = path.suffix.lower() == ".json"
        return _results(workspace, path) if is_results else _table(workspace, path, has_labels)
    batch = _pictures(workspace, path, device, progress, has_features)
    if not has_labels:
        return batch
    labels, notes = labels_of_folders(batch.paths, workspace.classes)
    return replace(batch, labels=labels, notes=(*batch.notes, *notes))


def _no_features(path: Path) -> OpenMaxError:
    return OpenMaxError(
        f"{path} has no features, which the method needs; give a folder of pictures, or stored "
        "activations that have features"
    )


def _pictures(
    workspace: Workspace,
    path: Path,
    device: str,
    progress: ProgressCallback | None,
    has_features: bool,
) -> Batch:
    files = expand_paths([str(path)], workspace.classes)
    folder = path if path.is_dir() else path.parent
    tell = progress or (lambda progress: None)
    tell(Progress(0, len(files), 0, 0.0))
    engine = workspace.classifier.load_engine(device, has_features=has_features)
    results: list[NDArray[np.float32] | str] = []
    n_unreadable, started = 0, time.perf_counter()

    def report(waiting_for: str = "") -> None:
        seconds = time.perf_counter() - started
        tell(Progress(len(results), len(files), n_unreadable, seconds, waiting_for))

    def on_wait(before: int) -> None:
        report(f"the network, which {before} other{'s' * (before > 1)} asked for before")

    try:
        with closing(run(engine, files, on_wait)) as answers:
            for _, result in answers:
                results.append(result)
                n_unreadable += isinstance(result, str)
                report()
    finally:
        engine.close()
    names = [storable(item.relative_to(folder).as_posix()) for item in files]
    errors = [result if isinstance(result, str) else "" for result in results]
    vectors = [result for result in results if not isinstance(result, str)]
    return _checked(workspace, str(path), folder, names, errors, vectors, has_features=has_features)


def _stored(workspace: Workspace, folder: Path, has_features: bool, has_labels: bool) -> Batch:
    activations = Activations.load(folder)
    if has_features and activations.features is None:
        raise _no_features(folder)
    made_with = activations.key.get("made_with", {})
    if activations.key.get("classifier") != workspace.classifier.key:
        now = json.loads(json.dumps(workspace.stored.store.made_with))
        other = [name for name, value in now.items() if made_with.get(name) != value]
        raise OpenMaxError(
            f"the activations in {folder} are of another classifier than that of "
            f"{workspace.folder} ({', '.join(other) or 'its key'} differ); run its pictures "
            "through this one"
        )
    pictures = activations.pictures
    is_ok = (pictures["status"] == OK).to_numpy()
    logits = np.array(activations.logits)
    errors = np.where(is_ok, "", pictures["error"].to_numpy(dtype=object))
    errors[np.flatnonzero(is_ok)[~np.isfinite(logits).all(axis=1)]] = NOT_FINITE
    is_finite = np.isfinite(logits).all(axis=1)
    kept = logits[is_finite]
    if has_features and activations.features is not None:
        features = np.asarray(activations.features, dtype=np.float32)[is_finite]
        kept = np.concatenate([kept, features], axis=1)
    where = activations.key.get("folder")
    notes: tuple[str, ...] = ()
    if isinstance(where, str) and is_address(where):
        where, notes = None, (f"its pictures lie at {where} and are not shown",)
    return _checked(
        workspace,
        str(folder),
        Path(where) if isinstance(where, str) else None,
        pictures["path"].tolist(),
        errors.tolist(),
        kept,
        notes,
        labels=pictures["label"].to_numpy(dtype=np.int64) if has_labels else None,
        has_features=has_features,
    )


def _rows_of_table(workspace: Workspace, path: Path, has_features: bool, has_labels: bool) -> Batch:
    parts = list(open_table(path).rows_with_labels(workspace.classes, has_features=has_features))
    names = [name for names, _, _ in parts for name in names]
    logits = np.concatenate([rows for _, rows, _ in parts])
    given = [label for _, _, part in parts for label in part] if has_labels else []
    # Where it names pictures, they lie from its folder on.
    return _checked(
        workspace,
        str(path),
        path.parent,
        names,
        [""] * len(names),
        logits,
        labels=labels_of_values(given, workspace.classes, str(path)),
        has_features=has_features,
    )


def _table(workspace: Workspace, path: Path, has_labels: bool) -> Batch:
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == TABLES[0] else pd.read_csv(path)
    # pyarrow has error classes of its own for damaged files, some of them OSError.
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise OpenMaxError(f"cannot read the table {path} ({error})") from error
    columns = [str(name) for name in table.columns]
    table.columns = pd.Index(columns)
    of_files = next((name for name in ("path", "file") if name in columns), None)
    found = [name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX)]
    if of_files is None or not found:
        lacks = "column path or file" if of_files is None else f"columns {PREFIX}<class>"
        raise OpenMaxError(f"{path} has no {lacks}; {HOW_TO_HAVE_LOGITS}")
    _check_classes(workspace, path, found)
    values = table[[PREFIX + name for name in workspace.classes]].apply(
        pd.to_numeric, errors="coerce"
    )
    names = [str(name) for name in table[of_files].tolist()]
    labels = None
    if has_labels and LABEL in columns:
        labels = labels_of_values(table[LABEL].tolist(), workspace.classes, str(path))
    return _from_rows(workspace, path, names, [*values.to_numpy(dtype=np.float32)], labels)


def _results(workspace: Workspace, path: Path) -> Batch:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.get("format") != RESULTS_FORMAT:
            raise ValueError(f"not of the format {RESULTS_FORMAT}")
        classes = [str(name) for name in values["classes"]]
        _check_classes(workspace, path, classes)
        order = [classes.index(name) for name in workspace.classes]
        names = [str(picture["file"]) for picture in values["pictures"]]
        rows: list[NDArray[np.float32] | str] = []
        for picture in values["pictures"]:
            if picture["logits"] is None:
                rows.append(str(picture["reason"]))
                continue
            row = np.array(picture["logits"], dtype=np.float32)
            if row.shape != (len(classes),):
                raise ValueError(f"{picture['file']} has logits of another number of classes")
            rows.append(row[order])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise OpenMaxError(
            f"cannot read the decisions {path} ({error}); {HOW_TO_HAVE_LOGITS}"
        ) from error
    return _from_rows(workspace, path, names, rows)


def _from_rows(
    workspace: Workspace,
    path: Path,
    names: Sequence[str],
    rows: Sequence[NDArray[np.float32] | str],
    labels: Int | None = None,
) -> Batch:
    """A batch of a file's rows; those with a logit that is no number count as unreadable."""
    errors, vectors = [], []
    for row in rows:
        error = row if isinstance(row, str) else "" if np.isfinite(row).all() else NOT_FINITE
        errors.append(error)
        if not error:
            vectors.append(row)
    parents = {os.path.dirname(name) for name in names}
    try:
        common = os.path.commonpath(parents)
    except ValueError:  # some are absolute and some are not, or there are none
        common = ""
    shown = [Path(os.path.relpath(name, common)).as_posix() if common else name for name in names]
    note = (
        "the logits are the file's: that this classifier made them cannot be seen from it, only "
        "that the classes are the same"
    )
    folder = Path(common).absolute() if common else None
    return _checked(workspace, str(path), folder, shown, errors, vectors, (note,), labels=labels)


def _check_classes(workspace: Workspace, path: Path, found: Sequence[str]) -> None:
    absent = [name for name in workspace.classes if name not in found]
    surplus = [name for name in found if name not in workspace.classes]
    if absent or surplus or len(found) != len(workspace.classes):
        parts = []
        if absent:
            parts.append(f"it lacks {listed(absent, MOST_NAMED)}")
        if surplus:
            parts.append(
                f"it has {listed(surplus, MOST_NAMED)}, which the classifier does not know"
            )
        raise OpenMaxError(
            f"{path} is of other classes than {workspace.folder}: "
            f"{' and '.join(parts) or 'a class occurs twice'}"
        )


def _checked(
    workspace: Workspace,
    source: str,
    folder: Path | None,
    paths: Sequence[str],
    errors: Sequence[str],
    vectors: Any,
    notes: tuple[str, ...] = (),
    *,
    labels: Int | None = None,
    has_features: bool = False,
) -> Batch:
    if not len(paths):
        raise OpenMaxError(f"{source} holds no pictures")
    if not len(vectors):
        raise OpenMaxError(
            f"none of the {len(paths):,} pictures of {source} gave logits; the first, {paths[0]}: "
            f"{errors[0]}"
        )
    values, n_classes = np.asarray(vectors, dtype=np.float32), len(workspace.classes)
    logits, features = values, None
    if has_features and values.ndim == 2:
        logits, features = values[:, :n_classes], values[:, n_classes:]
    if logits.ndim != 2 or logits.shape[1] != n_classes:
        raise OpenMaxError(
            f"{source} has logits of {logits.shape[-1]} classes, {workspace.folder} has {n_classes}"
        )
    return Batch(
        storable(source), folder, tuple(paths), tuple(errors), logits, notes, features, labels
    )
