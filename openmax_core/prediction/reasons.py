"""Why a picture is accepted or rejected, in words.

A reason is written once a picture; the threshold is put into it wherever it is decided on.
"""

from __future__ import annotations

from dataclasses import dataclass

# Shares of a tail below the one would be shown as 0.0 %, from the other on as 100.0 %.
SHOWN_AS_NONE, SHOWN_AS_ALL = 0.0005, 0.9995


@dataclass(frozen=True)
class Wording:
    """A sentence around a threshold; one without a threshold has all of it before."""

    before: str
    after: str | None = None

    def at(self, threshold: str) -> str:
        """Return the sentence with a threshold in it."""
        return self.before if self.after is None else f"{self.before}{threshold}{self.after}"


@dataclass(frozen=True)
class Reason:
    """What is said of a picture where it is accepted, and where it is rejected."""

    accepted: Wording
    rejected: Wording

    @classmethod
    def whatever(cls, text: str) -> Reason:
        """Return a reason that no threshold changes."""
        return cls(Wording(text), Wording(text))


def tail_statement(nearest: str, cdf: float, is_apart: bool) -> str:
    """Where a picture lies in the tail of the network's own answer.

    Parameters
    ----------
    nearest : name of the class with the largest logit
    cdf : of the distance to its MAV
    is_apart : the nearest MAV is another class's
    """
    which = (
        f"{nearest}, the network's own answer," if is_apart else f"the nearest class, {nearest},"
    )
    distance = f"its distance to {which} lies"
    if cdf < SHOWN_AS_NONE:
        return f"{distance} below that class's tail"
    if cdf == 1:
        return f"{distance} beyond all of that class's tail"
    share = "more than 99.9 %" if cdf >= SHOWN_AS_ALL else f"{100 * cdf:.1f} %"
    return f"{distance} beyond {share} of that class's tail"


def unknown_reason(probability: float, nearest: str, cdf: float, is_apart: bool) -> Reason:
    """Of a picture for which 'unknown' is the most probable."""
    statement = tail_statement(nearest, cdf, is_apart)
    won = f"'unknown' is the most probable ({probability:.3f})"
    if cdf < SHOWN_AS_NONE:  # then it was not this tail
        return Reason.whatever(f"{won}, by the tails of other classes; {statement}")
    return Reason.whatever(f"{won}: {statement}")


def score_reason(score: float, nearest: str, cdf: float, is_apart: bool) -> Reason:
    """Of a picture whose score is compared with a threshold."""
    statement = f"; {tail_statement(nearest, cdf, is_apart)}"
    return Reason(
        Wording(f"score {score:.4f} reaches the threshold ", statement),
        Wording(f"score {score:.4f} is under the threshold ", statement),
    )
