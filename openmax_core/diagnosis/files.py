"""What is wrong with the folders: classes, files, and the same picture in two sets."""

from __future__ import annotations

import difflib
import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openmax_core.diagnosis.findings import ERROR, WARNING, Finding, counted
from openmax_core.pictures.folders import (
    PictureFiles,
    find_class_folders,
    find_unknown_pictures,
    normal,
)
from openmax_core.pictures.locations import Location
from openmax_core.support.arrays import Int
from openmax_core.support.files import listed

# With ten times as many pictures, one class outweighs another in every share that is counted.
IMBALANCE = 10
MOST_NAMED = 20  # of the files and groups that JSON lists


@dataclass(frozen=True)
class Listing:
    """All files below a split's folder, whatever the folders are called.

    Attributes
    ----------
    split : str
    files : PictureFiles
    labels : (N,) int64, class index; −1 in the reject set and of folders that are no class
    folders : tuple of N str, first folder of each path; '' for files beside the folders
    class_folders : tuple of str, folders right below, empty ones too
    """

    split: str
    files: PictureFiles
    labels: Int
    folders: tuple[str, ...]
    class_folders: tuple[str, ...]

    def count(self, n_classes: int) -> Int:
        """(C,) files of each class."""
        return np.bincount(self.labels[self.labels >= 0], minlength=n_classes).astype(np.int64)


def list_split(split: str, location: Location, classes: Sequence[str]) -> Listing:
    """List a split as it lies there.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture, or its address does not answer.
    """
    present = tuple(find_class_folders(location, classes))
    files = find_unknown_pictures(location)
    folders = tuple(path.split("/", 1)[0] if "/" in path else "" for path in files.paths)
    index = {normal(name): number for number, name in enumerate(classes)}
    known = [-1 if split == "reject" else index.get(normal(name), -1) for name in folders]
    return Listing(split, files, np.array(known, dtype=np.int64), folders, present)


