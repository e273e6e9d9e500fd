"""Workspaces of tables: logits that another program wrote stand for pictures and network.

``[tables]`` of a ``workspace.toml`` names the files. Their digests are part of the store's key: a
table that has changed is read again as soon as something is asked of it. Which rows are of which
set:

* with a column split, those of that split; unknowns of the test split are the reject set;
* without it all rows. Where one file is named for several sets, its unknowns are the reject set,
  and its known rows are dealt to the others in turn, class by class.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from openmax_core.activations.activations import WRITING
from openmax_core.activations.shards import cannot_store
from openmax_core.activations.store import ActivationStore
from openmax_core.activations.table_rows import SPLITS, Part, Table
from openmax_core.activations.tables import open_table
from openmax_core.activations.writing import SetWriter, finish
from openmax_core.errors import ActivationsError, OpenMaxError, WorkspaceError
from openmax_core.network.inference import Progress
from openmax_core.network.spec import NamedClassifier, sha256_by_date
from openmax_core.support.files import fingerprint, listed, new_folder, printable, require_room
from openmax_core.workspace.features import size_in_words

if TYPE_CHECKING:
    from openmax_core.network.classifier import Classifier
    from openmax_core.network.engines import Engine

TRAIN, CALIBRATION, TEST, REJECT = range(4)
Tell = Callable[[str, Progress], None]


@dataclass(frozen=True)
class NamedTables(NamedClassifier):
    """Stands for the classifier of a workspace of tables: it has classes, and no network.

    Attributes
    ----------
    tables : dict of str to Path
        Absolute path of each set's file.
    """

    tables: dict[str, Path]

    @property
    def weights_path(self) -> Path:
        """There is none.

        Raises
        ------
        WorkspaceError
            Always.
        """
        self._refuse()

    @property
    def weights_key(self) -> str:
        """Fingerprint of the tables' content.

        Raises
        ------
        WorkspaceError
            A table is gone.
        """
        return fingerprint(self._digests)

    @property
    def made_with(self) -> dict[str, Any]:
        """What the stored logits depend on.

        Raises
        ------
        WorkspaceError
            As for :attr:`weights_key`.
        """
        return {"tables": self._digests, "classes": list(self.settings.classes)}

    @property
    def features(self) -> str | None:
        """What the features are that are stored; None where none are asked for."""
        return "features of the tables" if self.settings.features else None

    def n_features(self, *, may_load: bool) -> int | None:
        """D, by the heads of the tables.

        Raises
        ------
        ActivationsError
            A table has none, or others than the first.
        """
        return same_features([open_table(path) for path in dict.fromkeys(self.tables.values())])

    def load(self) -> Classifier:
        """There is no network.

        Raises
        ------
        WorkspaceError
            Always.
        """
        self._refuse()

    def load_engine(
        self, device: str = "auto", batch_size: int | None = None, *, has_features: bool = False
    ) -> Engine:
        """There is no network.

        Raises
        ------
        WorkspaceError
            Always.
        """
        self._refuse()

    def load_exported_network(self, *, has_features: bool = False) -> bytes:
        """There is no network.

        Raises
        ------
        WorkspaceError
            Always.
        """
        self._refuse()

    def class_order_problem(self) -> str | None:
        """Tables say themselves which logit is of which class."""
        return None

    @property
    def _digests(self) -> dict[str, str]:
        digests = {}
        for split, path in self.tables.items():
            try:
                stat = path.stat()
                digests[split] = sha256_by_date(path, stat.st_size, stat.st_mtime_ns)
            except OSError as error:
                raise WorkspaceError(
                    f"cannot read the table {path} ({error.strerror}); correct {split} under "
                    f"[tables] in {self.workspace / 'workspace.toml'}"
                ) from error
        return digests

    def _refuse(self) -> NoReturn:
        raise WorkspaceError(
            f"{self.workspace} is made of tables of logits: it has no network to run over "
            "pictures. Give a table of logits instead, as .npz, .parquet or .csv"
        )


@dataclass(frozen=True)
class TablePlan:
    """What a new workspace of tables will name.

    ``notes`` say in sentences what was decided and somebody should know.
    """

    tables: dict[str, Path]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def same_features(tables: Sequence[Table]) -> int:
    """D, the number of features of each row, which must be the same features in all tables.

    Raises
    ------
    ActivationsError
        A table has none, or others than the first; it is named.
    """
    first = tables[0]
    for table in tables:
        table.require_features()
        if table.n_features != first.n_features:
            table.fail(
                f"has {table.n_features:,} features, and {first.path} has {first.n_features:,}; "
                "all tables of a workspace have the same features"
            )
        names = set(table.columns_of_features)
        if names and first.columns_of_features and names != {*first.columns_of_features}:
            strange = [name for name in names if name not in first.columns_of_features]
            table.fail(f"has the features {listed(sorted(strange))}, which {first.path} has not")
    return first.n_features


def plan_tables(
    tables: Mapping[str, Path], classes: Sequence[str] = (), *, has_features: bool = False
) -> TablePlan:
    """Look which sets and classes the tables hold; reads no logits.

    Parameters
    ----------
    tables : absolute paths by set; or one alone, under 'all', that is divided
    classes : names in the order of the indices; those of the first table without
    has_features : their features are to be stored

    Raises
    ------
    ActivationsError, WorkspaceError
        A table is damaged, or a set is missing.
    """
    first = open_table(next(iter(tables.values())))
    names, notes = tuple(classes) or first.names, []
    if not names:
        names = tuple(map(str, range(first.n_classes)))
        notes.append(
            "the table names no classes, so they are called by number; --classes names them"
        )
    if "all" in tables:
        found = _sets_of_one(first, names)
        if "split" not in first.has:
            notes.append(
                f"{first.path.name} has no column split: of each class every other known row is "
                "train, the rest test"
            )
    else:
        found = dict(tables)
        missing = {"test"} - {*found} or (
            {"train"} if not {"train", "calibration"} & {*found} else set()
        )
        if missing:
            raise WorkspaceError(f"there is no table for {missing.pop()}; give one")
        if "reject" not in found and _count(open_table(found["test"]), names)[REJECT]:
            found["reject"] = found["test"]
            notes.append(f"the unknowns in {found['test'].name} are the reject set")
    if has_features:
        opened = [open_table(path) for path in dict.fromkeys(found.values())]
        n_features = same_features(opened)
        n_rows = sum(table.n_rows or 0 for table in opened)
        is_known = all(table.n_rows is not None for table in opened)
        notes.append(size_in_words(n_rows if is_known else None, n_features, "row"))
    elif n := first.n_features:
        notes.append(
            f"{first.path.name} has {n:,} features; they are not stored, unless features = true "
            "stands under [classifier] in workspace.toml (--features)"
        )
    return TablePlan(
        {split: found[split] for split in SPLITS if split in found}, names, tuple(notes)
    )


def _sets_of_one(table: Table, classes: Sequence[str]) -> dict[str, Path]:
    """Sets that one table is divided into."""
    counts = _count(table, classes)
    if "split" not in table.has:
        found = ["train", "test", *(["reject"] if counts[REJECT] else [])]
    else:
        found = [split for split, n in zip(SPLITS, counts, strict=True) if n]
        if "test" not in found or not {"train", "calibration"} & {*found}:
            table.fail(
                f"has rows of {listed(found)}; it needs some of train and of test", column="split"
            )
    return dict.fromkeys(found, table.path)


def _count(table: Table, classes: Sequence[str]) -> list[int]:
    """Rows of a table by split; unknowns of the test split, or of no split, are of reject."""
    table.require_labels()
    counts = np.zeros(len(SPLITS), dtype=np.int64)
    for part in table.parts(classes, has_logits=False):
        if part.labels is None:
            continue
        splits = np.full(len(part), TEST) if part.splits is None else part.splits
        splits = np.where((part.labels < 0) & (splits == TEST), REJECT, splits)
        counts += np.bincount(splits, minlength=len(SPLITS))
    return counts.tolist()


def count_rows(plan: TablePlan) -> dict[str, NDArray[np.int64]]:
    """Count the rows of each set by class; reads no logits.

    Returns
    -------
    (C,) counts by set; of the reject set, (1,).

    Raises
    ------
    ActivationsError
        A label or a split is not as it should be; file, row and column are named.
    """
    n_classes = len(plan.classes)
    counts = {
        split: np.zeros(1 if split == "reject" else n_classes, dtype=np.int64)
        for split in plan.tables
    }
    for path in dict.fromkeys(plan.tables.values()):
        splits = [split for split, other in plan.tables.items() if other == path]
        table = open_table(path)
        if splits != ["reject"]:
            table.require_labels()
        dealt = np.zeros(n_classes, dtype=np.int64)
        for part in table.parts(plan.classes, has_logits=False):
            sets = _sets(table, part, splits, plan.classes, dealt)
            for split in splits:
                labels = _labels(part)[sets == SPLITS.index(split)]
                if split == "reject":
                    counts[split] += len(labels)
                else:
                    counts[split] += np.bincount(labels, minlength=n_classes)
        for split in splits:
            if not counts[split].any():
                table.fail(f"has no rows for {split}")
    return counts


def read_tables(
    named: NamedTables, store: ActivationStore, tell: Tell | None = None
) -> dict[str, int]:
    """Read tables that are new or have changed into the store.

    Parameters
    ----------
    tell : called with a set and how far its table is; what it raises ends it, and nothing is stored

    Returns
    -------
    Rows of each set; empty where all is stored, with features where these are asked for.

    Raises
    ------
    ActivationsError, WorkspaceError
        A table is not as it should be; file, row and column are named. Or the disk is full.
    """
    counts: dict[str, int] = {}
    report = tell or (lambda split, progress: None)
    if _has_all(named, store):
        return counts
    first = next(iter(named.tables))
    waiting = Progress(0, 1, 0, 0.0, "another process that reads these tables")
    with store.locked(lambda: report(first, waiting)):
        if _has_all(named, store):
            return counts
        store.remove_leftovers()
        try:
            folders, counts = _store(named, store, report)
        except OSError as error:
            raise cannot_store(store.folder, error) from error
        for split, folder in folders.items():
            store.remove_others(split, folder)
    return counts


def _has_all(named: NamedTables, store: ActivationStore) -> bool:
    return all(store.newest(split) and store.has_features(split) for split in named.tables)


def _store(
    named: NamedTables, store: ActivationStore, tell: Tell
) -> tuple[dict[str, Path], dict[str, int]]:
    """Folders and numbers of rows of the sets, all read or none."""
    classes, n_features = named.settings.classes, 0
    folders = {
        split: store.folder / f"{split}-{fingerprint(store.own_key, split)}"
        for split in named.tables
    }
    if store.features is not None:
        opened = [open_table(path) for path in dict.fromkeys(named.tables.values())]
        n_features = same_features(opened)
        n_rows = sum(table.n_rows or 0 for table in opened)
        try:
            require_room(store.folder, n_rows * (4 * len(classes) + 2 * n_features))
        except OpenMaxError as error:
            raise ActivationsError(str(error)) from error
    with ExitStack() as stack:
        writers, temporary = {}, {}
        for split, folder in folders.items():
            shutil.rmtree(folder, ignore_errors=True)  # what is left of a damaged one
            temporary[split] = stack.enter_context(new_folder(folder, WRITING))
            writers[split] = SetWriter(temporary[split], len(classes), n_features)
            stack.callback(writers[split].close)
        for path in dict.fromkeys(named.tables.values()):
            splits = [split for split, other in named.tables.items() if other == path]
            mine = {split: writers[split] for split in splits}
            _read_into(mine, path, classes, tell, n_features > 0)
        fitted = "calibration" if "calibration" in writers else "train"
        if writers[fitted].n_labels < 2:
            raise ActivationsError(
                f"{named.tables[fitted]}: all {writers[fitted].n_rows:,} rows of {fitted} are of "
                "one class; OpenMax needs rows of 2 classes at least"
            )
        for split, writer in writers.items():
            writer.close()
            plain = f"{split}-{fingerprint(store.classifier_key, split)}"
            parent = str(named.tables[split].parent)
            key = store.key_of(folders[split], parent, "a table", plain)
            finish(temporary[split], key | writer.facts)
    return folders, {split: writer.n_rows for split, writer in writers.items()}


def _read_into(
    writers: Mapping[str, SetWriter],
    path: Path,
    classes: Sequence[str],
    tell: Tell,
    has_features: bool,
) -> None:
    table, started = open_table(path), time.perf_counter()
    if [*writers] != ["reject"]:
        table.require_labels()
    dealt = np.zeros(len(classes), dtype=np.int64)
    for part in table.parts(classes, has_features=has_features):
        sets = _sets(table, part, [*writers], classes, dealt)
        for split, writer in writers.items():
            rows = np.flatnonzero(sets == SPLITS.index(split))
            if len(rows):
                labels = np.full(len(rows), -1) if split == "reject" else _labels(part)[rows]
                names = [part.name(row) for row in rows.tolist()]
                writer.add(part.logits[rows], labels, names, part.features[rows])
        done = part.first + len(part)
        tell(
            next(iter(writers)),
            Progress(done, table.n_rows or done, 0, time.perf_counter() - started),
        )
    for split, writer in writers.items():
        if not writer.n_rows:
            table.fail(f"has no rows for {split}")


def _labels(part: Part) -> NDArray[np.int64]:
    return np.full(len(part), -1) if part.labels is None else part.labels


def _sets(
    table: Table,
    part: Part,
    splits: Sequence[str],
    classes: Sequence[str],
    dealt: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Index into SPLITS of the set that each row is of; −1 of one that the workspace leaves out.

    Parameters
    ----------
    splits : that the table is named for
    dealt : (C,) known rows of each class so far; counted on
    """
    labels, column = _labels(part), table.label_column
    is_unknown = labels < 0
    known = [SPLITS.index(split) for split in splits if split != "reject"]
    if part.splits is not None:
        sets = np.where(is_unknown & (part.splits == TEST), REJECT, part.splits)
    elif known:
        may_be_unknown = "reject" in splits or "test" in splits
        sets = np.where(is_unknown, REJECT if may_be_unknown else known[0], 0)
        rows = np.flatnonzero(~is_unknown)
        sets[rows] = np.array(known)[_ranks(labels[rows], dealt) % len(known)]
    else:
        sets = np.full(len(part), REJECT)
    is_reject_alone = sets == REJECT if part.splits is None else part.splits == REJECT
    for row, text in part.others.items():
        if known and not (part.splits is not None and is_reject_alone[row]):
            table.fail(
                f"'{printable(text)}' is none of the classes {listed(classes)}; a picture of none "
                "has a negative label, or 'unknown'",
                part.first + row,
                column,
            )
    wrong = is_unknown & (sets != REJECT)
    if wrong.any():
        row = int(np.argmax(wrong))
        table.fail(
            f"is an unknown in {SPLITS[sets[row]]}, which takes known classes alone",
            part.first + row,
            column,
        )
    wrong = ~is_unknown & (sets == REJECT)
    if wrong.any():
        row = int(np.argmax(wrong))
        table.fail(
            f"the class '{printable(classes[labels[row]])}' is known, and this row is of the "
            "reject set; unknowns have a negative label, or none",
            part.first + row,
            column,
        )
    lost = is_unknown & (sets == REJECT)
    if part.splits is not None:
        lost &= part.splits == TEST
    if lost.any() and "reject" not in splits:
        table.fail(
            "is an unknown, and the workspace takes its reject set from elsewhere; take the row "
            "out, or name this table as reject under [tables]",
            part.first + int(np.argmax(lost)),
            column,
        )
    return np.where(np.isin(sets, [SPLITS.index(split) for split in splits]), sets, -1)


def _ranks(labels: NDArray[np.int64], dealt: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows of its class come before each row; ``dealt`` is counted on."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(dealt))
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    ranks += dealt[labels]
    dealt += counts
    return ranks
