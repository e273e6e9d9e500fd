"""Names for the arrays that the whole package computes with; their memory, on disk and off it."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import ActivationsError

Float = NDArray[np.float64]
Int = NDArray[np.int64]
MOST_LOOKED_AT = 1000  # rows of a table
BYTES_OF_ITEM = 40  # of a list
LARGEST_FEATURE = float(np.finfo(np.float16).max)  # 65,504


def as_float16(features: NDArray[np.floating[Any]]) -> NDArray[np.float16]:
    """Features as they are stored; what float16 cannot hold becomes ±65,504, never infinite."""
    if features.dtype == np.float16:  # NumPy compares them one by one
        features = features.astype(np.float32)
    return np.clip(features, -LARGEST_FEATURE, LARGEST_FEATURE).astype(np.float16)


def require_whole(array: Any) -> None:
    """Refuse an array that lies in a file of which another process has cut off a part.

    Who reads what is cut off is ended by the system, without an error.

    Raises
    ------
    ActivationsError
        The file is shorter than when it was opened; it is named.
    """
    name, base = "", array
    while isinstance(base, np.ndarray):
        name, base = getattr(base, "filename", None) or name, base.base
    if isinstance(base, mmap.mmap) and base.size() < len(base):
        raise ActivationsError(
            f"{name} was cut short by another process while it was in use; delete its folder and "
            "run the extraction again"
        )


def bytes_held(value: Any, seen: set[int] | None = None) -> int:
    """Bytes of memory that arrays and tables take, in objects and what they hold; about.

    Each is counted once. What lies in a file, mapped, is not counted.
    """
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, (str, bytes, int, float, bool, type, type(None))):
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        if isinstance(value.base, np.ndarray):
            return bytes_held(value.base, seen)
        return 0 if isinstance(value.base, mmap.mmap) else int(value.nbytes)
    if hasattr(value, "memory_usage"):  # a table of pandas, whose texts are like its first ones
        first = value.head(MOST_LOOKED_AT).memory_usage(deep=True).sum()
        return int(first * max(1.0, len(value) / MOST_LOOKED_AT))
    if isinstance(value, Mapping):
        inner: Any = value.values()
    elif isinstance(value, (list, tuple)):
        if value and isinstance(value[0], (str, float, int)):
            return BYTES_OF_ITEM * len(value)
        inner = value
    elif type(value).__module__.startswith("openmax_core"):
        inner = vars(value).values() if hasattr(value, "__dict__") else ()
    else:
        return 0
    return sum(bytes_held(item, seen) for item in inner)
