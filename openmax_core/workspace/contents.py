"""What chosen folders or tables hold, before a workspace is made of them.

Pictures are counted as :mod:`openmax_core.pictures.folders` finds them: what a network will run
over. Where a folder on this machine holds very many, each class is counted up to a bound.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from openmax_core.activations.table_rows import SPLITS
from openmax_core.errors import WorkspaceError
from openmax_core.pictures.folders import find_class_folders, find_files, normal
from openmax_core.pictures.locations import Location, RemotePath
from openmax_core.support.files import listed
from openmax_core.workspace.browsing import PICTURE_SUFFIXES, named_sets
from openmax_core.workspace.division import deal
from openmax_core.workspace.settings import RESERVED
from openmax_core.workspace.tables import count_rows, plan_tables

MOST_FILES = 100_000  # of a set, that are counted
N_SAMPLES = 3  # pictures of a class
FEW = 20  # pictures of a class, below which its tail rests on little


@dataclass(frozen=True)
class Row:
    """A class, or a kind of unknowns.

    Attributes
    ----------
    name : str
        Of the class; of unknowns, the name of their folder, '' for those in none.
    is_known : bool
    counts : dict of str to int
        Pictures, or rows of tables, by set.
    samples : tuple of Location
        A few of the pictures; of tables, none.
    """

    name: str
    is_known: bool
    counts: dict[str, int]
    samples: tuple[Location, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What the sets of a new workspace hold.

    Attributes
    ----------
    sets : tuple of str
        In the order of their extraction.
    classes : tuple of str
        Names in the order of the network's outputs, as far as the data say it.
    rows : tuple of Row
    most : int or None
        Where a class has more pictures in a set than this, it was counted up to here alone.
    problems, warnings, notes : tuple of str
        In sentences: what no workspace can be made with; what it will suffer from; what was
        decided.
    """

    sets: tuple[str, ...]
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    most: int | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def totals(self) -> dict[str, int]:
        """Pictures or rows of each set; at least, where a class was not counted to its end."""
        return {name: sum(row.counts.get(name, 0) for row in self.rows) for name in self.sets}

    @property
    def is_whole(self) -> bool:
        """Everything was counted."""
        most = self.most
        return most is None or all(n <= most for row in self.rows for n in row.counts.values())

    def in_words(self, row: Row, split: str) -> str:
        """How many pictures or rows of a set a class has, for people."""
        count = row.counts.get(split, 0)
        if self.most is not None and count > self.most:
            return f"more than {self.most:,}"
        return f"{count:,}" if count or row.is_known == (split != "reject") else ""


def whole_set(folder: Location) -> dict[str, str]:
    """Sub-folders that stand for train and test, where a folder is no set but holds all of them.

    Returns
    -------
    Names by set; empty where it is a set, or holds something else.

    Raises
    ------
    WorkspaceError
        The folder does not exist, or may not be read.
    """
    found = named_sets(find_class_folders(folder))
    return found if found.keys() >= {"train", "test"} else {}


