"""Settings of OpenMax, checked, and its presets.

``openmax`` is what the evidence of ``tests/benchmarks/evidence.py`` chose, see the dashboard's page
on methods; ``robust`` is what an earlier comparison chose; ``bendale`` is the paper's method as its
code (OSDN) has it; ``notebook`` is the notebook's.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from openmax_core.errors import OpenMaxError

COUNTS = ("tail_size", "alpha_rank")
LARGEST_COUNT = 1_000_000_000  # of a tail size and a rank


@dataclass(frozen=True, kw_only=True)
class MethodSettings:
    """Every setting of a method, see :class:`openmax_core.methods.openmax.OpenMax`.

    A default is what every method had before there was a setting for it.

    Raises
    ------
    OpenMaxError
        A setting is of a wrong type or out of range; it is named.
    """

    centring: Literal["none", "mean", "minimum"] = "none"
    distance: Literal[
        "euclidean", "squared_euclidean", "cosine", "eucos", "scaled_eucos", "euchord"
    ]
    tail_size: int
    tail_share: float | None = None
    alpha_rank: int | None
    weighting: Literal["code", "paper", "all"]
    strength: float = 1.0
    unknown_from: Literal["all", "positive"] = "all"
    weibull: Literal["libmr", "weibull_max", "exceedances"]
    translate: float
    second_softmax: bool
    score: Literal["probability", "revised_logit"] = "probability"
    kept_mean: float = 0.0
    fit_precision: Literal["float32", "float64"]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in choices:
                shown = reprlib.repr(value)
                raise OpenMaxError(
                    f"{name} = {shown} does not exist; use one of {', '.join(choices)}"
                )
        _check_count("tail_size", self.tail_size, 2)
        if self.alpha_rank is not None:
            _check_count("alpha_rank", self.alpha_rank, 1)
        if self.tail_share is not None:
            _check_share("tail_share", self.tail_share)
        _check_share("strength", self.strength)
        _check_number("translate", self.translate)
        is_finite = abs(self.translate) <= sys.float_info.max
        _require(is_finite, "translate", "be a finite number", self.translate)
        _require(self.translate > 0, "translate", "be larger than 0", self.translate)
        is_bool = isinstance(self.second_softmax, bool)
        _require(is_bool, "second_softmax", "be true or false", self.second_softmax)
        _check_number("kept_mean", self.kept_mean)
        _require(0 <= self.kept_mean <= 1, "kept_mean", "lie in [0, 1]", self.kept_mean)
        if self.score == "probability" and self.kept_mean:
            raise OpenMaxError(
                "kept_mean does nothing to a probability; set score = revised_logit, or kept_mean "
                "= 0"
            )
        if self.score == "revised_logit" and self.second_softmax:
            raise OpenMaxError(
                "second_softmax is for probabilities; set score = probability, or second_softmax "
                "= false"
            )

    def to_dict(self) -> dict[str, Any]:
        """Values by the settings' names, for the constructor of OpenMax."""
        return asdict(self)

    def stored(self) -> dict[str, Any]:
        """Values by the settings' names, for files; :func:`read_settings` reads them back.

        What says nothing is left out: files of the older methods stay as they were.
        """
        values = asdict(self)
        if self.score == "probability":
            del values["score"], values["kept_mean"]
        return values

    @property
    def tail_in_words(self) -> str:
        """How large η is: '20', or '10 % of each class, at least 10'."""
        if self.tail_share is None:
            return str(self.tail_size)
        return f"{100 * self.tail_share:g} % of each class, at least {self.tail_size}"

    @property
    def distance_in_words(self) -> str:
        """Name of the distance that people read."""
        return {
            "euclidean": "Euclidean",
            "squared_euclidean": "squared Euclidean",
            "cosine": "cosine",
            "eucos": "Euclidean/200 + cosine",
            "scaled_eucos": "Euclidean + cosine, each in its median",
            "euchord": "Euclidean/200 + chord of the directions",
        }[self.distance]

    @property
    def in_words(self) -> dict[str, str]:
        """What the method does, by step."""
        weights = {
            "code": f"(α + 1 − i)/α, α = {self.alpha_rank}",
            "paper": f"(α − i)/α, α = {self.alpha_rank}",
            "all": "1 for every class",
        }[self.weighting]
        if self.strength < 1:
            weights = f"{self.strength:g} · {weights}"
        centring = {
            "none": "as they are",
            "mean": "less each picture's mean",
            "minimum": "less each picture's minimum",
        }
        unknown_from = {"all": "by all logits", "positive": "by positive logits"}
        weibull = {
            "libmr": "libMR's, two parameters",
            "weibull_max": "SciPy's, three parameters",
            "exceedances": "of what exceeds the (η + 1)-th largest distance, two parameters",
        }
        score = "softmax twice" if self.second_softmax else "largest probability"
        if self.score == "revised_logit":
            score = "largest revised logit"
            if self.kept_mean:
                score += f" + {self.kept_mean:g} · the mean logit, less that of training"
        return {
            "logits": centring[self.centring],
            "distance": self.distance_in_words,
            "tail η": self.tail_in_words,
            "weight of rank i": weights,
            "given to 'unknown'": unknown_from[self.unknown_from],
            "Weibull": weibull[self.weibull],
            "score": score,
        }


