"""What production looks like, for ``openmax evaluate``: kinds of unknowns, and a table of costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from openmax_core.cli.progress import say
from openmax_core.errors import OpenMaxError

if TYPE_CHECKING:
    from openmax_core.evaluation.evaluation import Evaluation
    from openmax_core.tradeoff.objectives import Objective
    from openmax_core.tradeoff.operating_point import OperatingPoint


def kinds(text: str) -> dict[str, float]:
    """Shares of kinds of unknowns, for argparse's ``type``.

    Raises
    ------
    argparse.ArgumentTypeError
        It is no list as indoor=3,street=1.
    """
    from openmax_core.tradeoff.kinds import parse_kinds

    try:
        return parse_kinds(text)
    except OpenMaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def objective(options: argparse.Namespace, evaluation: Evaluation, floor: float) -> Objective:
    """What the threshold is chosen for: the least expected cost where costs are given."""
    from openmax_core.tradeoff.objectives import FewestKnownRejected, LeastTableCost, MostRejected

    given = [
        name
        for name in ("costs", "min_test_accuracy", "max_known_rejected")
        if getattr(options, name) is not None
    ]
    if len(given) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in given[:2])
        raise OpenMaxError(
            f"{first} and {second} each choose a threshold of their own; give one of them"
        )
    if options.costs is None:
        if options.unknown_share is not None:
            raise OpenMaxError("--unknown-share is for expected costs; give --costs FILE too")
        if options.max_known_rejected is not None:
            return FewestKnownRejected(options.max_known_rejected)
        if options.min_test_accuracy is not None:
            return MostRejected(floor)
        return evaluation.overall.default_objective(floor)
    from openmax_core.tradeoff.cost_table import read_costs

    table = read_costs(Path(options.costs).expanduser(), evaluation.method.class_names_)
    share = 0.1 if options.unknown_share is None else options.unknown_share
    return LeastTableCost(table, share)


def print_mix(evaluation: Evaluation) -> None:
    """Say by what Reject accuracy is weighted; nothing without shares."""
    if (mix := evaluation.mix) is None:
        return
    say(f"production  kinds of unknowns: {mix.in_words}; Reject accuracy is weighted by them")
    others = [name for name, share in zip(mix.names, mix.shares, strict=True) if not share]
    if others:
        say(f"            not expected: {', '.join(others)}")


def cost_in_words(point: OperatingPoint) -> str:
    """'Expected cost 0.25 a picture. '; '' of a point that was not chosen by a table."""
    if point.expected_cost is None:
        return ""
    return f". Expected cost {point.expected_cost:.4g} a picture"
