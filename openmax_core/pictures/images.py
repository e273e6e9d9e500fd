"""Pictures: decoding them as a person would expect, and transforming them for the network.

What reaches the network is bit-identical to torchvision's transforms on PIL pictures: resize and
crop happen on PIL pictures and give uint8; the float arithmetic is done on whole batches.
"""

from __future__ import annotations

import base64
import errno
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from openmax_core.errors import NotReadError, PictureError
from openmax_core.pictures import jpegs
from openmax_core.pictures.depths import (
    decoded_portable,
    grey_of,
    has_other_depth,
    is_slow_portable,
)
from openmax_core.pictures.locations import Location, RemotePath, why_irregular
from openmax_core.pictures.opening import FOR_STRANGERS, opened, stream_of, without_texts

Pixels = NDArray[np.uint8]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_PIXELS = 80_000_000
MAX_UPLOAD_PIXELS = 25_000_000
HEAD = 64
TOO_MUCH_TEXT = "MAX_TEXT_"  # in what Pillow says about a PNG with long texts
MAX_SIDE = 100_000  # each row of a picture takes memory of its own
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
ALPHAS = ("white", "drop")


@dataclass(frozen=True)
class Transform:
    """The evaluation transform: decode, resize, centre crop, normalise.

    Attributes
    ----------
    resize : (height, width) or one int for the shorter side, in pixels
    crop : (height, width) in pixels, from the centre; black is added where it is larger
    interpolation : 'nearest', 'bilinear', 'bicubic' or 'lanczos'
    mean, std : three floats, of channels scaled to [0, 1]
    exif : turn a picture as its EXIF orientation says; False for a network that was trained on
        pictures as they are stored, as by torchvision's ImageFolder
    alpha : 'white' puts transparent pixels on white; 'drop' takes their colours as they are
        stored, as ``picture.convert("RGB")`` and torchvision's ImageFolder do
    """

    resize: int | tuple[int, int] = (320, 320)
    crop: tuple[int, int] = (224, 224)
    interpolation: str = "nearest"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    exif: bool = True
    alpha: str = "white"

    @property
    def in_words(self) -> str:
        """What becomes of a picture, for people; what is as usual is left out."""
        height, width = self.crop
        side = "shorter side " if isinstance(self.resize, int) else ""
        words = f"{side}resized to {self._resize_in_words} ({self.interpolation})"
        words += f", cropped to {height} × {width}"
        if (self.mean, self.std) != (IMAGENET_MEAN, IMAGENET_STD):
            mean, std = (", ".join(f"{item:g}" for item in row) for row in (self.mean, self.std))
            words += f", mean {mean}, std {std}"
        if not self.exif:
            words += ", not turned as EXIF says"
        if self.alpha == "drop":
            words += ", transparency dropped"
        return words

    @property
    def _resize_in_words(self) -> str:
        if isinstance(self.resize, int):
            return str(self.resize)
        return f"{self.resize[0]} × {self.resize[1]}"

    @property
    def has_bytes_scale(self) -> bool:
        """Tell mean or std of the 0…255 kind: channels from 0 to 1 cannot have them."""
        return max(map(abs, (*self.mean, *self.std))) > 1

    @property
    def doubts(self) -> tuple[str, ...]:
        """Sentences about what is possible, but most probably not meant; each says the way out."""
        found = []
        if self.has_bytes_scale:
            scaled = (", ".join(f"{v / 255:.4g}" for v in row) for row in (self.mean, self.std))
            mean, std = scaled
            found.append(
                "mean or std of the transform is larger than 1, but channels are scaled to 0…1; "
                f"divide both by 255: mean = [{mean}], std = [{std}]"
            )
        sides = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize
        if self.crop[0] > sides[0] or self.crop[1] > sides[1]:
            found.append(
                f"crop {self.crop[0]} × {self.crop[1]} is larger than resize "
                f"{self._resize_in_words}, so black edges are added; make crop smaller, or resize "
                "larger"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Every attribute; exif and alpha only where they differ from their defaults.

        So keys of what was stored before there were these two stay as they are.
        """
        values = asdict(self)
        for name in ("exif", "alpha"):
            if values[name] == getattr(Transform, name):
                del values[name]
        return values

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
        top = _crop_start(resized.height, self.crop[0])
        left = _crop_start(resized.width, self.crop[1])
        return self.cropped(resized, top, left)

    def cropped(self, resized: Image.Image, top: int, left: int) -> Pixels:
        """Crop a resized picture at a place: (H, W, 3) uint8."""
        return np.asarray(resized.crop((left, top, left + self.crop[1], top + self.crop[0])))


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
        spare = resized.height - transform.crop[0], resized.width - transform.crop[1]
        if self.random_crop and min(spare) >= 0:
            top, left = (int(generator.integers(most + 1)) for most in spare)
            view = transform.cropped(resized, top, left)
        else:
            view = transform.pixels(picture)
        if generator.random() < self.horizontal_flip:
            view = view[:, ::-1]
        if self.brightness:
            factor = generator.uniform(1 - self.brightness, 1 + self.brightness)
            view = np.clip(np.rint(view * factor), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(view)


def decode(
    source: Location | bytes,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    transform: Transform | None = None,
    take_room: Callable[[int], None] = lambda n_pixels: None,
) -> Image.Image:
    """Decode a picture to RGB as a person would expect to see it, or as a network takes it.

    Turned as its EXIF orientation says; transparency on white; greys of other depths scaled to 8
    bits as :func:`~openmax_core.pictures.depths.grey_of` says; the first frame of an animation.

    Parameters
    ----------
    source : path or address, or the file's bytes
    name : what messages call it; the path without
    max_pixels : width × height that is still decoded
    transform : the network's: its ``exif`` and ``alpha`` apply; without, a person looks at it
    take_room : called before the content is decoded, with its pixels; costly kinds count twice

    Raises
    ------
    PictureError
        The content is not a picture of a known format, is damaged, has too many pixels, or would
        cost too much.
    NotReadError
        The machine did not give the file, or has no memory for it.
    WorkspaceError
        An address does not answer, which says nothing about the picture.
    """
    name = name or ("picture" if isinstance(source, bytes) else str(source))
    if isinstance(source, RemotePath):
        try:
            source = source.read_bytes()
        except FileNotFoundError:
            raise NotReadError(f"{name}: the file does not exist") from None
    try:
        if isinstance(source, Path) and (reason := why_irregular(source)):
            raise PictureError(reason)
        with stream_of(source) as stream:
            head = stream.read(HEAD)
            stream.seek(0)
            if head.startswith(jpegs.BEGINNING):
                content = source if isinstance(source, bytes) else stream.read()
                picture = _loaded_jpeg(content, max_pixels, take_room)
            else:
                picture = _loaded(stream, max_pixels, take_room)
            turned = _upright(picture) if transform is None or transform.exif else picture
            return _to_rgb(turned, picture, transform is None or transform.alpha == "white")
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from None
    except FileNotFoundError:
        # A link that leads nowhere has a date of its own: where it leads somewhere, it changes.
        is_link = isinstance(source, Path) and source.is_symlink()
        kind = PictureError if is_link else NotReadError
        raise kind(f"{name}: the file does not exist") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name}: {_why_unidentified(head)}") from None
    except SyntaxError as error:
        raise PictureError(
            f"{name}: damaged picture, or one of a kind that is not decoded ({error})"
        ) from None
    except MemoryError:
        raise NotReadError(f"{name}: too large for this machine's memory") from None
    # Pillow's readers let many kinds of errors through for damaged content.
    except Exception as error:
        if reason := _why_not_read(source, error):
            raise NotReadError(
                f"{name}: cannot be read ({reason}); mend that, and run it again"
            ) from None
        raise PictureError(f"{name}: damaged picture ({error})") from None


@contextmanager
def decoded_upload(
    content: bytes,
    name: str | None = None,
    max_pixels: int = MAX_UPLOAD_PIXELS,
    transform: Transform | None = None,
) -> Iterator[Image.Image]:
    """Decode as :func:`decode` what a stranger sent, for use in a ``with`` statement.

    All strangers' pictures of this process share a bounded memory: where others are decoded at the
    moment, a picture waits for its turn.

    Raises
    ------
    PictureError
        As for :func:`decode`.
    """
    with ExitStack() as held:

        def take_room(n_pixels: int) -> None:
            held.close()
            held.enter_context(FOR_STRANGERS.taken(n_pixels))

        yield decode(content, name, max_pixels, transform, take_room)


def _loaded(
    stream: IO[bytes],
    max_pixels: int,
    take_room: Callable[[int], None],
    load: Callable[[ImageFile.ImageFile], object] = lambda picture: picture.load(),
) -> Image.Image:
    """Open and decode a picture, if it is not too large."""
    try:
        picture = opened(stream)
        width, height = picture.size
        if width * height > max_pixels:
            raise PictureError(
                f"{width} × {height} pixels are more than the {max_pixels // 1_000_000} million "
                "that are allowed; make it smaller"
            )
        if max(width, height) > MAX_SIDE:
            raise PictureError(
                f"{width} × {height} pixels have a side of more than {MAX_SIDE:,}; make it smaller"
            )
        is_costly = picture.format == "JPEG2000" or picture.has_transparency_data
        take_room(width * height * (2 if is_costly or "progressive" in picture.info else 1))
        if is_slow_portable(picture):
            return decoded_portable(picture, stream)
        load(picture)
        return picture
    except ValueError as error:
        if TOO_MUCH_TEXT not in str(error):
            raise
        stream.seek(0)
        without = without_texts(stream.read())
        if len(without) == stream.tell():
            raise
        return _loaded(io.BytesIO(without), max_pixels, take_room)


def _loaded_jpeg(content: bytes, max_pixels: int, take_room: Callable[[int], None]) -> Image.Image:
    """Open and decode a JPEG, and see to it that its data make up the picture."""
    outline = jpegs.outline_of(content)
    if isinstance(outline, str):
        raise PictureError(outline)
    if reason := jpegs.why_cut_off(content, outline):
        raise PictureError(reason)

    def load(picture: ImageFile.ImageFile) -> None:
        if reason := jpegs.load(picture, content, outline):
            raise PictureError(reason)

    return _loaded(stream_of(content), max_pixels, take_room, load)


def why_no_picture(content: bytes) -> str | None:
    """Say why a file's bytes are no picture, by how they begin; None where they may be one.

    Nothing is decoded: whether the picture is whole and small enough shows in :func:`decode`.
    """
    try:
        opened(stream_of(content))
    except UnidentifiedImageError:
        return _why_unidentified(content[:HEAD])
    except PictureError as error:
        return str(error)
    except Exception:  # a picture, and what is wrong with it is decode's to say
        return None
    return None


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """Content of a JPEG file of an RGB picture; ``quality`` from 1 to 95, as Pillow has it."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def jpeg_url(picture: Image.Image, quality: int) -> str:
    """JPEG of an RGB picture as a data URL, which stands in a page by itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture, quality)).decode("ascii")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return picture  # of which ImageOps would make a copy
        return ImageOps.exif_transpose(picture)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return picture


def _to_rgb(picture: Image.Image, as_opened: Image.Image, is_on_white: bool) -> Image.Image:
    if has_other_depth(as_opened):
        return Image.fromarray(grey_of(picture, as_opened)).convert("RGB")
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture
    if picture.mode == "LAB":
        raise PictureError("its colours are CIELAB, which is not decoded; save it as RGB")
    if picture.mode == "La":  # grey multiplied by its alpha
        picture = picture.convert("LA")
    if picture.has_transparency_data and is_on_white:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    picture.info.pop("transparency", None)  # Pillow warns of what is dropped on purpose
    return picture.convert("RGB")


def _why_not_read(source: Path | bytes, error: Exception) -> str:
    """What the machine says where it is not the content that is wrong; '' where it is."""
    # A damaged picture may name a place in the file that there cannot be.
    if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
        return error.strerror or str(error)
    if isinstance(source, Path):  # a decoder may say of a failing disk that the content is damaged
        try:
            with source.open("rb") as stream:
                while stream.read(1 << 20):
                    pass
        except OSError as failure:
            return failure.strerror or str(failure)
    return ""


def _why_unidentified(head: bytes) -> str:
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("ascii", "replace").strip()
        return (
            f"it is a video or another container of the kind '{brand}'; save one picture of it "
            "as JPEG or PNG"
        )
    return (
        "the content is not a picture of a known format (JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF, "
        "TIFF, …)"
    )


def _crop_start(length: int, crop: int) -> int:
    """Where torchvision's CenterCrop starts; negative where it adds black first."""
    if crop > length:
        return -((crop - length) // 2)
    return round((length - crop) / 2.0)
