"""Names of classes as files note them: weights and ONNX files, labels files, configurations.

Names may stand in a list, in a dict from names to places or from places to names, or under one of
the usual keys of a training script.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openmax_core.errors import ClassifierError
from openmax_core.pictures.folders import normal
from openmax_core.support.files import listed

# Name of our own entry in the metadata of a .safetensors file.
OWN_METADATA = "openmax"
# Where class names are noted, and under which names.
PLACES = (OWN_METADATA, "meta", "dataset_meta", "hyper_parameters", "hparams", "config", "args")
CLASS_KEYS = (
    *("class_to_idx", "classes", "CLASSES", "class_names", "idx_to_class", "idx2label"),
    *("id2label", "label2id", "class_to_index", "label_names"),
)
MOST_TEXT = 1 << 22


def class_names(content: Any) -> tuple[str, ...] | None:
    """Class names that the content of a file notes, in the order of the outputs; None without."""
    if not isinstance(content, Mapping):
        return None
    places = [content, *(content.get(name) for name in PLACES)]
    places += [item.get("dataset_meta") for item in places if isinstance(item, Mapping)]
    for place in places:
        if isinstance(place, Mapping):
            for key in CLASS_KEYS:
                if (names := _as_names(place.get(key))) is not None:
                    return names
    return None


def _as_names(value: Any) -> tuple[str, ...] | None:
    """Two or more names in a list; or a dict from names to places, or from places to names."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
        if all(isinstance(key, str) and type(place) is int for key, place in pairs):
            pairs = [(place, key) for key, place in pairs]
        by_place = {int(place): name for place, name in pairs if str(place).isdecimal()}
        if sorted(by_place) != list(range(len(pairs))):
            return None
        value = [by_place[place] for place in range(len(pairs))]
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return None
    if not all(isinstance(name, str) for name in value) or len(set(value)) < len(value):
        return None
    return tuple(value)


def class_order_problem(
    classes: Sequence[str], in_file: Sequence[str] | None, weights: str | Path
) -> str | None:
    """Say how class names differ from those that a weights file notes; None where they do not.

    Parameters
    ----------
    classes : in the order of the outputs, as the workspace has them
    in_file : ``Checkpoint.classes``
    weights : the file, for the message
    """
    if in_file is None or same_names(classes) == same_names(in_file):
        return None
    if sorted(same_names(classes)) == sorted(same_names(in_file)):
        return (
            f"{weights} notes the classes in another order: {listed(in_file)}; the workspace has "
            f"{listed(classes)}. The order in the file is that of the network's outputs, unless "
            "somebody changed it: write it under [classifier] classes in workspace.toml"
        )
    return f"{weights} notes other classes: {listed(in_file)}; the workspace has {listed(classes)}"


def same_names(names: Iterable[str]) -> list[str]:
    """Names as they compare: a Mac writes é as two characters, others as one."""
    return list(map(normal, names))


def names_in(text: str) -> tuple[str, ...] | None:
    """Class names of a text: JSON, a Python literal, or one a line; None where it holds none.

    JSON may be a list, a dict from names to places or from places to names, or one that holds such
    under a usual name, as the config.json of Hugging Face does ('id2label').
    """
    content: Any = None
    if len(text) > MOST_TEXT:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            content = parse(text)
            break
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    if not isinstance(content, (dict, list, tuple)):
        separator = None if "\n" in text.strip() else ","
        lines = text.split(separator) if separator else text.splitlines()
        content = [line.strip() for line in lines if line.strip()]
    return class_names(content) or class_names({"classes": content})


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names of a file, in the order of the network's outputs, see :func:`names_in`.

    Raises
    ------
    ClassifierError
        The file is missing, no text, or holds no names, or one twice; named.
    """
    try:
        names = names_in(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClassifierError(f"cannot read the labels file {path}: {reason}") from error
    if names is None:
        raise ClassifierError(
            f"{path} holds no class names: write two or more different names, one a line in the "
            "order of the network's outputs, or a JSON list"
        )
    return names
