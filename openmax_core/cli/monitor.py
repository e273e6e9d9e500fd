"""What ``openmax monitor`` does; its arguments are in :mod:`openmax_core.cli.main`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.cli.commands import EXIT_UNREADABLE, choose
from openmax_core.cli.progress import say
from openmax_core.errors import OpenMaxError
from openmax_core.monitor.records import BatchRecords
from openmax_core.support.codec import plain
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import percent

if TYPE_CHECKING:
    from openmax_core.monitor.records import RecordedBatch
    from openmax_core.monitor.report import BatchReport, MeasuredBatch
    from openmax_core.prediction.choice import Choice
    from openmax_core.workspace.workspace import Workspace

EXIT_DRIFT, EXIT_BROKEN = 5, 7
MOST_CLASSES, MOST_PICTURES, MOST_UNREADABLE = 12, 10, 20


def run_monitor(options: argparse.Namespace) -> int:
    """Compare a batch with the test set, and record it if asked to."""
    from openmax_core.cli.progress import ProgressBars
    from openmax_core.monitor.monitor import monitor
    from openmax_core.monitor.records import RecordedBatch, checked_name, default_name
    from openmax_core.workspace.workspace import Workspace

    workspace = Workspace.open(options.workspace)
    # Checked before the network runs, which may take long.
    name = checked_name(options.name or default_name(Path(options.batch)))
    moment = _moment(options.time)
    choice = choose(workspace, options)
    with ProgressBars() as bars:
        measured = monitor(
            workspace,
            options.batch,
            choice,
            level=options.level,
            compare=options.compare,
            has_labels=options.labels,
            device=options.device,
            progress=partial(bars.draw_network, "batch"),
        )
    record = RecordedBatch(name, "", measured.report)
    is_new = False
    if options.record:
        is_new = BatchRecords.of(workspace).find(measured.report) is None
        record = BatchRecords.of(workspace).add(measured, name, moment)
    if options.json:
        print(json.dumps(_values(workspace, record, measured), indent=2, allow_nan=False))
    else:
        _print(workspace, choice, record, measured, is_new)
    _print_unreadable(measured)
    if options.fail_on_drift and measured.report.is_promise_broken:
        return EXIT_BROKEN
    if options.fail_on_drift and measured.report.is_drifting:
        return EXIT_DRIFT
    return EXIT_UNREADABLE if measured.report.n_unreadable else 0


def _moment(text: str | None) -> datetime | None:
    """Read a moment; without a time zone it is in this machine's."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise OpenMaxError(
            f"--time {text}: write a date as 2026-03-31, or 2026-03-31T06:00"
        ) from error


def _values(workspace: Workspace, record: RecordedBatch, measured: MeasuredBatch) -> dict[str, Any]:
    from openmax_core.monitor.records import record_to_dict
    from openmax_core.monitor.shortlist import pictures_to_look_at

    pictures = measured.pictures
    unreadable = pictures[pictures["error"] != ""][["path", "error"]]
    listed = pictures_to_look_at(measured.report, pictures).drop(columns=["size", "mtime"])
    return {
        "workspace": workspace.settings.name,
        **record_to_dict(record),
        "time": record.time or None,
        "recorded": None if record.path is None else str(record.path),
        "unreadable_pictures": unreadable.to_dict(orient="records"),
        "pictures_to_look_at": plain(listed.head(MOST_PICTURES).to_dict(orient="records")),
    }


def _print(
    workspace: Workspace,
    choice: Choice,
    record: RecordedBatch,
    measured: MeasuredBatch,
    is_new: bool,
) -> None:
    from openmax_core.monitor.labels import PRESUPPOSED
    from openmax_core.monitor.report import p_text
    from openmax_core.monitor.shortlist import picture_in_words, pictures_to_look_at, what_is_listed

    report = measured.report
    lost = f" ({report.n_unreadable:,} unreadable)" if report.n_unreadable else ""
    count = f"{report.reject.n + report.n_unreadable:,} pictures{lost}"
    say(f"workspace   {workspace.settings.name} ({len(report.classes)} known classes)")
    say(
        f"method      {report.basis.preset}, threshold {threshold_text(choice.threshold)} "
        f"({choice.source}); calibrated on {report.basis.calibrated_on}"
    )
    say(f"batch       {record.name}: {count} of {report.source}")
    say(f"rejections  {report.rate_in_words}")
    say(f"            {report.difference_in_words} (Fisher's exact test)")
    if report.expectation_in_words:
        say(f"            {report.expectation_in_words}")
    say(
        f"{report.basis.measured:<12}{report.drift_in_words} (Cramér–von Mises against the test "
        "set, Holm over classes)"
    )
    _print_classes(report)
    if report.labels_in_words:
        say(f"labels      {report.labels_in_words}")
        say(f"            {report.promise_in_words} (exact binomial test)")
        say(f"            {PRESUPPOSED}")
    say(
        f"mix         {percent(report.mix.distance)} of the pictures in other classes than the "
        f"test set's, p {p_text(report.mix.p_value)} (χ²; gives no alarm)"
    )
    listed = pictures_to_look_at(report, measured.pictures)
    say(f"pictures    {report.not_compared or what_is_listed(report)}")
    if report.not_compared:
        say(f"            {what_is_listed(report)}")
    for _, picture in listed.head(MOST_PICTURES).iterrows():
        say(f"            {picture['path']}   {picture_in_words(picture)}")
    if (more := len(listed) - MOST_PICTURES) > 0 and report.compared_with:
        say(f"            and {more:,} more")
    for note in report.notes:
        say(f"note        {note}")
    say()
    say(f"{report.alarm_in_words.upper() or 'no drift'}: {report.verdict}")
    if report.caution:
        say(f"{report.caution}.")
    say(f"(alarm with a probability of at most {report.level:g} for a batch like the test set)")
    if record.path is None:
        say("not recorded; --record keeps it for the Monitor page")
    elif is_new:
        say(f"recorded as '{record.name}' in {record.path}")
    else:
        say(f"recorded already, as '{record.name}' of {record.time}, in {record.path}")


def _print_classes(report: BatchReport) -> None:
    from openmax_core.monitor.report import UNTESTED, class_table, p_text

    table = class_table(report)
    tested = table[table["verdict"] != UNTESTED]
    for row in tested.head(MOST_CLASSES).to_dict(orient="records"):
        shift = "no IQR" if math.isnan(row["shift"]) else f"{row['shift']:+.2f} IQR"
        say(
            f"            {row['class']}: {row['verdict']}, {shift}, p {p_text(row['adjusted'])}   "
            f"({row['pictures']:,} pictures, {row['test_pictures']:,} of the test set)"
        )
    if (more := len(tested) - MOST_CLASSES) > 0:
        say(f"            and {more:,} more classes")


def _print_unreadable(measured: MeasuredBatch) -> None:
    lost = measured.pictures[measured.pictures["error"] != ""]
    for path, error in lost[["path", "error"]].head(MOST_UNREADABLE).itertuples(index=False):
        say(f"unreadable: {path}: {error}", file=sys.stderr)
    if (more := len(lost) - MOST_UNREADABLE) > 0:
        say(f"unreadable: and {more:,} more; --json lists all", file=sys.stderr)
