"""What lies in a weights file, read without running anything that it holds.

``.safetensors`` through safetensors; what ``torch.save`` writes through
``torch.load(weights_only=True)``. Training scripts put their own settings beside the weights
(``argparse.Namespace``, paths, NumPy numbers, OmegaConf): of these the names alone are read, and
an inert stand-in takes the place of each. Any other Python object is refused.
"""

from __future__ import annotations

import json
import pickle
import struct
import threading
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from openmax_core.errors import ClassifierError, first_line

_READING = threading.Lock()
SAVE = "torch.save(model.state_dict(), path)"
SAVE_PYTORCH = f"save the weights of the PyTorch network with {SAVE}"
# What a training script keeps beside its weights; a stand-in that does nothing takes its place.
INERT_MODULES = frozenset(
    (
        *("argparse", "pathlib", "datetime", "typing", "numpy", "omegaconf", "ml_collections"),
        *("yacs", "easydict", "addict", "mmengine", "mmcv"),
        *("pytorch_lightning", "lightning", "lightning_fabric"),
    )
)
INERT_NAMES = frozenset(
    ["_codecs.encode", "collections.defaultdict", "collections.deque", "types.SimpleNamespace"]
    + ["builtins." + kind.__name__ for kind in (dict, list, tuple, set, frozenset, slice, range)]
    + ["builtins." + kind.__name__ for kind in (bool, int, float, complex, str, bytes)]
)
# Name of our own entry in the metadata of a .safetensors file.
OWN_METADATA = "openmax"
# What else a file may be, by its first bytes, by a name in a ZIP archive, or by its ending; and
# what to do, if not SAVE_PYTORCH.
BY_START = {
    b"\x89HDF": ("an HDF5 file, as Keras writes", ""),
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the file with 'git lfs pull'"),
    b"<": ("a web page", "download the file again"),
    b"GGUF": ("a GGUF file of quantised weights", ""),
}
BY_MEMBER = {
    "constants.pkl": ("a TorchScript program", f"open it in your own script, and use {SAVE}"),
    "model.weights.h5": ("a network of Keras", ""),
    "serialized_exported_program.json": ("a program of torch.export", ""),
    ".npy": ("a file of NumPy arrays", ""),
}
BY_ENDING = {
    ".onnx": ("an ONNX file", ""),
    ".h5": ("a network of Keras", ""),
    ".keras": ("a network of Keras", ""),
    ".tflite": ("a network of TensorFlow Lite", ""),
    ".pb": ("a graph of TensorFlow", ""),
    ".index": ("the index of a TensorFlow checkpoint", ""),
    ".json": ("a text", "name the .safetensors or .bin file that it belongs to"),
}


class StandIn(dict[Any, Any]):
    """Takes the place of an object of a training script; keeps its values, and does nothing."""

    def __new__(cls, *values: Any, **named: Any) -> StandIn:  # noqa: D102 - as of dict
        return super().__new__(cls)

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, Mapping):
            self.update(state)


def read_content(path: Path) -> Any:
    """What a weights file holds: tensors by name, or nested dicts with such.

    Metadata that ``openmax train`` wrote into a ``.safetensors`` file come under 'openmax'.

    Raises
    ------
    ClassifierError
        The file is missing or damaged, is of another kind, or pickles Python objects; the message
        names it, and what to save instead.
    """
    if not path.is_file():
        raise ClassifierError(f"the weights file {path} does not exist")
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise ClassifierError(f"cannot read {path}: {error.strerror or error}") from error
    if path.suffix.lower() == ".safetensors" or _is_safetensors(head, path):
        return _read_safetensors(path)
    _refuse_other_kinds(path, head)
    return _read_torch(path)


def _is_safetensors(head: bytes, path: Path) -> bool:
    """Tell by the length of its header, and by the bracket that opens it."""
    if len(head) < 9 or head[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", head[:8])
    return bool(2 <= length < path.stat().st_size)


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    """Say what a file is that is neither a ZIP archive nor a pickle of ``torch.save``."""
    kind = None
    if head[:2] == b"PK":
        kind = _kind_of_archive(path)
    elif head[:1] != b"\x80":  # a pickle of protocol 2 or later
        starts = (found for start, found in BY_START.items() if head.lstrip().startswith(start))
        kind = next(starts, None) or BY_ENDING.get(path.suffix.lower())
        if kind is None:
            raise ClassifierError(
                f"{path} is no weights file that torch can read: "
                + ("it is empty" if not head else "torch.save did not write it")
            )
    if kind is not None:
        what, way = kind
        raise ClassifierError(
            f"{path} is no weights file that torch can read: it is {what}; {way or SAVE_PYTORCH}"
        )


def _kind_of_archive(path: Path) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):  # damaged: torch says so
        return None
    found = (kind for end, kind in BY_MEMBER.items() if any(name.endswith(end) for name in names))
    return next(found, None)


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            content: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ClassifierError(f"{path} is no whole safetensors file: {error}") from error
    if OWN_METADATA in metadata:
        with suppress(ValueError):  # somebody else's
            content[OWN_METADATA] = json.loads(metadata[OWN_METADATA])
    return content


def _read_torch(path: Path) -> Any:
    import torch

    try:
        # What is allowed is one set for the whole process.
        with _READING, torch.serialization.safe_globals(_stand_ins(path)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ClassifierError(
            f"{path} pickles Python objects, which could run any code and are never opened; save "
            f"the weights alone with {SAVE}"
        ) from error
    # A damaged archive shows in many kinds of errors.
    except Exception as error:
        raise ClassifierError(
            f"{path} is no weights file that torch can read: {first_line(error)}"
        ) from error


def _stand_ins(path: Path) -> list[Any]:
    """Stand-ins for the harmless names that a file mentions; looks at the names, loads nothing."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        names = get_unsafe_globals_in_checkpoint(path)
    except Exception:  # an old format or a damaged file: torch.load itself says what it is
        return []
    return [
        (_stand_in(name), name)
        for name in names
        if name in INERT_NAMES or name.split(".")[0] in INERT_MODULES
    ]


def _stand_in(name: str) -> Any:
    # torch fills exact dicts alone: with items of a class of their own it stops.
    if name.endswith(".AttributeDict"):
        return dict
    return _empty if name.endswith(".defaultdict") else StandIn


def _empty(*values: Any) -> dict[Any, Any]:
    return {}