def look_at_folders(
    folders: Mapping[str, Location], classes: Sequence[str] = (), *, is_divided: bool = False
) -> Contents:
    """Count the pictures of each class and set, and find out what is wrong with them.

    Parameters
    ----------
    folders : by set: train, test, and reject if there is one
    classes : names in the order of the network's outputs; those of the folders in train without
    is_divided : train and test are one folder, to be divided as
        :func:`~openmax_core.workspace.division.create_divided` does it

    Raises
    ------
    WorkspaceError
        A folder does not exist or may not be read; it is named.
    """
    names = tuple(classes) or tuple(find_class_folders(folders["train"]))
    sets = tuple(split for split in SPLITS if split in folders)
    found: dict[str, dict[str, list[str]]] = {}
    n_folders = max(len(find_class_folders(folders[split], names)) for split in sets)
    most = max(100, MOST_FILES // max(1, n_folders))
    for split in sets:
        found[split] = _by_folder(folders[split], names if split != "reject" else (), most)
    if is_divided:
        dealt = {name: deal(paths) for name, paths in found["train"].items()}
        for split in ("train", "test"):
            # An empty class folder is a fault; one with too few pictures to give test some is none.
            found[split] = {
                name: paths[split]
                for name, paths in dealt.items()
                if paths[split] or not paths["train"]
            }
    place = {normal(name): name for name in names}
    known: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    for split in sets:
        for folder, paths in found[split].items():
            if split != "reject" and normal(folder) in place:
                known[place[normal(folder)]][split] = paths
    rows = [_row(name, True, paths, folders) for name, paths in known.items()]
    unknown = found.get("reject", {})
    rows += [
        _row(name, False, {"reject": paths}, folders) for name, paths in unknown.items() if paths
    ]
    contents = Contents(sets, names, tuple(rows), most)
    problems, warnings = _faults(contents, found, folders, bool(classes))
    return Contents(sets, names, tuple(rows), most, problems, warnings)


def look_at_tables(tables: Mapping[str, Path], classes: Sequence[str] = ()) -> Contents:
    """Count the rows of each class and set; reads labels, and no logits.

    Parameters
    ----------
    tables : absolute paths by set; or one alone, under 'all', that is divided
    classes : names in the order of the indices; those of the first table without

    Raises
    ------
    ActivationsError, WorkspaceError
        A table is not as it should be; file, row and column are named.
    """
    plan = plan_tables(tables, classes)
    counts = count_rows(plan)
    rows = [
        Row(name, True, {split: int(n[place]) for split, n in counts.items() if split != "reject"})
        for place, name in enumerate(plan.classes)
    ]
    if "reject" in counts:
        rows.append(Row("", False, {"reject": int(counts["reject"].sum())}))
    contents = Contents(tuple(plan.tables), plan.classes, tuple(rows), notes=plan.notes)
    warnings = (*_few(contents, "rows"), *_absent(contents, "rows"), *_no_reject(contents))
    return Contents(
        contents.sets, plan.classes, tuple(rows), warnings=warnings, notes=tuple(plan.notes)
    )


def _by_folder(folder: Location, classes: Sequence[str], most: int) -> dict[str, list[str]]:
    """Paths of the files by the folder right below that they lie in; '' for those in none.

    Empty folders are among them. At most one more than ``most`` of each.
    """
    names = find_class_folders(folder, classes)
    found: dict[str, list[str]] = {name: [] for name in names}
    if isinstance(folder, RemotePath):  # in one listing
        for path, _, _ in find_files(folder, classes):
            of_folder = found.setdefault(path.partition("/")[0] if "/" in path else "", [])
            if len(of_folder) <= most:
                of_folder.append(path)
        return found
    for name in names:
        files = islice(find_files(folder / name), most + 1)
        found[name] = [f"{name}/{path}" for path, _, _ in files]
    if loose := list(islice(_loose(folder), most + 1)):
        found[""] = loose
    return found


def _loose(folder: Path) -> Iterator[str]:
    """Files right in a folder."""
    for path, _, _ in find_files(folder):
        if "/" in path:  # a folder's files come before its folders
            return
        yield path


def _row(
    name: str, is_known: bool, paths: Mapping[str, list[str]], folders: Mapping[str, Location]
) -> Row:
    split = next((split for split in ("test", "train", "reject") if paths.get(split)), "")
    there = [path for path in paths.get(split, ()) if _is_picture(path)]
    places = np.linspace(0, len(there) - 1, 2 * N_SAMPLES + 1)[1::2].round().astype(int)
    samples = [folders[split] / there[place] for place in np.unique(places)] if there else []
    return Row(name, is_known, {key: len(item) for key, item in paths.items()}, tuple(samples))


def _is_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in PICTURE_SUFFIXES


def _faults(
    contents: Contents,
    found: Mapping[str, Mapping[str, list[str]]],
    folders: Mapping[str, Location],
    are_given: bool,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What no workspace can be made with, and what it will suffer from."""
    problems, warnings = [], []
    names = contents.classes
    if len(names) < 2:
        problems.append(
            f"{folders['train']} has {_counted(len(names), 'class folder')}; "
            "OpenMax needs pictures of at least 2 known classes, each in a folder of its name"
        )
    if twice := [name for name, n in Counter(map(normal, names)).items() if n > 1]:
        problems.append(f"the class {listed(twice[:1])} is named twice")
    if taken := RESERVED.intersection(names):
        problems.append(
            f"no class can be called '{min(taken)}', which means something else here; rename it, "
            "or move its pictures to the reject set"
        )
    known = set(map(normal, names))
    for split in contents.sets:
        there = found[split]
        where = f"{split} ({folders[split]})"
        if not any(there.values()):
            problems.append(f"{where} holds no pictures; put them there, or choose another folder")
            continue
        warnings += _other_files(there.values(), where)
        if split == "reject":
            if both := [name for name in there if normal(name) in known]:
                warnings.append(
                    f"{where} has folders named as known classes: {listed(both)}; the reject set "
                    "is for pictures of nothing that is known"
                )
            continue
        if empty := [name for name, paths in there.items() if not paths]:
            problems.append(
                f"{where} has no pictures in the class folder{_s(empty)} {listed(empty)}; put "
                "them there, or remove what is empty"
            )
        if strange := [name for name in there if name and normal(name) not in known]:
            way_out = (
                "add it to the class names"
                if are_given
                else "give it a folder of training pictures"
            )
            problems.append(
                f"{where} has the folder{_s(strange)} {listed(strange)}, which "
                f"{'is none' if len(strange) == 1 else 'are none'} of the classes "
                f"{listed(names)}; rename it, {way_out}, or move its pictures to the reject set"
            )
        if loose := there.get("", ()):
            warnings.append(
                f"{_counted(len(loose), 'file')} in {where} "
                f"{'lies' if len(loose) == 1 else 'lie'} in no class folder and will not be used"
            )
    warnings += [*_absent(contents), *_few(contents), *_no_reject(contents)]
    return tuple(problems), tuple(warnings)


def _other_files(paths: Collection[list[str]], where: str) -> list[str]:
    """Say that there are files whose names are not those of pictures."""
    kinds = Counter(
        os.path.splitext(path)[1].lower() or "no suffix"
        for of_folder in paths
        for path in of_folder
        if not _is_picture(path)
    )
    if not kinds:
        return []
    n, shown = kinds.total(), ", ".join(kind for kind, _ in kinds.most_common(4))
    return [
        f"{_counted(n, 'file')} in {where} {'has' if n == 1 else 'have'} the name of no picture "
        f"({shown}); what is none is reported and left out"
    ]


def _absent(contents: Contents, things: str = "pictures") -> list[str]:
    """Say which classes one of the sets lacks."""
    warnings = []
    for split, follows in (
        ("train", "each borrows a tail from the others, and none can be trained on"),
        ("test", "Test accuracy says nothing of them"),
    ):
        absent = [
            row.name
            for row in contents.rows
            if row.is_known and split in contents.sets and not row.counts.get(split)
        ]
        if absent:
            warnings.append(
                f"{'1 class has' if len(absent) == 1 else f'{len(absent):,} classes have'} no "
                f"{things} in {split}: {listed(absent)}; {follows}"
            )
    return warnings


def _few(contents: Contents, things: str = "pictures") -> list[str]:
    few = [
        f"{row.name} ({row.counts['train']})"
        for row in contents.rows
        if row.is_known and 0 < row.counts.get("train", 0) < FEW
    ]
    if not few:
        return []
    return [
        f"{'1 class has' if len(few) == 1 else f'{len(few):,} classes have'} fewer than {FEW} "
        f"{things} in train: {listed(few)}; their Weibull tails rest on little"
    ]


def _no_reject(contents: Contents) -> list[str]:
    if "reject" in contents.sets:
        return []
    return ["there is no reject set, so Reject accuracy cannot be measured"]


def _counted(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _s(names: Sequence[str]) -> str:
    return "" if len(names) == 1 else "s"


def require_folder(folder: Location) -> None:
    """Raise an error where a chosen folder of pictures is not there, or is none.

    Raises
    ------
    WorkspaceError
        It is named.
    """
    if isinstance(folder, RemotePath):
        if not folder.exists():
            raise WorkspaceError(f"there is no folder {folder}")
    elif not folder.exists():
        raise WorkspaceError(f"there is no folder {folder}")
    elif not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file, not a folder")
