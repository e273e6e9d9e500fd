"""``workspace.toml``: what a workspace consists of, readable and writable by hand.

name = "parking"
description = "What it is about" # optional, as is the next; both are shown as plain text
notice = "Rendered pictures"     # in a few words, on every page that shows the pictures

[classifier]
architecture = "resnet50"
weights = "weights.safetensors"
classes = ["garage_a", "garage_b"]
precision = "float32"            # or "half": faster on a GPU, logits differ in the third digit
transform_input = false          # GoogLeNet and Inception alone: true for pretrained weights
weights_entry = "model_ema"      # optional: which state dict of a file that holds several
model = "network.onnx"           # an ONNX file, instead of architecture and weights
output = "logits"                # optional: which output of an ONNX file with several
features = false                 # true: the penultimate activations are stored too
features_output = "pooled"       # optional: which tensor of an ONNX file holds them

[transform]                      # the notebook's, if left out
resize = [320, 320]              # [height, width], or one number for the shorter side
crop = [224, 224]
interpolation = "nearest"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
exif = true                      # false: pictures as stored, not turned as EXIF says
alpha = "white"                  # transparent pixels on white, or "drop": their stored colours

[train_transform]
random_crop = true
horizontal_flip = 0.5
brightness = 0.0

[folders]                        # relative to this file, absolute, or s3://bucket/prefix
train = "train"
test = "test"
reject = "reject"                # optional
calibration = "calibration"      # optional: known pictures held out of training

[tables]                         # of logits, instead of [folders], [transform] and a network
train = "train.parquet"          # one file may be named for several sets
test = "test.csv"
reject = "unknown.npz"           # optional, as is calibration

[defaults]
preset = "openmax"
min_test_accuracy = 0.85
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from openmax_core.errors import WorkspaceError
from openmax_core.methods.registry import METHODS
from openmax_core.methods.settings import DEFAULT_PRESET
from openmax_core.network.devices import PRECISIONS
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.images import ALPHAS, INTERPOLATIONS, TrainTransform, Transform
from openmax_core.pictures.locations import RemotePath, is_address
from openmax_core.support.files import nearest, write_text_atomically

FILE_NAME = "workspace.toml"
HOW_TO_MAKE = "'openmax init' and the page Workspace make a new one"
# What TOML makes of a backslash and a letter in double quotes.
CONTROLS = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", "\x1b": r"\e"}
TABLES = {
    "classifier": tuple(item.name for item in fields(ClassifierSettings)),
    "transform": ("resize", "crop", "interpolation", "mean", "std", "exif", "alpha"),
    "train_transform": ("random_crop", "horizontal_flip", "brightness"),
    "folders": ("train", "test", "reject", "calibration"),
    "tables": ("train", "test", "reject", "calibration"),
    "defaults": ("preset", "min_test_accuracy"),
}
# What a setting of a new workspace means, for the shell and for the page.
HELP = {
    "architecture": "classification architecture of torchvision, e.g. resnet50; or of timm, e.g. "
    "timm:convnext_tiny, which needs the extra 'timm'",
    "weights": "trained weights (.safetensors, .pth, .pt)",
    "model": "an ONNX file, instead of architecture and weights; torch is not used",
    "train": "pictures of the known classes, one folder for each class",
    "test": "other pictures of the same classes, one folder for each class",
    "reject": "pictures of unknowns",
    "train_table": "logits and labels of training pictures, as .npz, .parquet or .csv",
    "test_table": "of test pictures; rows with a negative label are the reject set",
    "reject_table": "of unknowns; labels may be missing",
    "table": "all of these in one file: by its column split, or else the known rows of each class "
    "in turn; unknowns have a negative label",
    "name": "name in the dashboard; default: the folder's name",
    "folder": "folder of the workspace; made if missing",
    "weights_entry": "which state dict of a weights file that holds several, e.g. model_ema; "
    "default: the raw weights",
    "transform_input": "googlenet and inception_v3 alone: the network normalises its pictures once "
    "more, as torchvision's pretrained weights need it; default: what is right on more of a few "
    "training pictures",
    "classes": "class names in the order of the network's outputs, with commas; default: those "
    "that the network's file notes, or else the sub-folders of train in alphabetical order",
    "labels": "the class names from a file: one a line, or JSON, as config.json of Hugging Face",
    "output": "which output of an ONNX file with several holds the logits",
    "features": "store beside the logits what the last linear layer takes (penultimate "
    "activations), 2 bytes each, for methods that need them",
    "features_output": "which tensor of an ONNX file holds the features; default: what the last "
    "matrix product before the logits takes",
    "resize": "pixels: S, the shorter side, or H,W, both",
    "crop": "pixels from the centre: S, a square, or H,W",
    "interpolation": "how a picture is resized",
    "mean": "R,G,B, of channels from 0 to 1, as is std",
    "std": "R,G,B, of channels from 0 to 1, as is mean",
    "exif": "turn pictures as their EXIF orientation says (default); not for networks that were "
    "trained through torchvision's ImageFolder",
    "alpha": "transparent pixels: white (default), or drop: their stored colours, as ImageFolder "
    "reads them",
}
# What no class can be called: decisions use these words.
RESERVED = frozenset({"unknown", "rejected"})
# What stands for an architecture where the logits come from tables.
OF_TABLES = "tables"
# Settings that are written only where they differ from these, or stand in the file already.
LEFT_OUT: dict[str, dict[str, Any]] = {"classifier": {"transform_input": False, "features": False}}


@dataclass(frozen=True)
class Defaults:
    """Where the dashboard and the shell start."""

    preset: str = DEFAULT_PRESET
    min_test_accuracy: float = 0.85


@dataclass(frozen=True)
class WorkspaceSettings:
    """The content of ``workspace.toml``, checked.

    ``description`` says in sentences what the workspace is about; ``notice`` in a few words what
    one must know of its pictures wherever they are shown.
    """

    name: str
    classifier: ClassifierSettings
    folders: dict[str, str]
    transform: Transform = field(default_factory=Transform)
    train_transform: TrainTransform = field(default_factory=TrainTransform)
    defaults: Defaults = field(default_factory=Defaults)
    description: str | None = None
    notice: str | None = None
    tables: dict[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, str]:
        """Folders, or tables, by split."""
        return self.tables or self.folders


def parse_transform(name: str, text: str) -> Any:
    """Value of ``resize``, ``crop``, ``mean`` or ``std`` from text, as '256' or '0.5,0.5,0.5'.

    Raises
    ------
    WorkspaceError
        The text is no such value.
    """
    kind = int if name in {"resize", "crop"} else float
    try:
        values = tuple(map(kind, text.split(",")))
    except ValueError:
        values = ()
    if kind is int:
        if len(values) not in {1, 2} or not all(map(_is_side, values)):
            raise WorkspaceError(f"{text} is not one or two sides of 1 to 4096 pixels")
        if len(values) == 2:
            return values
        return values[0] if name == "resize" else values * 2
    if not _is_list(values, 3, _is_number):
        raise WorkspaceError(f"{text} is not three numbers, for red, green and blue")
    if name == "std" and min(values) <= 0:
        raise WorkspaceError(f"{text} is not larger than 0")
    return values


def read_settings(path: Path) -> WorkspaceSettings:
    """Read and check ``workspace.toml``.

    Raises
    ------
    WorkspaceError
        The folder or the file is missing, the file is no TOML, or a setting is unknown, missing or
        of the wrong kind; the message names the setting, and for a misspelt one its likely name.
    """
    try:
        stat = path.stat()
    except (OSError, ValueError):  # said in words where it is read
        return _read(path, None)
    return _read(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=500)
def _read(path: Path, seen: tuple[int, int, int] | None) -> WorkspaceSettings:
    """Settings that are read again only when the file changes: parsing takes milliseconds."""
    return _Reader(path, _parsed(path).unwrap()).settings()


def _parsed(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        raise WorkspaceError(_why_none(path.parent)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"cannot read {path}: {error}") from error
    except TOMLKitError as error:
        hint = _backslash_hint(path, error)
        raise WorkspaceError(f"{path} is not valid TOML: {error}{hint}") from error


def _why_none(folder: Path) -> str:
    """Why a folder is no workspace, and what to do."""
    if folder.is_dir():
        return f"{folder} is no workspace: it has no {FILE_NAME}; {HOW_TO_MAKE} there"
    if folder.exists():
        meant = f": {folder.parent}" if folder.name == FILE_NAME else ""
        return f"{folder} is a file; name the folder of the workspace{meant}"
    return not_there(folder)


def not_there(folder: Path, *, has_hint: bool = True) -> str:
    """Say that the folder of a workspace does not exist, and what to do.

    Parameters
    ----------
    has_hint : name what exists beside it with a similar name
    """
    hint = nearest(folder) if has_hint else ""
    return f"the folder {folder} does not exist{hint or ';'} {HOW_TO_MAKE}"


def _backslash_hint(path: Path, error: TOMLKitError) -> str:
    """What to write instead, where the wrong line has a backslash in double quotes."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    line = lines[error.line - 1] if isinstance(error, ParseError) else ""
    found = re.search(r'"([^"]*\\[^"]*)', line)
    if not found:
        return ""
    meant = found[1].rstrip("\r")
    return f"; a backslash in double quotes begins a special character: {_without_escapes(meant)}"


