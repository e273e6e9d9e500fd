"""What `openmax evaluate` recommends and promises, in words."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from openmax_core.cli.progress import say
from openmax_core.errors import OpenMaxError
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import parse_share, percent

if TYPE_CHECKING:
    from openmax_core.evaluation.evaluation import Evaluation
    from openmax_core.evaluation.offers import Offer


def confidence(text: str) -> float:
    """Confidence of a promise as '95%', '95' or '0.95', for argparse's ``type``.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.
    """
    from openmax_core.tradeoff.promises import require_confidence

    try:
        level = parse_share(text)
        require_confidence(level)
    except OpenMaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return level


def facts(offer: Offer, evaluation: Evaluation) -> dict[str, Any]:
    """What is promised, for JSON."""
    from openmax_core.evaluation.offers import plan_in_words

    point = offer.promised
    return {
        "confidence": offer.confidence,
        "promised": None if point is None else point.to_dict(),
        "promise": None if point is None or point.promise is None else asdict(point.promise),
        "promise_problem": offer.promise_problem or None,
        "plan": plan_in_words(evaluation, offer.objective, offer.confidence),
    }


def print_promise(offer: Offer, evaluation: Evaluation, is_asked: bool) -> None:
    """Say what is promised, or why nothing is.

    Parameters
    ----------
    is_asked : a confidence was given; then the plan is printed too
    """
    from openmax_core.evaluation.offers import plan_in_words
    from openmax_core.tradeoff.promises import PRESUPPOSED

    point = offer.promised
    if point is None or point.promise is None:
        say(f"promised:    nothing; {offer.promise_problem}")
    else:
        figures = f"Test accuracy {percent(point.test_accuracy)}"
        if point.reject_accuracy is not None:
            figures += f" with Reject accuracy {percent(point.reject_accuracy)}"
        price = f" ({offer.price_in_words})" if offer.price_in_words else ""
        say(
            f"promised:    threshold {threshold_text(point.threshold)}: {point.promise.in_words}; "
            f"on these pictures {figures}{price}"
        )
        say(f"             This presupposes {PRESUPPOSED}")
    if is_asked and (rows := plan_in_words(evaluation, offer.objective, offer.confidence)):
        say()
        say("How many pictures for this promise, and what the present curve then leaves:")
        for row in rows:
            say(f"{row['pictures']:>15} pictures  {row['needed on them']}: {row['leaves']}")
