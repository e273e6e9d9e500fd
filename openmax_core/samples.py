"""A few pictures of a split to look at."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from openmax_core.activations import Activations
from openmax_core.errors import PictureError
from openmax_core.images import decode
from openmax_core.workspace import Workspace

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


def thumbnail_of(content: bytes, side: int = SIDE) -> bytes:
    """PNG bytes of a thumbnail of an uploaded picture file.

    Raises
    ------
    PictureError
        The content cannot be decoded.
    """
    stream = io.BytesIO()
    thumbnail(decode(content), side).save(stream, "PNG")
    return stream.getvalue()


def sample_pictures(
    workspace: Workspace, split: str, activations: Activations, most: int
) -> list[Sample]:
    """Thumbnails of at most ``most`` readable pictures, spread evenly over the split.

    Pictures that have gone since the extraction are left out.
    """
    table = activations.readable
    rows = np.unique(np.linspace(0, len(table) - 1, 2 * most + 1)[1::2].round().astype(int))
    samples = []
    for row in rows.tolist():
        path, label = table["path"].iloc[row], int(table["label"].iloc[row])
        caption = workspace.classes[label] if label >= 0 else path.split("/")[0]
        try:
            picture = decode(workspace.picture_folder(split) / path)
        except PictureError:
            continue
        samples.append(Sample(thumbnail(picture), caption if "/" in path else "unknown"))
    return samples