def _without_escapes(meant: str) -> str:
    meant = meant.replace("\\\\", "\\")
    return f"write '{meant}' in single quotes, or \"{meant.replace(chr(92), '/')}\""


def check_settings(path: Path, settings: WorkspaceSettings) -> dict[str, Any]:
    """Check settings as where they are read; returns what the file will hold.

    Parameters
    ----------
    path : of ``workspace.toml``, for messages

    Raises
    ------
    WorkspaceError
        A setting is wrong; it is named.
    """
    values: dict[str, Any] = _plain(asdict(settings))
    if settings.tables:  # then nothing else is known of classifier and pictures
        own = settings.classifier
        values["classifier"] = {"classes": list(own.classes), "features": own.features}
    for name in ("folders", "transform", "train_transform") if settings.tables else ("tables",):
        del values[name]
    _Reader(path, values).settings()
    return values


def write_settings(path: Path, settings: WorkspaceSettings) -> None:
    """Write ``workspace.toml`` in one step, keeping comments and order of what is there."""
    values = check_settings(path, settings)
    document = _parsed(path) if path.exists() else tomlkit.document()
    for table, defaults in LEFT_OUT.items():
        for key, default in defaults.items():
            if values[table].get(key) == default and key not in document.get(table, {}):
                del values[table][key]
    _update(document, values)
    write_text_atomically(path, tomlkit.dumps(document))


