"""``workspace.toml``: what a workspace consists of, readable and writable by hand.

name = "parking"
description = "What it is about" # optional, as is the next; both are shown as plain text
notice = "Rendered pictures"     # in a few words, on every page that shows the pictures

[classifier]
architecture = "resnet50"
weights = "weights.safetensors"
classes = ["garage_a", "garage_b"]
precision = "float32"            # or "half": faster on a GPU, logits differ in the third digit

[transform]                      # the notebook's, if left out
resize = [320, 320]              # [height, width], or one number for the shorter side
crop = [224, 224]
interpolation = "nearest"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[train_transform]
random_crop = true
horizontal_flip = 0.5
brightness = 0.0

[folders]                        # relative to this file, absolute, or s3://bucket/prefix
train = "train"
test = "test"
reject = "reject"                # optional
calibration = "calibration"      # optional: known pictures held out of training

[defaults]
preset = "robust"
min_test_accuracy = 0.85
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from openmax_core.errors import WorkspaceError
from openmax_core.methods.settings import DEFAULT_PRESET, PRESETS
from openmax_core.network.devices import PRECISIONS
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.images import INTERPOLATIONS, TrainTransform, Transform
from openmax_core.pictures.locations import RemotePath, is_address
from openmax_core.support.files import write_text_atomically

FILE_NAME = "workspace.toml"
FOLDER_NAMES = ("train", "test", "reject", "calibration")


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


def read_settings(path: Path) -> WorkspaceSettings:
    """Read and check ``workspace.toml``.

    Raises
    ------
    WorkspaceError
        The file is missing, is no TOML, or a setting is unknown, missing or of the wrong kind;
        the message names the setting, and for a misspelt one its likely name.
    """
    return _Reader(path).settings(_parsed(path).unwrap())


def _parsed(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise WorkspaceError(
            f"{path.parent} is no workspace: it has no {FILE_NAME}; make one with 'openmax init'"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"cannot read {path}: {error}") from error
    except TOMLKitError as error:
        raise WorkspaceError(f"{path} is not valid TOML: {error}") from error


def write_settings(path: Path, settings: WorkspaceSettings) -> None:
    """Write ``workspace.toml`` in one step, keeping comments and order of what is there."""
    values = _plain(settings)
    _Reader(path).settings(_plain(settings))
    document = _parsed(path) if path.exists() else tomlkit.document()
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


def _plain(settings: WorkspaceSettings) -> dict[str, Any]:
    """Nested dicts with lists for tuples and without what is None."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if item is not None}
        return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value

    result: dict[str, Any] = plain(asdict(settings))
    return result


