"""The chosen threshold with the figures it was chosen on: made, saved, loaded."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from openmax_core.errors import OpenMaxError
from openmax_core.files import write_text_atomically
from openmax_core.presets import SETTING_NAMES

FORMAT = "openmax-operating-point"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class OperatingPoint:
    """Method, threshold and the figures they gave.

    Attributes
    ----------
    threshold : float
        A picture is rejected where its score is below this, or 'unknown' won.
    test_accuracy : float
        Share of the test set given its right class.
    reject_accuracy : float or None
        Share of the reject set that is rejected; None without a reject set.
    n_test, n_reject : int
        Pictures that the figures were counted on.
    min_test_accuracy : float or None
        The floor it was chosen under; None if it was set by hand.
    preset : str or None
        Preset of the method.
    settings : dict
        Every setting of the method.
    data : str or None
        Fingerprint of the activations that the figures were counted on.
    """

    threshold: float
    test_accuracy: float
    reject_accuracy: float | None
    n_test: int
    n_reject: int
    min_test_accuracy: float | None = None
    preset: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    data: str | None = None

    def to_json(self) -> str:
        """JSON text; floats come back exactly."""
        values = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(values, indent=2, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write as JSON, in one step."""
        write_text_atomically(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> OperatingPoint:
        """Read what :meth:`save` wrote.

        Raises
        ------
        OpenMaxError
            The file cannot be read or is no operating point; it is named.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT or values.pop("version") != FORMAT_VERSION:
                raise ValueError(f"not of the format {FORMAT}, version {FORMAT_VERSION}")
            unknown = set(values) - {item.name for item in fields(cls)}
            if unknown:
                raise ValueError(f"unknown entries {sorted(unknown)}")
            point = cls(**values)
            numbers = [point.threshold, point.test_accuracy, point.n_test, point.n_reject]
            numbers += [
                value
                for value in (point.reject_accuracy, point.min_test_accuracy)
                if value is not None
            ]
            if not all(type(n) in {int, float} and math.isfinite(n) for n in numbers):
                raise ValueError("a figure is no number")
            if not isinstance(point.settings, dict) or not set(point.settings) <= SETTING_NAMES:
                raise ValueError("the method's settings are unknown")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OpenMaxError(
                f"cannot read the operating point {path} ({error}); choose the threshold again"
            ) from error
        return point
