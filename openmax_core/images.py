"""Finding pictures in folders, decoding them as a person would expect, and transforming them.

What reaches the network is bit-identical to torchvision's transforms on PIL pictures: resize and
crop happen on PIL pictures and give uint8; the float arithmetic is done on whole batches.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from openmax_core.errors import PictureError, WorkspaceError
from openmax_core.files import printable
from openmax_core.locations import Location, RemotePath

Pixels = NDArray[np.uint8]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_PIXELS = 80_000_000
MAX_UPLOAD_PIXELS = 25_000_000
# Formats that Pillow decodes by itself; none that starts another program.
# MPO comes with JPEG: Pillow registers no reader of its own for it.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA")
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
UNKNOWN = -1
SIXTEEN_TO_EIGHT = np.rint(np.arange(1 << 16) / 257.0).astype(np.uint8)


@dataclass(frozen=True)
class Transform:
    """The evaluation transform: resize, centre crop, normalise.

    Attributes
    ----------
    resize : (height, width) or one int for the shorter side, in pixels
    crop : (height, width) in pixels, from the centre; black is added where it is larger
    interpolation : 'nearest', 'bilinear', 'bicubic' or 'lanczos'
    mean, std : three floats, of channels scaled to [0, 1]
    """

    resize: int | tuple[int, int] = (320, 320)
    crop: tuple[int, int] = (224, 224)
    interpolation: str = "nearest"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def resized(self, picture: Image.Image) -> Image.Image:
        """Resize an RGB picture as ``torchvision.transforms.Resize`` does."""
        width, height = picture.size
        if isinstance(self.resize, int):
            short, long = sorted((width, height))
            other = int(self.resize * long / short)
            size = (self.resize, other) if width <= height else (other, self.resize)
        else:
            size = (self.resize[1], self.resize[0])
        if size == picture.size:
            return picture
        if size[0] * size[1] > MAX_PIXELS:
            raise PictureError(
                f"{width} × {height} pixels are too narrow: resized, they would be "
                f"{size[0]} × {size[1]}"
            )
        return picture.resize(size, INTERPOLATIONS[self.interpolation])

    def pixels(self, picture: Image.Image) -> Pixels:
        """Return what the network sees of an RGB picture: (H, W, 3) uint8, not yet normalised."""
        resized = self.resized(picture)
        width, height = resized.size
        top = _crop_start(height, self.crop[0])
        left = _crop_start(width, self.crop[1])
        box = (left, top, left + self.crop[1], top + self.crop[0])
        return np.asarray(resized.crop(box))


@dataclass(frozen=True)
class TrainTransform:
    """What training adds to the evaluation transform's resize and normalisation.

    Attributes
    ----------
    random_crop : bool
        Crop at a random place instead of the centre.
    horizontal_flip : float
        Probability of mirroring left and right; 0 for text or digits.
    brightness : float
        Channels are multiplied by a factor drawn from [1 − brightness, 1 + brightness].
    """

    random_crop: bool = True
    horizontal_flip: float = 0.5
    brightness: float = 0.0

    def pixels(
        self, picture: Image.Image, transform: Transform, generator: np.random.Generator
    ) -> Pixels:
        """One random view of an RGB picture, (H, W, 3) uint8."""
        resized = transform.resized(picture)
        width, height = resized.size
        if not self.random_crop or height < transform.crop[0] or width < transform.crop[1]:
            view = transform.pixels(picture)
        else:
            top = int(generator.integers(height - transform.crop[0] + 1))
            left = int(generator.integers(width - transform.crop[1] + 1))
            box = (left, top, left + transform.crop[1], top + transform.crop[0])
            view = np.asarray(resized.crop(box))
        if generator.random() < self.horizontal_flip:
            view = view[:, ::-1]
        if self.brightness:
            factor = generator.uniform(1 - self.brightness, 1 + self.brightness)
            view = np.clip(np.rint(view * factor), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(view)


@dataclass(frozen=True)
class PictureFiles:
    """Picture files of one split, in a stable order.

    Attributes
    ----------
    folder : Path or RemotePath
    paths : tuple of N str
        Relative to ``folder``, with forward slashes.
    labels : (N,) int64
        Class index, −1 for unknowns.
    sizes, mtimes : (N,) int64
        Bytes and nanoseconds, as the file system gives them.
    """

    folder: Location
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)


def find_class_folders(folder: Location) -> list[str]:
    """Names of the class folders below ``folder``, sorted.

    Raises
    ------
    WorkspaceError
        The folder does not exist, or its file system does not list it.
    """
    if isinstance(folder, RemotePath):
        try:
            return [name for name in folder.folders() if name[0] != "."]
        except FileNotFoundError:
            raise _missing(folder) from None
    if not folder.is_dir():
        raise _missing(folder)
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )


def find_known_pictures(folder: Location, classes: tuple[str, ...]) -> PictureFiles:
    """Pictures of the known classes: ``folder/<class>/…``, searched to any depth.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture, or a class folder is none of the classes.
    """
    present = find_class_folders(folder)
    surplus = [name for name in present if name not in classes]
    if surplus:
        raise WorkspaceError(
            f"{folder} has the folder{'s' * (len(surplus) > 1)} {_quoted(surplus)} that the "
            f"classifier does not know; its classes are {_quoted(classes)}. Rename the folder, add "
            "the class under [classifier] in workspace.toml, or move its pictures to the reject set"
        )
    found: list[tuple[str, int, int, int]] = []
    if isinstance(folder, RemotePath):  # in one listing, not one a class
        labels = {name: label for label, name in enumerate(classes)}
        inside = (item for item in _listed(folder) if "/" in item[0])
        found = [(path, labels[path.split("/")[0]], size, mtime) for path, size, mtime in inside]
        found.sort(key=lambda item: item[1])
        return _picture_files(folder, found)
    for label, name in enumerate(classes):
        if name in present:
            found += [
                (f"{name}/{path}", label, size, mtime) for path, size, mtime in _walk(folder / name)
            ]
    return _picture_files(folder, found)


def find_unknown_pictures(folder: Location) -> PictureFiles:
    """Pictures of the reject set: every picture below ``folder``, in sub-folders or not.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture.
    """
    find_class_folders(folder)
    return _picture_files(
        folder, [(path, UNKNOWN, size, mtime) for path, size, mtime in _found(folder)]
    )


def decode(
    source: Location | bytes, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Decode a picture to RGB as a person would expect to see it.

    Turned as its EXIF orientation says; transparency on white; 16-bit and floating-point greys
    scaled to 8 bits; the first frame of an animation.

    Parameters
    ----------
    source : path or address, or the file's bytes
    name : what messages call it; the path without
    max_pixels : width × height that is still decoded

    Raises
    ------
    PictureError
        The content is not a picture of a known format, is damaged, or has too many pixels.
    WorkspaceError
        An address does not answer, which says nothing about the picture.
    """
    name = name or ("picture" if isinstance(source, bytes) else str(source))
    if isinstance(source, RemotePath):
        try:
            source = source.read_bytes()
        except FileNotFoundError:
            raise PictureError(f"{name}: the file does not exist") from None
    try:
        # A stream, not a path: Pillow maps the files of paths into memory, and then turns
        # uncompressed grey TIFFs wrongly.
        with (
            warnings.catch_warnings(),
            source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream,
        ):
            # Our own limit follows, with words of its own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(stream, formats=FORMATS)
            if picture.width * picture.height > max_pixels:
                raise PictureError(
                    f"{name}: {picture.width} × {picture.height} pixels are more than the "
                    f"{max_pixels // 1_000_000} million that are allowed; make it smaller"
                )
            picture.load()
            return _to_rgb(_upright(picture))
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{name}: the file does not exist") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name}: {_why_unidentified(source)}") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"{name}: more than the {max_pixels // 1_000_000} million pixels that are allowed"
        ) from None
    except MemoryError:
        raise PictureError(f"{name}: too large for this machine's memory") from None
    # Pillow's readers let many kinds of errors through for damaged content.
    except Exception as error:
        raise PictureError(f"{name}: damaged picture ({error})") from None


