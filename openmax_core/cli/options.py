"""Types of the shell's options: what is no such number is refused in words."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from openmax_core.errors import OpenMaxError
from openmax_core.methods.settings import parse_setting


@dataclass(frozen=True)
class Number:
    """A finite number between two bounds, both allowed, for argparse's ``type``.

    Parameters
    ----------
    kind : float or int
    least, most : bounds
    """

    kind: type[float] | type[int] = float
    least: float = -math.inf
    most: float = math.inf

    def __call__(self, text: str) -> float | int:
        """Number of a text.

        Raises
        ------
        argparse.ArgumentTypeError
            It is none, or out of bounds.
        """
        what = "a whole number" if self.kind is int else "a number"
        try:
            value = self.kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not {what}") from None
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"'{text}' is not a finite number")
        if value < self.least:
            raise argparse.ArgumentTypeError(f"must be at least {self.least:g}, not {text}")
        if value > self.most:
            share = f"; for {text} % write {value / 100:g}" if self.is_share else ""
            raise argparse.ArgumentTypeError(f"must be at most {self.most:g}, not {text}{share}")
        return value

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1, so that 85 may mean 85 %."""
        return (self.least, self.most) == (0.0, 1.0)


ANY = Number()
SHARE = Number(float, 0.0, 1.0)
COUNT = Number(int, 0)
POSITIVE = Number(int, 1)


def setting(text: str) -> tuple[str, object]:
    """Setting of a method, NAME=VALUE, for argparse's ``type``.

    Raises
    ------
    argparse.ArgumentTypeError
        There is no setting of this name, or the value is not of its type.
    """
    try:
        return parse_setting(text)
    except OpenMaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
