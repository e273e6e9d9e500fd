"""What a weights file says: the tensors of one network, and what stands around and beside them.

Training scripts wrap a state dict (``{"model": …, "optimizer": …}``), keep averaged weights beside
the raw ones, put prefixes before the names, and often note the names of the classes.

``.safetensors`` are read through safetensors; what ``torch.save`` writes through
``torch.load(weights_only=True)``. Of a training script's own settings beside the weights
(``argparse.Namespace``, paths, NumPy numbers, OmegaConf) the names alone are read, and an inert
stand-in takes the place of each. Any other Python object is refused.
"""

from __future__ import annotations

import json
import pickle
import re
import struct
import threading
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.errors import ClassifierError, first_line
from openmax_core.network.class_names import OWN_METADATA, PLACES, class_names
from openmax_core.support.files import listed

if TYPE_CHECKING:
    import torch

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
    ".onnx": ("an ONNX file", "name it as the model: --model FILE, model under [classifier]"),
    ".h5": ("a network of Keras", ""),
    ".keras": ("a network of Keras", ""),
    ".tflite": ("a network of TensorFlow Lite", ""),
    ".pb": ("a graph of TensorFlow", ""),
    ".index": ("the index of a TensorFlow checkpoint", ""),
    ".json": ("a text", "name the .safetensors or .bin file that it belongs to"),
}
# Entries that hold the weights as they were trained, the first that is there is taken; and those
# that hold averages of them, taken where there are no others.
RAW = (
    *("state_dict", "model_state_dict", "model", "net", "network", "weights"),
    *("model_weights", "params", "module"),
)
AVERAGED = (
    *("model_ema", "state_dict_ema", "model_ema_state_dict", "ema_state_dict", "ema_model", "ema"),
    *("params_ema", "averaged_model", "swa_model", "shadow"),
)
NO_WEIGHTS = re.compile("optim|sched|scaler|callback|hook|loop", re.IGNORECASE)
# Words in a prefix that tell averaged weights from raw ones.
IS_AVERAGE = re.compile(r"ema|teacher|averaged|swa|momentum|target", re.IGNORECASE)
PREFIXES = ("model.", "net.", "network.")
# What DataParallel, torch.compile, FSDP and checkpointing put between the parts of a name.
WRAPPERS = frozenset(
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"]
)
# Names that torchvision's layers had before; its own loaders rename them too.
FORMER_NAMES = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
)


@dataclass(frozen=True)
class Checkpoint:
    """One network's tensors out of a weights file.

    Attributes
    ----------
    path : Path
        Of the file, for messages.
    tensors : dict from names without prefix to tensors
    entry : str or None
        Which entry of the file they are, 'model' for instance; None where it holds nothing else.
    other_entries : tuple of str
        Further entries that hold tensors, averaged weights for instance.
    prefix : str
        What stood before every name, 'model.' for instance; mostly empty.
    classes : tuple of str or None
        Names in the order of the outputs, where the file says them.
    architecture : str or None
        What the file says that the network is.
    transform_input : bool or None
        What 'openmax train' noted, see ``ClassifierSettings``.
    """

    path: Path
    tensors: dict[str, torch.Tensor]
    entry: str | None = None
    other_entries: tuple[str, ...] = ()
    prefix: str = ""
    classes: tuple[str, ...] | None = None
    architecture: str | None = None
    transform_input: bool | None = None

    @classmethod
    def of(cls, path: Path, tensors: Mapping[str, torch.Tensor]) -> Checkpoint:
        """Tensors under the names that torchvision gives them today, whatever they had before."""
        return cls(path, _renamed(tensors))

    @property
    def place(self) -> str:
        """The file, its entry and the prefix, in words."""
        entry = f", entry '{self.entry}'" if self.entry else ""
        prefix = f", names that begin with '{self.prefix}'" if self.prefix else ""
        return f"{self.path}{entry}{prefix}"