def _update(table: Any, values: Mapping[str, Any]) -> None:
    for key in [key for key in table if key not in values]:
        del table[key]
    for key, value in values.items():
        if isinstance(value, Mapping):
            if key not in table:
                table[key] = tomlkit.table()
            _update(table[key], value)
        elif key not in table or table[key] != value:
            table[key] = value


def _plain(value: Any) -> Any:
    """Nested dicts with lists for tuples and without what is None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return list(value) if isinstance(value, tuple) else value


class _Reader:
    """Settings of a document by place, as 'transform.crop'; each error names file and place."""

    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        self._add("", document, ("name", "description", "notice", *TABLES))
        for name, keys in TABLES.items():
            table = self.values.get(name, {})
            if not isinstance(table, dict):
                raise self.error(name, f"must be a table: write it as [{name}]")
            self._add(f"{name}.", table, keys)

    def _add(self, prefix: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        for key, value in table.items():
            if key not in keys:
                close = difflib.get_close_matches(key, keys, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(keys)}"
                raise self.error(prefix + key, f"is no setting; {hint}")
            self.values[prefix + key] = value

    def settings(self) -> WorkspaceSettings:
        return WorkspaceSettings(
            name=self.text("name", self.path.parent.name),
            classifier=self.classifier(),
            folders={} if self.has_tables else self.sources("folders"),
            transform=self.transform(),
            train_transform=self.train_transform(),
            defaults=Defaults(
                self.choice("defaults.preset", METHODS, Defaults.preset),
                self.share("defaults.min_test_accuracy", Defaults.min_test_accuracy),
            ),
            description=self.text("description", "").strip() or None,
            notice=self.text("notice", "").strip() or None,
            tables=self.sources("tables") if self.has_tables else {},
        )

    @property
    def has_tables(self) -> bool:
        return bool(self.values.get("tables"))

    def classifier(self) -> ClassifierSettings:
        place = "classifier.classes"
        classes = self.values.get(place)
        if (
            not isinstance(classes, list)
            or len(classes) < 2
            or not all(isinstance(name, str) and name for name in classes)
            or len(set(classes)) < len(classes)
        ):
            raise self.error(place, "must be a list of two or more different names")
        if taken := RESERVED.intersection(classes):
            raise self.error(
                place,
                f"must not hold '{min(taken)}', which means something else here; rename the class",
            )
        if self.has_tables:
            self.refuse_network()
            features = self.flag("classifier.features", False)
            return ClassifierSettings(OF_TABLES, tuple(classes), features=features)
        model = self.file("classifier.model", "") or None
        output = self.text("classifier.output", "") or None
        if model is None and output is not None:
            raise self.error("classifier.output", "is of an ONNX file; name one as model too")
        features = self.flag("classifier.features", False)
        features_output = self.text("classifier.features_output", "") or None
        if features_output is not None and model is None:
            raise self.error("classifier.features_output", "is of an ONNX file; take the line out")
        if features_output is not None and not features:
            raise self.error(
                "classifier.features_output", "names what is not stored; write features = true too"
            )
        if model is not None:
            for name in ("architecture", "weights", "weights_entry", "transform_input"):
                if self.values.get(f"classifier.{name}"):
                    raise self.error(
                        f"classifier.{name}",
                        "is not of an ONNX file, which model names; take one of them out",
                    )
            if self.values.get("classifier.precision", PRECISIONS[0]) != PRECISIONS[0]:
                raise self.error("classifier.precision", "is an ONNX file's own; take the line out")
        return ClassifierSettings(
            self.text("classifier.architecture") if model is None else None,
            tuple(classes),
            self.file("classifier.weights", "") or None,
            self.choice("classifier.precision", PRECISIONS, PRECISIONS[0]),
            self.flag("classifier.transform_input", False),
            self.text("classifier.weights_entry", "") or None,
            model,
            output,
            features,
            features_output,
        )

    def refuse_network(self) -> None:
        """Raise an error where a network or pictures are named beside tables of logits."""
        named = [
            place
            for place in self.values
            if place.startswith(("classifier.", "folders."))
            and place not in {"classifier.classes", "classifier.features"}
        ]
        if named:
            raise self.error(
                named[0],
                "stands beside [tables], whose logits need neither network nor folders; take one "
                "of them out",
            )

    def sources(self, table: str) -> dict[str, str]:
        """Folders or tables by split."""
        folders = {}
        for name in TABLES[table]:
            place = f"{table}.{name}"
            if place not in self.values:
                continue
            folder = folders[name] = self.file(place)
            if not folder:
                raise self.error(place, "is empty; name a folder or file, or take the line out")
            if is_address(folder):
                try:
                    RemotePath.parse(folder)
                except WorkspaceError as error:
                    raise self.error(place, f"is no address: {error}") from error
        # Held-out pictures to calibrate on stand in for training pictures.
        for name in ("test",) if "calibration" in folders else ("train", "test"):
            if name not in folders and table == "tables":
                raise self.error(f"tables.{name}", "is missing; name a table")
            folders.setdefault(name, name)
        return folders

    def transform(self) -> Transform:
        resize = self.values.get("transform.resize", Transform.resize)
        if not _is_side(resize):
            resize = self.height_width("transform.resize", Transform.resize)
        std = self.three("transform.std", Transform.std)
        if min(std) <= 0:
            raise self.error("transform.std", "must be larger than 0")
        return Transform(
            resize,
            self.height_width("transform.crop", Transform.crop),
            self.choice("transform.interpolation", INTERPOLATIONS, Transform.interpolation),
            self.three("transform.mean", Transform.mean),
            std,
            self.flag("transform.exif", Transform.exif),
            self.choice("transform.alpha", ALPHAS, Transform.alpha),
        )

    def train_transform(self) -> TrainTransform:
        default = TrainTransform()
        return TrainTransform(
            self.flag("train_transform.random_crop", default.random_crop),
            self.share("train_transform.horizontal_flip", default.horizontal_flip),
            self.share("train_transform.brightness", default.brightness),
        )

    def text(self, place: str, default: str | None = None) -> str:
        value = self.values.get(place, default)
        if value is None:
            raise self.error(place, "is missing")
        if not isinstance(value, str):
            raise self.error(place, f"must be text in quotes, not {value!r}")
        return value

    def file(self, place: str, default: str | None = None) -> str:
        """Text that names a file or folder; what TOML made of a backslash is refused."""
        value = self.text(place, default)
        if "\0" in value:
            raise self.error(place, f"must be a path, not {value!r}")
        meant = "".join(CONTROLS.get(sign, sign) for sign in value)
        if meant != value and not (self.path.parent / Path(value).expanduser()).exists():
            raise self.error(
                place,
                f"has a special character where a backslash was meant: {_without_escapes(meant)}",
            )
        return value

    def flag(self, place: str, default: bool) -> bool:
        value = self.values.get(place, default)
        if not isinstance(value, bool):
            raise self.error(place, "must be true or false")
        return value

    def choice(self, place: str, choices: Collection[str], default: str) -> str:
        value = self.text(place, default)
        if value not in choices:
            raise self.error(place, f"must be one of {', '.join(choices)}")
        return value

    def share(self, place: str, default: float) -> float:
        value = self.values.get(place, default)
        if not _is_number(value) or not 0 <= value <= 1:
            raise self.error(place, f"must be a number from 0 to 1, not {value!r}")
        return float(value)

    def three(self, place: str, default: tuple[float, ...]) -> tuple[float, float, float]:
        values = self.values.get(place, default)
        if not _is_list(values, 3, _is_number):
            raise self.error(place, "must be three numbers, for red, green and blue")
        red, green, blue = map(float, values)
        return red, green, blue

    def height_width(self, place: str, default: int | tuple[int, int]) -> tuple[int, int]:
        value = self.values.get(place, default)
        pair = [value, value] if isinstance(value, int) else value
        if not _is_list(pair, 2, _is_side):
            raise self.error(place, "must be [height, width] in pixels, 1 to 4096")
        return pair[0], pair[1]

    def error(self, place: str, problem: str) -> WorkspaceError:
        return WorkspaceError(f"{self.path}: {place} {problem}")


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and abs(value) <= sys.float_info.max  # NaN is not


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= 4096


def _is_list(value: Any, length: int, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length and all(map(of, value))