class _Reader:
    """Reads values out of a document; each error names the file, the table and the setting."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self, document: dict[str, Any]) -> WorkspaceSettings:
        tables = {
            "classifier": ("architecture", "weights", "classes", "precision"),
            "transform": ("resize", "crop", "interpolation", "mean", "std"),
            "train_transform": ("random_crop", "horizontal_flip", "brightness"),
            "folders": FOLDER_NAMES,
            "defaults": ("preset", "min_test_accuracy"),
        }
        self.known(document, "", ("name", "description", "notice", *tables))
        for name, keys in tables.items():
            table = document.setdefault(name, {})
            if not isinstance(table, dict):
                raise self.error(name, "must be a table: write it as [" + name + "]")
            self.known(table, name, keys)
        return WorkspaceSettings(
            name=self.text(document, "", "name", self.path.parent.name),
            classifier=self.classifier(document["classifier"]),
            folders=self.folders(document["folders"]),
            transform=self.transform(document["transform"]),
            train_transform=self.train_transform(document["train_transform"]),
            defaults=self.defaults(document["defaults"]),
            description=self.text(document, "", "description", "").strip() or None,
            notice=self.text(document, "", "notice", "").strip() or None,
        )

    def classifier(self, table: dict[str, Any]) -> ClassifierSettings:
        classes = table.get("classes")
        if (
            not isinstance(classes, list)
            or len(classes) < 2
            or not all(isinstance(name, str) and name for name in classes)
            or len(set(classes)) < len(classes)
        ):
            raise self.error("classifier.classes", "must be a list of two or more different names")
        if taken := {"unknown", "rejected"}.intersection(classes):
            raise self.error(
                "classifier.classes",
                f"must not hold '{min(taken)}', which means something else here; rename the class",
            )
        return ClassifierSettings(
            self.text(table, "classifier", "architecture"),
            tuple(classes),
            self.text(table, "classifier", "weights", "") or None,
            self.choice(table, "classifier", "precision", PRECISIONS, PRECISIONS[0]),
        )

    def folders(self, table: dict[str, Any]) -> dict[str, str]:
        folders = {
            name: self.text(table, "folders", name) for name in FOLDER_NAMES if name in table
        }
        for name, folder in folders.items():
            if not folder:
                raise self.error(f"folders.{name}", "is empty; name a folder or take the line out")
            if is_address(folder):
                try:
                    RemotePath.parse(folder)
                except WorkspaceError as error:
                    raise self.error(f"folders.{name}", f"is no address: {error}") from error
        # Held-out pictures to calibrate on stand in for training pictures.
        for name in ("test",) if "calibration" in folders else ("train", "test"):
            folders.setdefault(name, name)
        return folders

    def transform(self, table: dict[str, Any]) -> Transform:
        default = Transform()
        resize = table.get("resize", default.resize)
        if "resize" in table and not _is_side(resize):
            resize = self.height_width(resize, "resize")
        std = self.three(table, "std", default.std)
        if min(std) <= 0:
            raise self.error("transform.std", "must be larger than 0")
        return Transform(
            resize=resize,
            crop=self.height_width(table["crop"], "crop") if "crop" in table else default.crop,
            interpolation=self.choice(
                table, "transform", "interpolation", INTERPOLATIONS, default.interpolation
            ),
            mean=self.three(table, "mean", default.mean),
            std=std,
        )

    def train_transform(self, table: dict[str, Any]) -> TrainTransform:
        random_crop = table.get("random_crop", True)
        if not isinstance(random_crop, bool):
            raise self.error("train_transform.random_crop", "must be true or false")
        return TrainTransform(
            random_crop=random_crop,
            horizontal_flip=self.share(table, "train_transform", "horizontal_flip", 0.5),
            brightness=self.share(table, "train_transform", "brightness", 0.0),
        )

    def defaults(self, table: dict[str, Any]) -> Defaults:
        preset = self.choice(table, "defaults", "preset", PRESETS, Defaults.preset)
        least = self.share(table, "defaults", "min_test_accuracy", Defaults.min_test_accuracy)
        return Defaults(preset, least)

    def text(self, table: dict[str, Any], name: str, key: str, default: str | None = None) -> str:
        value = table.get(key, default)
        place = f"{name}.{key}" if name else key
        if value is None:
            raise self.error(place, "is missing")
        if not isinstance(value, str):
            raise self.error(place, f"must be text in quotes, not {value!r}")
        return value

    def choice(
        self, table: dict[str, Any], name: str, key: str, choices: Collection[str], default: str
    ) -> str:
        value = self.text(table, name, key, default)
        if value not in choices:
            raise self.error(f"{name}.{key}", f"must be one of {', '.join(choices)}")
        return value

    def share(self, table: dict[str, Any], name: str, key: str, default: float) -> float:
        value = table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise self.error(f"{name}.{key}", f"must be a number from 0 to 1, not {value!r}")
        return float(value)

    def three(
        self, table: dict[str, Any], key: str, default: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        values = table.get(key, list(default))
        if not _is_list(values, 3, _is_number):
            raise self.error(f"transform.{key}", "must be three numbers, for red, green and blue")
        red, green, blue = map(float, values)
        return red, green, blue

    def height_width(self, value: Any, key: str) -> tuple[int, int]:
        pair = [value, value] if isinstance(value, int) else value
        if not _is_list(pair, 2, _is_side):
            raise self.error(f"transform.{key}", "must be [height, width] in pixels, 1 to 4096")
        return pair[0], pair[1]

    def known(self, table: dict[str, Any], name: str, keys: tuple[str, ...]) -> None:
        for key in table:
            if key not in keys:
                close = difflib.get_close_matches(key, keys, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(keys)}"
                raise self.error(f"{name}.{key}" if name else key, f"is no setting; {hint}")

    def error(self, place: str, problem: str) -> WorkspaceError:
        return WorkspaceError(f"{self.path}: {place} {problem}")


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value)


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= 4096


def _is_list(value: Any, length: int, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) == length and all(map(of, value))
