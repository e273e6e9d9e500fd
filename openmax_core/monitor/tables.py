"""Recorded batches as tables: a row a class, a row a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from openmax_core.monitor.records import RecordedBatch
from openmax_core.monitor.report import BatchReport

DRIFTED, WITHIN, UNTESTED = "drifted", "within chance", "too few pictures"


def class_table(report: BatchReport) -> pd.DataFrame:
    """Distances per class, the most certain drift first: class, pictures, shift, p, verdict."""
    drift, order = report.drift, report.worst_first
    is_tested, drifted = drift.is_tested[order], report.drifted[order]
    verdicts = np.where(drifted, DRIFTED, np.where(is_tested, WITHIN, UNTESTED))
    return pd.DataFrame(
        {
            "class": np.array(report.classes, dtype=object)[order],
            "verdict": verdicts,
            "shift": drift.shift[order],
            "p_value": drift.p_value[order],
            "adjusted": drift.adjusted[order],
            "pictures": drift.n_batch[order],
            "share": drift.n_batch[order] / max(1, drift.n_batch.sum()),
            "test_pictures": drift.n_test[order],
            "test_share": drift.n_test[order] / max(1, drift.n_test.sum()),
        }
    )


def batch_table(records: Sequence[RecordedBatch], current: str) -> pd.DataFrame:
    """Recorded batches, the newest first; ``is_current``: decided with the basis of this key."""
    newest_first = list(reversed(records))
    reports = [record.report for record in newest_first]
    bounds = [report.reject.interval for report in reports]
    return pd.DataFrame(
        {
            "name": [record.name for record in newest_first],
            "time": [record.time for record in newest_first],
            "alarm": ["yes" if report.is_drifting else "" for report in reports],
            "reject_rate": [report.reject.value for report in reports],
            "low": [item.low for item in bounds],
            "high": [item.high for item in bounds],
            "expected": [report.expected.value for report in reports],
            "p_value": [report.difference.p_value for report in reports],
            "drifted": [int(report.drifted.sum()) for report in reports],
            "tested": [int(report.drift.is_tested.sum()) for report in reports],
            "pictures": [report.reject.n + report.n_unreadable for report in reports],
            "unreadable": [report.n_unreadable for report in reports],
            "method": [report.basis.preset for report in reports],
            "threshold": [report.basis.threshold for report in reports],
            "is_current": [report.basis.key == current for report in reports],
            "source": [report.source for report in reports],
        }
    )
