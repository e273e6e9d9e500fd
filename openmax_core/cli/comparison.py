"""``openmax compare``: all methods on the workspace's own pictures."""

from __future__ import annotations

import argparse
import json

from openmax_core.cli.progress import say
from openmax_core.support.codec import plain
from openmax_core.support.decimals import threshold_text


def run_compare(options: argparse.Namespace) -> int:
    """Print a table of all methods beside softmax."""
    from openmax_core.analysis.comparison import compare_methods
    from openmax_core.analysis.ranking import FIGURES, NAMES
    from openmax_core.cli.progress import counting
    from openmax_core.tradeoff.objectives import MostRejected
    from openmax_core.tradeoff.resampling import rest_in_words
    from openmax_core.workspace.workspace import Workspace

    workspace = Workspace.open(options.workspace)
    with counting() as report:
        evaluation = workspace.evaluate(options.method, report=report)
    floor = options.min_test_accuracy
    floor = workspace.settings.defaults.min_test_accuracy if floor is None else floor
    result = compare_methods(evaluation, floor)
    if options.json:
        print(
            json.dumps(
                plain(
                    {
                        "workspace": workspace.settings.name,
                        "data": evaluation.data,
                        "min_test_accuracy": floor,
                        "pictures": {"test": result.n_test, "reject": result.n_reject},
                        "of_pictures": {"test": result.n_test_all, "reject": result.n_reject_all},
                        "resamples": result.n_resamples,
                        "methods": result.table().to_dict(orient="records"),
                        "left_out": result.left_out,
                        "verdict": result.verdict(evaluation.method.name),
                    }
                ),
                indent=2,
            )
        )
        return 0
    say(f"workspace   {workspace.settings.name} ({len(workspace.classes)} known classes)")
    say(f"pictures    {result.n_test:,} test and {result.n_reject:,} reject")
    if result.is_sampled:
        say(f"            a random sample of {result.n_test_all:,} and {result.n_reject_all:,}")
    for name in NAMES:
        say()
        say(f"{FIGURES[name].label}: {FIGURES[name].in_words}")
        for method in result.methods:
            threshold = threshold_text(method.threshold) if method.threshold is not None else "none"
            at = f"   threshold {threshold}" if name in ("reject_at_floor", "macro_f1") else ""
            say(
                f"  {method.name:12} {result.cell_in_words(method.name, name):>9}  "
                f"[{result.interval_in_words(method.name, name)}]{at}"
            )
    for sentence in result.left_out_in_words:
        say()
        say(f"left out    {sentence}")
    say()
    say(
        "▲ and ▼ mark what is better and worse than softmax (msp) beyond noise: 95 %, for the "
        f"whole table together, {result.n_resamples} resamples of the same pictures."
    )
    say(
        "Each method has its own threshold for the floor, chosen and counted on these pictures, so "
        "Reject accuracy and macro-F1 are a little too high for all of them."
    )
    if words := rest_in_words(evaluation.overall, MostRejected(floor)):
        say(f"{evaluation.method.name}: {words}")
    say(result.verdict(evaluation.method.name))
    return 0