def why_no_picture(content: bytes) -> str | None:
    """Say why a file's bytes are no picture, by how they begin; None where they may be one.

    Nothing is decoded: whether the picture is whole and small enough shows in :func:`decode`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        return _why_unidentified(content)
    except Exception:  # a picture, and what is wrong with it is decode's to say
        return None
    return None


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and not picture.has_transparency_data:
        # A copy where nothing was decoded yet, so that the file can be closed.
        return picture.copy() if hasattr(picture, "fp") else picture
    if picture.mode.startswith("I;16"):
        return Image.fromarray(SIXTEEN_TO_EIGHT[np.asarray(picture)]).convert("RGB")
    if picture.mode in {"I", "F"}:
        values = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0.0, neginf=0.0)
        largest = values.max(initial=0.0)
        if largest > 255:
            values /= 257.0
        elif picture.mode == "F" and largest <= 1:
            values *= 255.0
        grey = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")


def _why_unidentified(source: Path | bytes) -> str:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            head = stream.read(16)
    else:
        head = source[:16]
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"hevc"}:
        return "HEIC pictures cannot be decoded; save it as JPEG or PNG"
    return "the content is not a picture of a known format (JPEG, PNG, WebP, BMP, GIF, TIFF, …)"


def _crop_start(length: int, crop: int) -> int:
    """Where torchvision's CenterCrop starts; negative where it adds black first."""
    if crop > length:
        return -((crop - length) // 2)
    return round((length - crop) / 2.0)


def _missing(folder: Location) -> WorkspaceError:
    return WorkspaceError(
        f"the folder {folder} does not exist; correct it under [folders] in workspace.toml"
    )


def _picture_files(folder: Location, found: list[tuple[str, int, int, int]]) -> PictureFiles:
    if not found:
        raise WorkspaceError(
            f"{folder} holds no pictures; put them there, or correct the folder under [folders] in "
            "workspace.toml"
        )
    paths, labels, sizes, mtimes = zip(*found, strict=True)
    return PictureFiles(
        folder, paths, *(np.array(values, dtype=np.int64) for values in (labels, sizes, mtimes))
    )


def _found(folder: Location) -> Iterator[tuple[str, int, int]]:
    return _listed(folder) if isinstance(folder, RemotePath) else _walk(folder)


def _listed(folder: RemotePath) -> Iterator[tuple[str, int, int]]:
    """As :func:`_walk`, of an address."""
    for file in folder.files():
        hidden = any(part[:1] == "." for part in file.path.split("/"))
        if not hidden and file.path.rsplit("/", 1)[-1].lower() not in SYSTEM_FILES:
            yield file.path, file.size, file.mtime


def _walk(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(relative path, bytes, mtime in ns) of every visible file, sorted; links are followed."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = sorted(name for name in folders if name[0] != ".") if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(files):
            if name[0] == "." or name.lower() in SYSTEM_FILES:
                continue
            path = os.path.join(parent, name)
            try:
                path.encode("utf-8")
            except UnicodeEncodeError:
                raise WorkspaceError(
                    f"the name of the file {printable(path)} is no valid text; rename it"
                ) from None
            try:
                stat = os.stat(path)
            except OSError:
                stat = os.lstat(path)  # a dangling link: listed, and reported when it is opened
            yield Path(path).relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns


def _quoted(names: list[str] | tuple[str, ...], most: int = 8) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
