"""``openmax evaluate --stand-ins``: known classes left out in turn, in the place of unknowns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openmax_core.cli.progress import say

if TYPE_CHECKING:
    from openmax_core.analysis.stand_ins import StandInChoices
    from openmax_core.evaluation.evaluation import Evaluation
    from openmax_core.tradeoff.objectives import Objective


def measured(evaluation: Evaluation, objective: Objective, most_classes: int) -> StandInChoices:
    """Leave out classes with a bar on a terminal, and choose with each."""
    from openmax_core.analysis.stand_ins import measure_stand_ins
    from openmax_core.cli.progress import ProgressBars

    with ProgressBars(is_kept=False, only_on_terminal=True) as bars:
        found = measure_stand_ins(
            evaluation, lambda done: bars.draw("stand-ins", *done), most_classes
        )
    return found.choose(objective)


def facts(choices: StandInChoices, evaluation: Evaluation) -> dict[str, Any]:
    """What ``--json`` has of them."""
    from openmax_core.analysis.stand_ins import CAVEAT

    real = choices.beside(evaluation)
    spread = choices.spread("threshold")
    names = ("smallest", "median", "largest")
    return {
        "classes": choices.table.to_dict(orient="records"),
        "n_classes": choices.stand_ins.n_classes,
        "left_out": choices.stand_ins.left_out,
        "thresholds": None if spread is None else dict(zip(names, spread, strict=True)),
        "sentences": choices.sentences,
        "reject_set": [] if real is None else real.sentences,
        "caveat": CAVEAT,
    }


def print_choices(choices: StandInChoices, evaluation: Evaluation) -> None:
    """Print a row a class, the spread, and what it cannot tell."""
    from openmax_core.analysis.stand_ins import CAVEAT
    from openmax_core.support.decimals import threshold_text
    from openmax_core.support.shares import percent, percent_range

    say()
    say(f"stand-ins for unknowns: {choices.stand_ins.extent_in_words}")
    say(f"{'AUROC':>7}  {'threshold':>10}  {'Test acc.':>9}  {'Reject accuracy':^25}  class")
    for row in choices.table.to_dict(orient="records"):
        auroc = percent(row["auroc"])
        if row["threshold"] != row["threshold"]:
            say(f"{auroc:>7}  {'no threshold meets the constraint':^48}  {row['class']}")
            continue
        share = f"{percent(row['reject_accuracy'])} [{percent_range(row['low'], row['high'])}]"
        test = percent(row["test_accuracy"])
        say(
            f"{auroc:>7}  {threshold_text(row['threshold']):>10}  {test:>9}  {share:^25}  "
            f"{row['class']} ({row['pictures']:,} pictures)"
        )
    for name, reason in choices.stand_ins.left_out.items():
        say(f"not left out  {name}: {reason}")
    for sentence in choices.sentences:
        say(sentence)
    if (real := choices.beside(evaluation)) is not None:
        for sentence in real.sentences:
            say(sentence)
    say(CAVEAT)