def read_checkpoint(path: Path, entry: str | None = None) -> Checkpoint:
    """Read one network's tensors out of a weights file.

    Parameters
    ----------
    entry : which entry is taken, or the prefix of the names; without, the raw weights before
        averaged ones

    Raises
    ------
    ClassifierError
        The file is missing, damaged, of another kind or pickles Python objects; or it holds no
        state dict, or no such entry; named.
    """
    content = read_content(path)
    entries = _entries(content)
    chosen, name = _chosen(entries, entry, path, content)
    tensors = _renamed(chosen)
    prefix = ""
    while found := next((item for item in PREFIXES if _is_before_all(item, tensors)), None):
        prefix += found
        tensors = {key.removeprefix(found): value for key, value in tensors.items()}
    own = content.get(OWN_METADATA) if isinstance(content, Mapping) else None
    noted = own.get("transform_input") if isinstance(own, Mapping) else None
    return Checkpoint(
        path,
        tensors,
        name,
        tuple(other for other in entries if other and other != name),
        prefix,
        class_names(content),
        _architecture(content),
        noted if isinstance(noted, bool) else None,
    )


def _entries(content: Any) -> dict[str, Mapping[str, Any]]:
    """Mappings of tensors by the name of their entry, '' for the content itself; best first."""
    if not isinstance(content, Mapping):
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for key in (*RAW, *AVERAGED):
        if isinstance(content.get(key), Mapping):
            for inner, tensors in _entries(content[key]).items():
                found[f"{key}.{inner}" if inner else key] = tensors
    own = _tensors(content)
    if own and len(own) >= max(map(len, found.values()), default=0):  # else they stand beside
        found[""] = own
    if not found:  # under a name of somebody's own
        for key, value in content.items():
            if isinstance(key, str) and not NO_WEIGHTS.search(key) and key not in PLACES:
                tensors = _tensors(value) if isinstance(value, Mapping) else {}
                found |= {key: tensors} if tensors else {}
    raw = {name: value for name, value in found.items() if not _is_averaged(name)}
    return raw | found


def _is_averaged(entry: str) -> bool:
    return any(part in AVERAGED for part in entry.split("."))


def _tensors(content: Mapping[Any, Any]) -> dict[str, Any]:
    import torch

    return {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}


def _chosen(
    entries: dict[str, Mapping[str, Any]], entry: str | None, path: Path, content: Any
) -> tuple[dict[str, Any], str | None]:
    """Tensors of the entry that is asked for, or of the best one, and its name."""
    if not entries:
        raise ClassifierError(
            f"{path} holds a {type(content).__name__}, no state dict of tensors; save the weights "
            f"with {SAVE}"
        )
    best = next(iter(entries))
    if entry is None:
        return dict(entries[best]), best or None
    if entry in entries:
        return dict(entries[entry]), entry
    prefix = f"{entry}."
    under = {
        name.removeprefix(prefix): value
        for name, value in entries[best].items()
        if name.startswith(prefix)
    }
    if not under:
        names = [name for name in entries if name] or sorted(
            {name.split(".")[0] for name in entries[best] if "." in name}
        )
        raise ClassifierError(
            f"{path} has no entry '{entry}'; it has {listed(names)}. Correct weights_entry under "
            "[classifier] in workspace.toml, or --weights-entry"
        )
    return under, entry


def _renamed(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {_plain_name(name): value for name, value in tensors.items()}
    # Two networks, one of them wrapped, keep their names.
    return renamed if len(renamed) == len(tensors) else dict(tensors)


def _plain_name(name: str) -> str:
    """Name of a tensor without wrappers, as torchvision has it today."""
    parts = name.split(".")
    if not WRAPPERS.isdisjoint(parts):
        name = ".".join(part for part in parts if part not in WRAPPERS)
    for pattern, today in FORMER_NAMES:
        name = pattern.sub(today, name)
    return name


def _is_before_all(prefix: str, tensors: Mapping[str, Any]) -> bool:
    return all(name.startswith(prefix) for name in tensors)


def _architecture(content: Any) -> str | None:
    if not isinstance(content, Mapping):
        return None
    for place, key in (
        *((name, "architecture") for name in (OWN_METADATA, "hyper_parameters")),
        *((None, "arch"), (None, "architecture"), (None, "model_name")),
        *(("args", "model"), ("args", "arch"), ("hyper_parameters", "model_name")),
    ):
        values = content if place is None else content.get(place)
        value = values.get(key) if isinstance(values, Mapping) else None
        if isinstance(value, str) and value:
            return value
    return None


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


def noted_by_training(path: Path) -> dict[str, Any]:
    """What 'openmax train' noted in a weights file; {} in a file of another origin."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            noted = json.loads((file.metadata() or {}).get(OWN_METADATA, "{}"))
    except (SafetensorError, OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


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
