"""All methods by name: made, described, and read back from files.

The names of the presets of OpenMax are names of methods too. OpenMax is imported where it is made:
SciPy comes with it.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from openmax_core.errors import OpenMaxError
from openmax_core.methods.features import FORMAT as OF_FEATURES
from openmax_core.methods.features import FeatureMethod
from openmax_core.methods.gaussians import Gaussians
from openmax_core.methods.method import Method, MethodWords, NoSettings, Settings
from openmax_core.methods.neighbours import Neighbours
from openmax_core.methods.neural_collapse import NeuralCollapse
from openmax_core.methods.scores import FORMAT, SCORES, LogitScore
from openmax_core.methods.settings import PRESETS, read_settings
from openmax_core.methods.virtual_logit import VirtualLogit
from openmax_core.support.codec import entry, read_json

FEATURE_METHODS: dict[str, Callable[[], FeatureMethod]] = {
    "knn": Neighbours,
    "mahalanobis": partial(Gaussians, "mahalanobis"),
    "rmds": partial(Gaussians, "rmds"),
    "vim": VirtualLogit,
    "nci": NeuralCollapse,
}
"""Methods that need stored features."""

METHODS_OF_LOGITS = (*PRESETS, *SCORES)
"""Methods that need none."""

METHODS = (*METHODS_OF_LOGITS, *FEATURE_METHODS)
"""Names of all methods."""


def require_method(name: Any) -> str:
    """Return the name of a method.

    Raises
    ------
    OpenMaxError
        There is none of this name; the message lists those that there are.
    """
    if not isinstance(name, str) or name not in METHODS:
        raise OpenMaxError(f"no method {reprlib.repr(name)}; there are {', '.join(METHODS)}")
    return name


def new_method(name: str, **settings: Any) -> Method:
    """Make a method that is not fitted yet.

    Parameters
    ----------
    name : one of :data:`METHODS`
    **settings : of OpenMax, that differ from the preset; None: the preset's

    Raises
    ------
    OpenMaxError
        There is no such method or setting, or the method has no settings.
    """
    if not has_settings(require_method(name)):
        if given := [key for key, value in settings.items() if value is not None]:
            raise OpenMaxError(
                f"the method '{name}' has no setting {given[0]}: settings are for OpenMax "
                f"({', '.join(PRESETS)})"
            )
        return LogitScore(name) if name in SCORES else FEATURE_METHODS[name]()
    from openmax_core.methods.openmax import OpenMax

    return OpenMax(name, **settings)


def standard_settings(name: str) -> Settings:
    """Settings of a method where none is given.

    Raises
    ------
    OpenMaxError
        There is no method of this name; the message lists those that there are.
    """
    return PRESETS[name] if has_settings(require_method(name)) else NoSettings(name)


def needs_features(name: str) -> bool:
    """Whether a method reads stored features."""
    return name in FEATURE_METHODS


def has_settings(name: str) -> bool:
    """Whether a method is OpenMax, which has settings."""
    return name in PRESETS


def words_of(name: str) -> MethodWords:
    """Words for a method that need not be fitted.

    Raises
    ------
    OpenMaxError
        There is no method of this name.
    """
    return new_method(name).words


def stored_settings(values: Any, name: str) -> Settings:
    """Settings that a file has for a method, in this version or an older one.

    Raises
    ------
    OpenMaxError
        There is no such method, or it holds something else; the setting is named.
    """
    if require_method(name) in PRESETS:
        return read_settings(values, name)
    settings = NoSettings(name)
    if values not in ({}, vars(settings)):
        raise OpenMaxError(
            f"the method's settings are unknown: '{name}' has none, not {reprlib.repr(values)}"
        )
    return settings


def method_from_dict(values: Any) -> Method:
    """Rebuild a fitted method from its :meth:`~Method.to_dict`.

    Raises
    ------
    OpenMaxError
        It is none, or one of a newer format.
    """
    if isinstance(values, dict) and values.get("format") == FORMAT:
        return LogitScore.from_dict(values)
    if isinstance(values, dict) and values.get("format") == OF_FEATURES:
        name = entry(str, values, "method")
        if name not in FEATURE_METHODS:
            raise OpenMaxError(
                f"no method {reprlib.repr(name)} of features; there are "
                f"{', '.join(FEATURE_METHODS)}"
            )
        return FEATURE_METHODS[name]().restore(values)
    from openmax_core.methods.openmax import OpenMax

    return OpenMax.from_dict(values)


def load_method(path: str | Path) -> Method:
    """Read a fitted method that :meth:`~Method.save` wrote.

    Raises
    ------
    OpenMaxError
        The file cannot be read or holds no method; it is named.
    """
    try:
        values = read_json(Path(path))
    except OpenMaxError as error:
        raise OpenMaxError(f"cannot read the calibration {path}: {error}") from error
    try:
        return method_from_dict(values)
    except OpenMaxError as error:
        raise OpenMaxError(f"{path}: {error}") from error
