"""Kinds of unknowns, and the share of each that production is expected to have.

A kind is a folder of the reject set. Where shares w of the kinds are given, Reject accuracy is

    Σ w_k · rejected_k / M_k,    Σ w_k = 1

with M_k reject pictures of the kind k: what would be measured on a reject set that is composed as
production is. Without shares pictures count alike, whatever their kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.files import listed
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, weighted_bounds

NO_FOLDER = "(in no folder)"
LARGEST = 1e12  # of a share, in any unit
CLOSE = 1e-9  # of 1, what shares add up to


@dataclass(frozen=True)
class Kinds:
    """Which kind each reject picture is of.

    Attributes
    ----------
    names : F names
    of : (M,) int, index into ``names`` of every picture
    """

    names: tuple[str, ...]
    of: Int

    @classmethod
    def from_paths(cls, paths: Sequence[str]) -> Kinds:
        """Kinds of reject pictures by their paths, in the order of the names."""
        found: dict[str, int] = {}
        places = (found.setdefault(kind_of(path), len(found)) for path in paths)
        of = np.fromiter(places, dtype=np.int64, count=len(paths))
        names = sorted(found)
        rank = np.empty(len(names), dtype=np.int64)
        rank[[found[name] for name in names]] = np.arange(len(names))
        return cls(tuple(names), rank[of])

    @property
    def sizes(self) -> dict[str, int]:
        """Pictures of each kind, by its name."""
        counts = np.bincount(self.of, minlength=len(self.names)).tolist()
        return dict(zip(self.names, counts, strict=True))


@dataclass(frozen=True)
class Mix:
    """Shares of the kinds of unknowns in production.

    Attributes
    ----------
    names : F kinds of the reject set
    shares : of each, from 0; they add up to 1
    sizes : reject pictures of each
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, given: Mapping[str, float], sizes: Mapping[str, int]) -> Mix:
        """Mix of shares in any unit: only their ratios count.

        Parameters
        ----------
        given : share by kind; a kind that is not named is not expected, its share is 0
        sizes : pictures of each kind of the reject set

        Raises
        ------
        OpenMaxError
            A share is no finite number from 0, all are 0, or one is above 0 of a kind that has no
            pictures; the kind is named.
        """
        for name, share in given.items():
            if not 0 <= share <= LARGEST:
                raise OpenMaxError(
                    f"the share of the kind '{name}' must be a number from 0 to {LARGEST:g}, not "
                    f"{share!r}"
                )
            if share > 0 and not sizes.get(name):
                there = listed([kind for kind, size in sizes.items() if size], 10)
                raise OpenMaxError(
                    f"there are no reject pictures of the kind '{name}', so nothing is known of "
                    f"it; kinds with pictures are {there or 'none'}. Leave its share out, or add "
                    "pictures to that folder of the reject set"
                )
        total = math.fsum(given.values())
        if not total:
            raise OpenMaxError(
                "the shares of the kinds of unknowns are all 0; give a share above 0 to one of "
                f"{listed(list(sizes), 10)}"
            )
        shares = tuple(given.get(name, 0.0) / total for name in sizes)
        return cls(tuple(sizes), shares, tuple(sizes.values()))

    def resized(self, sizes: Sequence[int]) -> Mix:
        """Return the same shares over other pictures."""
        return Mix(self.names, self.shares, tuple(sizes))

    @property
    def units(self) -> Float:
        """(F,) how many pictures one picture of each kind counts for; on average 1."""
        sizes = np.array(self.sizes, dtype=np.float64)
        return np.asarray(self.shares) * sizes.sum() / np.maximum(sizes, 1)

    def share(self, counts: ArrayLike) -> Float:
        """(…) weighted share of (F, …) counts of pictures; NaN where an expected kind has none."""
        given = np.asarray(counts, dtype=np.float64)
        total: Float = np.zeros(given.shape[1:])
        for share, size, count in zip(self.shares, self.sizes, given, strict=True):
            if share:
                total = total + share * (count / size if size else np.full_like(count, np.nan))
        if max(self.shares) == 1:
            return np.asarray(total)
        # What is equal must not differ by the rounding of a sum: all of the pictures are 1.
        return np.asarray(np.round(total, 12))

    def bounds(self, counts: ArrayLike, interval: str = DEFAULT_INTERVAL) -> tuple[Float, Float]:
        """95 % interval of :meth:`share`, see :func:`~.intervals.weighted_bounds`."""
        return weighted_bounds(counts, self.sizes, self.shares, interval)

    @property
    def in_words(self) -> str:
        """'indoor 75 %, street 25 %', of the kinds that are expected, the largest first."""
        pairs = [pair for pair in zip(self.shares, self.names, strict=True) if pair[0]]
        pairs.sort(key=lambda pair: (-pair[0], pair[1]))
        return ", ".join(f"{name} {_percent(share)}" for share, name in pairs)


@dataclass(frozen=True)
class KindCount:
    """One kind of unknowns at a chosen threshold.

    Attributes
    ----------
    name : str
    share : float
        Expected in production, among the unknowns.
    rejected, pictures : int
        Reject pictures of the kind that are rejected, and all.
    """

    name: str
    share: float
    rejected: int
    pictures: int

    def __post_init__(self) -> None:
        """Refuse what cannot be counted.

        Raises
        ------
        OpenMaxError
            A share or a count is out of range; the kind is named.
        """
        if not 0 <= self.share <= 1:
            raise OpenMaxError(f"the share of '{self.name}' must lie between 0 and 1")
        if not 0 <= self.rejected <= self.pictures:
            raise OpenMaxError(f"rejected of '{self.name}' must lie between 0 and {self.pictures}")


def mix_of(counts: Sequence[KindCount]) -> Mix:
    """Mix of stored kinds.

    Raises
    ------
    OpenMaxError
        Names occur twice, or the shares do not add up to 1.
    """
    names = tuple(item.name for item in counts)
    if len(set(names)) != len(names):
        raise OpenMaxError("a kind of unknowns occurs twice")
    shares = tuple(item.share for item in counts)
    if not abs(math.fsum(shares) - 1) <= CLOSE:
        raise OpenMaxError(f"the shares of the kinds add up to {math.fsum(shares):.6g}, not to 1")
    if any(item.share and not item.pictures for item in counts):
        raise OpenMaxError("a kind that is expected has no pictures")
    return Mix(names, shares, tuple(item.pictures for item in counts))


def kind_of(path: str) -> str:
    """First folder of a path below the reject folder."""
    first, slash, _ = path.partition("/")
    return first if slash else NO_FOLDER


def parse_kinds(text: str) -> dict[str, float]:
    """Shares of a text as ``indoor=3,street=1``.

    Raises
    ------
    OpenMaxError
        It is not of that form, or names a kind twice.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        name = name.strip()
        try:
            value = float(number.strip().removesuffix("%"))
        except ValueError:
            value = math.nan
        if not (equals and name and math.isfinite(value) and value >= 0):
            raise OpenMaxError(
                f"kinds '{text}': write each folder of the reject set with its share, as in "
                "indoor=3,street=1"
            )
        if name in found:
            raise OpenMaxError(f"kinds '{text}': '{name}' is there twice")
        found[name] = value
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