def _check_count(name: str, value: Any, least: int) -> None:
    _require(type(value) is int, name, "be a whole number", value)
    _require(value >= least, name, f"be at least {least}", value)
    _require(value <= LARGEST_COUNT, name, f"be at most {LARGEST_COUNT:,}", value)


def _check_share(name: str, value: Any) -> None:
    _check_number(name, value)
    _require(0 < value <= 1, name, "lie in (0, 1]", value)


def _check_number(name: str, value: Any) -> None:
    _require(type(value) in (int, float), name, "be a number", value)


def _require(is_so: bool, name: str, what: str, value: Any) -> None:
    if not is_so:
        raise OpenMaxError(f"{name} must {what}, not {reprlib.repr(value)}")


CHOICES: dict[str, tuple[str, ...]] = {
    name: get_args(kind)
    for name, kind in get_type_hints(MethodSettings).items()
    if get_origin(kind) is Literal
}
SETTINGS = tuple(get_type_hints(MethodSettings))
PLAIN: dict[str, Any] = {
    item.name: item.default for item in fields(MethodSettings) if item.default is not MISSING
}
DEFAULT_PRESET = "openmax"
EARLIER_DEFAULT = "robust"  # of files that name no preset
BENDALE = MethodSettings(
    distance="eucos",
    tail_size=20,
    alpha_rank=10,
    weighting="code",
    weibull="libmr",
    translate=1.0,
    second_softmax=False,
    fit_precision="float64",
)
PRESETS = {
    "openmax": replace(
        BENDALE,
        centring="mean",
        distance="euchord",
        tail_size=20,
        alpha_rank=5,
        strength=0.25,
        unknown_from="positive",
        weibull="exceedances",
        score="revised_logit",
        kept_mean=0.75,
    ),
    "robust": replace(
        BENDALE, centring="mean", alpha_rank=5, strength=0.25, unknown_from="positive"
    ),
    "bendale": BENDALE,
    "notebook": MethodSettings(
        distance="squared_euclidean",
        tail_size=100,
        alpha_rank=None,
        weighting="all",
        weibull="weibull_max",
        translate=1.0,
        second_softmax=True,
        # The notebook's three-parameter fit is so ill-conditioned that the last digits of its
        # float32 distances show in the shape: to get its numbers one must round as it does.
        fit_precision="float32",
    ),
}
# For people; every preset has one.
PRESET_SENTENCES = {
    "openmax": "Chosen in a comparison of methods. The score is the largest logit after "
    "re-weighting; the class is the network's.",
    "robust": "The default of earlier versions. A constant added to the logits changes nothing, "
    "and only the threshold rejects pictures.",
    "bendale": "The published method (Bendale & Boult, CVPR 2016).",
    "notebook": "As in the notebook: three-parameter Weibull on squared distances, softmax twice.",
}


def preset_settings(preset: Any) -> MethodSettings:
    """Settings of a preset.

    Raises
    ------
    OpenMaxError
        There is none of this name; the message lists those that there are.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise OpenMaxError(f"no preset {reprlib.repr(preset)}; there are {', '.join(PRESETS)}")
    return PRESETS[preset]


def resolve_settings(preset: str, overrides: Mapping[str, Any]) -> MethodSettings:
    """Every setting with its value: the override, or the preset's where that is None.

    Raises
    ------
    OpenMaxError
        A preset or value does not exist; the message lists those that do.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    return replace(preset_settings(preset), **given)


def parse_setting(text: str) -> tuple[str, Any]:
    """Name and value of a setting that is written as NAME=VALUE.

    Raises
    ------
    OpenMaxError
        There is no setting of this name, or the value is not of its type.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise OpenMaxError(f"write NAME=VALUE as in tail_size=30, not '{text}'")
    if name not in SETTINGS:
        raise OpenMaxError(f"there is no setting '{name}'; there are {', '.join(SETTINGS)}")
    if name in CHOICES:
        found: Any = value
    elif name == "second_softmax":
        found = {"true": True, "false": False}.get(value.lower(), value)
    else:
        try:
            found = (int if name in COUNTS else float)(value)
        except ValueError:
            found = value
    beside: dict[str, Any] = {"score": "revised_logit"} if name == "kept_mean" else {}
    replace(BENDALE, **beside, **{name: found})  # raises where the type or range is wrong
    return name, found


def read_settings(values: Any, preset: Any) -> MethodSettings:
    """Settings that :meth:`MethodSettings.stored` wrote, in this version or an older one.

    A setting that is not there is what every method had before there was one, else the preset's.

    Raises
    ------
    OpenMaxError
        It holds something else; the setting is named.
    """
    known = vars(preset_settings(preset))
    if not isinstance(values, dict):
        raise OpenMaxError(f"the method's settings are unknown: {reprlib.repr(values)}")
    if unknown := [name for name in values if name not in known]:
        raise OpenMaxError(f"the method's settings are unknown: there is no {unknown[0]!r}")
    try:
        return resolve_settings(preset, PLAIN | values)
    except OpenMaxError as error:
        raise OpenMaxError(f"in the method's settings, {error}") from error
