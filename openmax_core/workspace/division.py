"""A workspace of pictures that are not divided yet: some of each class become test pictures.

The pictures stay where they are. The workspace gets folders train and test with links to them.
Which picture is of which set depends on the sorted names in its class folder alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openmax_core.errors import WorkspaceError
from openmax_core.pictures.folders import find_class_folders, find_files
from openmax_core.workspace.workspace import Workspace

EVERY = 5  # of so many pictures of a class, the last is a test picture


def deal(pictures: Sequence[str]) -> dict[str, list[str]]:
    """Divide the pictures of a class, in the order of their names, into train and test."""
    return {
        "train": [path for place, path in enumerate(pictures, 1) if place % EVERY],
        "test": [path for place, path in enumerate(pictures, 1) if not place % EVERY],
    }


def create_divided(folder: Path, pictures: Path, **arguments: Any) -> Workspace:
    """Make a workspace whose train and test folders hold links to the pictures of one folder.

    Parameters
    ----------
    folder : of the workspace, absolute
    pictures : with a sub-folder for each class, absolute
    **arguments : of :meth:`Workspace.create`, without train and test

    Raises
    ------
    WorkspaceError, ClassifierError
        As for :meth:`Workspace.create`; or links cannot be made there. Then none stay behind.
    """
    with _links(folder, pictures) as sets:
        return Workspace.create(folder, train=sets["train"], test=sets["test"], **arguments)


@contextmanager
def _links(folder: Path, pictures: Path) -> Iterator[dict[str, Path]]:
    """Folders of links by set, which are removed again where the block ends with an error."""
    sets = {split: folder / split for split in ("train", "test")}
    for path in sets.values():
        if path.exists():
            raise WorkspaceError(f"{path} exists already; choose another folder for the workspace")
    is_new = not folder.exists()
    try:
        for name in find_class_folders(pictures):
            found = [path for path, _, _ in find_files(pictures / name)]
            for split, paths in deal(found).items():
                for item in paths:
                    _link(sets[split] / name / item, pictures / name / item)
        yield sets
    except BaseException as error:
        for path in [folder] if is_new else sets.values():
            shutil.rmtree(path, ignore_errors=True)  # links alone: pictures stay
        if isinstance(error, OSError):
            raise WorkspaceError(
                f"cannot make links to the pictures in {folder} ({error.strerror}); divide them by "
                "hand: move some of each class into a second folder"
            ) from error
        raise


def _link(path: Path, picture: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(picture, path.parent))
