"""A few pictures of a split to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from openmax_core.activations.activations import Activations
from openmax_core.activations.table_rows import is_row
from openmax_core.errors import PictureError, WorkspaceError
from openmax_core.pictures.images import decode, jpeg, jpeg_url
from openmax_core.pictures.intake import Upload
from openmax_core.pictures.locations import Location, why_irregular
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.workspace import Workspace

SIDE = 240


@dataclass(frozen=True)
class Sample:
    """A square thumbnail and its name."""

    picture: Image.Image
    caption: str


def thumbnail(picture: Image.Image, side: int = SIDE) -> Image.Image:
    """Square cut from the middle of an RGB picture, ``side`` pixels wide."""
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    square = picture.crop((left, top, left + short, top + short))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def thumbnail_url(path: Location, side: int = 160) -> str | None:
    """Data URL of a thumbnail, some 5 kB; None if the file is gone or cannot be decoded."""
    try:
        return jpeg_url(thumbnail(decode(path), side), quality=82)
    except PictureError:
        return None


def picture_bytes(path: Location, most: int = 900) -> bytes | None:
    """JPEG of a picture, made to fit ``most`` pixels; None if it is gone or cannot be decoded."""
    try:
        picture = decode(path)
    except PictureError:
        return None
    picture.thumbnail((most, most))
    return jpeg(picture, quality=90)


def sample_pictures(
    workspace: Workspace,
    split: str,
    activations: Activations | None,
    most: int,
    roots: AllowedRoots | None = None,
) -> list[Sample]:
    """Thumbnails of at most ``most`` readable pictures, spread evenly over the split.

    Without activations, of the files that lie there. Pictures that have gone since the extraction
    are left out, and those that do not lie under the ``roots``.
    """
    if activations is not None:
        found = sample_paths(workspace, activations, most)
    else:
        files = workspace.pictures.find(split)
        rows = _spread(len(files), most)
        found = [_captioned(workspace, files.paths[row], int(files.labels[row])) for row in rows]
    samples = []
    for path, caption in found:
        try:
            picture = decode(_file(workspace, split, path, roots))
        except PictureError:
            continue
        except WorkspaceError:
            if roots is None and not workspace.settings.tables:
                raise
            continue
        samples.append(Sample(thumbnail(picture), caption))
    return samples


def sample_paths(
    workspace: Workspace, activations: Activations, most: int
) -> list[tuple[str, str]]:
    """Paths and captions of at most ``most`` readable pictures, spread evenly over a split.

    The caption is the class, of unknowns the folder, or 'unknown' without one.
    """
    table = activations.readable
    rows = table[["path", "label"]].iloc[_spread(len(table), most)]
    return [_captioned(workspace, path, int(label)) for path, label in rows.itertuples(index=False)]


def _file(workspace: Workspace, split: str, path: str, roots: AllowedRoots | None) -> Location:
    if workspace.settings.tables and is_row(path):
        raise WorkspaceError(f"{split}/{path}: the table names no picture")
    if roots is None:
        if not workspace.settings.tables:
            return workspace.pictures.picture(split, path)
        # A table's paths may be absolute: they are whatever its writer wrote.
        beside = workspace.pictures.folder(split).parent
        roots = AllowedRoots((workspace.folder, beside))
    return roots.picture(workspace, split, path)


def _spread(n: int, most: int) -> list[int]:
    places = np.linspace(0, n - 1, 2 * most + 1)[1::2]
    return np.unique(places.round().astype(int)).tolist()


def _captioned(workspace: Workspace, path: str, label: int) -> tuple[str, str]:
    if label >= 0:
        return path, workspace.classes[label]
    return path, path.split("/", maxsplit=1)[0] if "/" in path else "unknown"


def sample_upload(
    workspace: Workspace, split: str, path: str, roots: AllowedRoots | None = None
) -> Upload:
    """Return a picture of a split as if somebody had sent it, named 'split/path'.

    Raises
    ------
    PictureError
        The file is no longer there or does not lie under the ``roots``, or its address does not
        answer.
    """
    name = f"{split}/{path}"
    try:
        file = _file(workspace, split, path, roots)
        if isinstance(file, Path) and (reason := why_irregular(file)):
            raise PictureError(f"{name}: {reason}")
        return Upload(name, file.read_bytes())
    except OSError as error:
        raise PictureError(f"cannot read {name} ({error.strerror})") from error
    except WorkspaceError as error:
        raise PictureError(str(error)) from error