def folder_findings(listing: Listing, classes: Sequence[str], is_fitted: bool) -> list[Finding]:
    """Say what is wrong with the class folders of a split.

    Parameters
    ----------
    is_fitted : whether the method is calibrated on this split
    """
    where = f"{listing.split} ({listing.files.folder})"
    if listing.split == "reject":
        return _named_as_classes(listing, classes, where)
    found = _strange_folders(listing, classes, where)
    counts = listing.count(len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        words = "class has" if len(empty) == 1 else "classes have"
        found.append(
            Finding(
                "empty class",
                WARNING,
                f"{len(empty):,} {words} no pictures in {where}: {listed(empty)}.",
                advice="Put pictures of each into a folder of its name"
                + (
                    "; until then they borrow a tail from the other classes."
                    if is_fitted
                    else ", or read Test accuracy as that of the other classes alone."
                ),
                figures={"split": listing.split, "classes": empty},
            )
        )
    loose = listing.folders.count("")
    if loose:
        found.append(
            Finding(
                "loose files",
                WARNING,
                f"{counted(loose, 'file')} in {where} {'lies' if loose == 1 else 'lie'} in no "
                "class folder and will not be used.",
                advice="Move each into the folder of its class.",
                figures={"split": listing.split, "files": loose},
            )
        )
    if is_fitted and (counts > 0).any():
        found += _imbalance(counts, classes, where)
    return found


def _named_as_classes(listing: Listing, classes: Sequence[str], where: str) -> list[Finding]:
    known = {normal(name) for name in classes}
    same = [name for name in listing.class_folders if normal(name) in known]
    if not same:
        return []
    n = sum(folder in same for folder in listing.folders)
    return [
        Finding(
            "known in reject",
            WARNING,
            f"{where} has {'a folder' if len(same) == 1 else 'folders'} named as known classes: "
            f"{listed(same)}.",
            advice="The reject set is for pictures of nothing that is known: move them to test, "
            "or rename the folder.",
            figures={"folders": same, "files": n},
        )
    ]


def _strange_folders(listing: Listing, classes: Sequence[str], where: str) -> list[Finding]:
    """Folders that are no class, with the class that may be meant."""
    known = {normal(name) for name in classes}
    present = {normal(name) for name in listing.class_folders}
    strange = [name for name in listing.class_folders if normal(name) not in known]
    if not strange:
        return []
    absent = [name for name in classes if normal(name) not in present]
    lower = {name.casefold(): name for name in absent}
    meant = {}
    for name in strange:
        close = difflib.get_close_matches(name.casefold(), lower, n=1, cutoff=0.7)
        if close:
            meant[name] = lower[close[0]]
    hints = "; ".join(f"rename '{name}' to '{other}'" for name, other in meant.items())
    words = "folder is" if len(strange) == 1 else "folders are"
    return [
        Finding(
            "no class",
            ERROR,
            f"{len(strange):,} {words} no class of the classifier, in {where}: {listed(strange)}.",
            advice=f"{hints[:1].upper()}{hints[1:]}."
            if hints
            else "Move it to the reject set or out of the folder; or, if the network has an "
            "output for it, add its name to classes under [classifier].",
            figures={"split": listing.split, "folders": strange, "meant": meant},
        )
    ]


def _imbalance(counts: Int, classes: Sequence[str], where: str) -> list[Finding]:
    least, most = int(counts[counts > 0].min()), int(counts.max())
    if most < IMBALANCE * least:
        return []
    small, large = int(np.flatnonzero(counts == least)[0]), int(counts.argmax())
    return [
        Finding(
            "imbalance",
            WARNING,
            f"The classes have very different numbers of pictures in {where}: '{classes[large]}' "
            f"has {most:,}, '{classes[small]}' has {least:,}.",
            advice="Add pictures of the small classes: their tails rest on few pictures, and the "
            "network may have learned to prefer the large ones.",
            figures={"largest": most, "smallest": least},
        )
    ]


def unreadable_findings(errors: Mapping[str, str], n_files: int) -> list[Finding]:
    """Say which files could not be read, of those that were looked at.

    Parameters
    ----------
    errors : reason by 'split/path'
    n_files : how many files were looked at
    """
    if not errors:
        return []
    path, reason = next(iter(errors.items()))
    return [
        Finding(
            "unreadable",
            WARNING,
            f"{counted(len(errors), 'file')} of {n_files:,} could not be read and "
            f"{'is' if len(errors) == 1 else 'are'} left out. The first: {path}: {reason}.",
            advice="Replace or remove them.",
            figures={"files": n_files, "unreadable": dict(list(errors.items())[:MOST_NAMED])},
        )
    ]


def duplicate_findings(
    listings: Sequence[Listing], classes: Sequence[str], seconds: float
) -> tuple[list[Finding], str]:
    """Compare files of the sets by their bytes: by size first, then by SHA-256.

    Parameters
    ----------
    seconds : after so many no more files are read

    Returns
    -------
    Findings, and what could not be compared; '' where all was.
    """
    local = [item for item in listings if isinstance(item.files.folder, Path)]
    skipped = [item.split for item in listings if not isinstance(item.files.folder, Path)]
    left_out = f"files of {' and '.join(skipped)}, which lie at an address" if skipped else ""
    groups, n_unread = _same_bytes(local, seconds)
    if n_unread:
        left_out = f"{counted(n_unread, 'file')} of equal size, for want of time"
    notes = f"Not compared by content: {left_out}." if left_out else ""
    return _told(groups, classes), notes


@dataclass(frozen=True)
class _File:
    split: str
    path: str
    label: int
    location: Location

    @property
    def name(self) -> str:
        return f"{self.split}/{self.path}"


def _same_bytes(listings: Sequence[Listing], seconds: float) -> tuple[list[list[_File]], int]:
    """Groups of files with the same bytes, and how many were not read for want of time."""
    by_size: dict[int, list[_File]] = defaultdict(list)
    for listing in listings:
        for path, size, label in zip(
            listing.files.paths, listing.files.sizes.tolist(), listing.labels.tolist(), strict=True
        ):
            by_size[size].append(_File(listing.split, path, label, listing.files.folder / path))
    until, n_unread = time.monotonic() + seconds, 0
    groups: list[list[_File]] = []
    # Small ones first: so the most files are compared in the time there is.
    for size in sorted(by_size):
        candidates = by_size[size]
        if len(candidates) == 1 or not size or not _crosses(candidates):
            continue
        by_digest: dict[bytes, list[_File]] = defaultdict(list)
        for file in candidates:
            if time.monotonic() > until:
                n_unread += 1
                continue
            try:
                with Path(str(file.location)).open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").digest()
            except OSError:  # said where pictures are read
                continue
            by_digest[digest].append(file)
        groups += [group for group in by_digest.values() if _crosses(group)]
    return groups, n_unread


def _crosses(group: Sequence[_File]) -> bool:
    """Tell whether files of the same content would contradict each other."""
    return len({(file.split, file.label) for file in group}) > 1


def _told(groups: Sequence[Sequence[_File]], classes: Sequence[str]) -> list[Finding]:
    kinds: dict[str, list[list[_File]]] = defaultdict(list)
    for group in groups:
        splits = {file.split for file in group}
        if "reject" in splits and len(splits) > 1:
            kinds["known in reject"].append(sorted(group, key=lambda file: file.split != "reject"))
        elif len({file.label for file in group if file.label >= 0}) > 1:
            kinds["two classes"].append(list(group))
        elif "test" in splits and len(splits) > 1:
            kinds["test in training"].append(sorted(group, key=lambda f: f.split != "test"))
        elif len(splits) > 1:
            kinds["calibration in training"].append(list(group))
    found = []
    for kind, same in kinds.items():
        first = same[0]
        other = next(
            file for file in first if (file.split, file.label) != (first[0].split, first[0].label)
        )
        severity, sentence, advice = _DUPLICATES[kind]
        n = sum(file.split == first[0].split for group in same for file in group)
        n = len(same) if kind == "two classes" else n
        found.append(
            Finding(
                kind,
                severity,
                sentence.format(
                    n=counted(n, "picture"),
                    are="is" if n == 1 else "are",
                    stand="stands" if n == 1 else "stand",
                    first=first[0].name,
                    other=other.name,
                ),
                advice=advice,
                figures=_named(n, same),
            )
        )
    return found


def _named(n: int, groups: Sequence[Sequence[_File]]) -> dict[str, Any]:
    return {"pictures": n, "files": [[f.name for f in group] for group in groups[:MOST_NAMED]]}


_DUPLICATES = {
    "known in reject": (
        ERROR,
        "{n} of the reject set {are} also among the known ones, byte for byte: {first} is {other}.",
        "Remove what is known from the reject set: Reject accuracy counts it as unknown.",
    ),
    "two classes": (
        WARNING,
        "{n} {stand} in the folders of two classes, byte for byte: {first} is {other}.",
        "Keep each in the folder of its class alone.",
    ),
    "test in training": (
        WARNING,
        "{n} of the test set {are} also training pictures, byte for byte: {first} is {other}.",
        "Keep the test set apart: the network knows these, so Test accuracy is too good.",
    ),
    "calibration in training": (
        WARNING,
        "{n} of the calibration set {are} also training pictures, byte for byte: {first} is "
        "{other}.",
        "Remove them from the calibration set, which is for pictures held out of training.",
    ),
}
