"""Batches that were recorded in a workspace: ``batches/<time>-<id>.parquet``, one file a batch.

The table is the batch's pictures; name, time and figures are JSON in the file's own metadata, so
that a batch is there whole or not at all, and reading the figures of many reads no pictures. The
id is of what was decided and with what: the same batch is recorded once. To forget a batch, delete
its file.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import stored_settings
from openmax_core.monitor.drift import ClassDrift, MixDifference, Share, ShareDifference
from openmax_core.monitor.labels import Labelled
from openmax_core.monitor.report import Basis, BatchReport, ExpectedRise, MeasuredBatch
from openmax_core.support.arrays import Float, Int
from openmax_core.support.codec import (
    Column,
    MaybeNan,
    entry,
    parse_json,
    plain,
    read_columns,
    rebuilt,
    without_header,
)
from openmax_core.support.files import fingerprint, modified, printable, write_bytes_atomically
from openmax_core.tradeoff.intervals import Interval
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.workspace.workspace import Workspace

FORMAT = "openmax-batch"
FORMAT_VERSION = 1
SUFFIX = ".parquet"
LONGEST_NAME = 60
NOT_IN_OLDER_RECORDS = {
    "not_compared": None,
    "is_chosen_on_test_set": False,
    "expected_rise": None,
    "labelled": None,
}


@dataclass(frozen=True)
class RecordedBatch:
    """A batch with a name and the moment (ISO 8601, UTC) that it is of."""

    name: str
    time: str
    report: BatchReport
    path: Path | None = None

    @property
    def id(self) -> str:
        """Fingerprint of the batch's content and of what it was decided with."""
        return fingerprint(self.report.content, self.report.basis.key)

    def pictures(self) -> pd.DataFrame:
        """Return the batch's pictures, see :class:`openmax_core.monitor.report.MeasuredBatch`.

        Raises
        ------
        OpenMaxError
            The file is gone or damaged; it is named.
        """
        if self.path is None:
            raise OpenMaxError(f"the batch '{self.name}' is not recorded")
        report = self.report
        try:
            table = read_columns(self.path, _columns(len(report.classes)))
            n_read = int((table["nearest"] >= 0).sum())
            if (n_read, len(table) - n_read) != (report.reject.n, report.n_unreadable):
                raise OpenMaxError("its pictures are not those of its figures")
        except OpenMaxError as error:
            raise _cannot_read(self.path, error) from error
        return table


@dataclass(frozen=True)
class BatchRecords:
    """The folder of a workspace's recorded batches; made when the first is recorded."""

    folder: Path

    @classmethod
    def of(cls, workspace: Workspace) -> BatchRecords:
        """Batches that were monitored and recorded in a workspace."""
        return cls(workspace.folder / "batches")

    def load(self) -> tuple[list[RecordedBatch], list[str]]:
        """Recorded batches, the oldest first, and what is wrong with files that cannot be read."""
        records, problems = [], []
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            try:
                records.append(_read(path, modified(path)))
            except OpenMaxError as error:
                problems.append(str(error))
        return sorted(records, key=lambda item: item.time), problems

    def find(self, report: BatchReport) -> RecordedBatch | None:
        """Return the record of the same pictures decided with the same; None if there is none."""
        wanted = RecordedBatch("", "", report).id
        paths = sorted(self.folder.glob(f"*-{wanted}{SUFFIX}"))
        return _read(paths[0], modified(paths[0])) if paths else None

    def add(
        self, measured: MeasuredBatch, name: str, moment: datetime | None = None
    ) -> RecordedBatch:
        """Record a batch; one that is recorded already is returned as it is.

        Parameters
        ----------
        name : at most 60 characters; need not be new
        moment : that it is of; now without

        Raises
        ------
        OpenMaxError
            The name is empty or too long, the disk is full or the folder cannot be written;
            nothing stays behind.
        """
        name = checked_name(name)
        if (recorded := self.find(measured.report)) is not None:
            return recorded
        moment = (moment or datetime.now(UTC)).astimezone(UTC)
        time = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
        record = RecordedBatch(name, time, measured.report)
        path = self.folder / f"{moment:%Y%m%dT%H%M%SZ}-{record.id}{SUFFIX}"
        write_bytes_atomically(path, _content(record, measured.pictures))
        return RecordedBatch(name, time, measured.report, path)

    def remove(self, record: RecordedBatch) -> None:
        """Forget a batch; one that is gone already is no error.

        Raises
        ------
        OpenMaxError
            The file cannot be deleted.
        """
        try:
            if record.path is not None:
                record.path.unlink(missing_ok=True)
        except OSError as error:
            raise OpenMaxError(f"cannot delete {record.path}: {error.strerror}") from error


def _columns(n_classes: int) -> dict[str, Column]:
    """Columns of the table of pictures, see :class:`openmax_core.monitor.report.MeasuredBatch`."""
    return {
        "path": str,
        "size": int,
        "mtime": int,
        "error": str,
        "nearest": range(-1, n_classes),
        "prediction": range(-1, n_classes + 1),
        "is_rejected": bool,
        **dict.fromkeys(("score", "distance", "share", "excess", "score_before"), float),
        "prediction_before": range(-1, n_classes + 1),
        "is_rejected_before": bool,
    }


def checked_name(name: str) -> str:
    """Return a batch's name without blanks around it.

    Raises
    ------
    OpenMaxError
        It is empty or longer than 60 characters.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise OpenMaxError(
            f"a batch needs a name of at most {LONGEST_NAME} characters, not '{name}'"
        )
    return name


def default_name(source: Path) -> str:
    """Name of a batch where none is given: its folder's, or its file's without the ending."""
    source = source.resolve()
    name = source.name if source.is_dir() else source.stem
    return printable(name)[:LONGEST_NAME].strip() or "batch"


def batch_table(records: Sequence[RecordedBatch], current: str) -> pd.DataFrame:
    """Recorded batches, the newest first; ``is_current``: decided with the basis of this key."""
    newest_first = list(reversed(records))
    reports = [record.report for record in newest_first]
    bounds = [report.reject.interval for report in reports]
    return pd.DataFrame(
        {
            "name": [record.name for record in newest_first],
            "time": [record.time for record in newest_first],
            "alarm": [report.alarm_in_words for report in reports],
            "reject_rate": [report.reject.value for report in reports],
            "low": [item.low for item in bounds],
            "high": [item.high for item in bounds],
            "expected": [report.expected.value for report in reports],
            "p_value": [report.difference.p_value for report in reports],
            "test_accuracy": [_test_accuracy(report) for report in reports],
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


def _test_accuracy(report: BatchReport) -> float:
    return math.nan if report.labelled is None else report.labelled.test.value


def record_to_dict(record: RecordedBatch) -> dict[str, Any]:
    """Name, time and figures as plain values without NaN, for JSON."""
    report = record.report
    difference, drift = report.difference, report.drift
    classes = {
        "class": report.classes,
        "pictures": drift.n_batch.tolist(),
        "test_pictures": drift.n_test.tolist(),
        "shift": drift.shift.tolist(),
        "p_value": drift.p_value.tolist(),
        "adjusted": drift.adjusted.tolist(),
        "is_drifted": report.drifted.tolist(),
    }
    values = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": record.name,
        "time": record.time,
        "source": report.source,
        "folder": report.folder,
        "content": report.content,
        "basis": report.basis,
        "pictures": report.reject.n + report.n_unreadable,
        "unreadable": report.n_unreadable,
        "reject_rate": _share(report.reject),
        "expected": _share(report.expected),
        "difference": {
            "value": difference.value,
            **asdict(difference.interval),
            "p_value": difference.p_value,
        },
        "level": report.level,
        "is_rate_off": report.is_rate_off,
        "is_drifting": report.is_drifting,
        "is_promise_broken": report.is_promise_broken,
        "is_alarm": report.is_alarm,
        "verdict": report.verdict,
        "classes": [
            dict(zip(classes, row, strict=True)) for row in zip(*classes.values(), strict=True)
        ],
        "mix": report.mix,
        "compared_with": report.compared_with or None,
        "shared": report.n_shared,
        "decided_otherwise": report.n_flipped,
        "not_compared": report.not_compared or None,
        "is_chosen_on_test_set": report.is_chosen_on_test_set,
        "expected_rise": report.expected_rise,
        "labelled": report.labelled,
        "notes": report.notes,
    }
    found: dict[str, Any] = plain(values)
    return found


def record_from_dict(given: Any, path: Path | None = None) -> RecordedBatch:
    """Rebuild a record from :func:`record_to_dict`.

    Raises
    ------
    OpenMaxError
        It is none, or of another version; the entry is named.
    """
    values, _ = without_header(given, FORMAT, FORMAT_VERSION)
    values = NOT_IN_OLDER_RECORDS | values

    def read(kind: Any, place: str) -> Any:
        return entry(kind, values, place)

    def share(place: str) -> Share:
        found = Share(read(int, f"{place}.rejected"), read(int, f"{place}.pictures"))
        if not 0 <= found.rejected <= found.n:
            raise OpenMaxError(f"{place}.rejected must lie between 0 and {found.n}")
        return found

    settings = read(dict[str, Any], "basis.settings")
    method = {"settings": stored_settings(settings, read(str, "basis.preset"))}
    interval = Interval(read(MaybeNan, "difference.low"), read(MaybeNan, "difference.high"))
    report = BatchReport(
        source=read(str, "source"),
        folder=read(str | None, "folder"),
        basis=rebuilt(Basis, values["basis"] | method, "basis"),
        classes=read(tuple[str, ...], "classes[].class"),
        content=read(str, "content"),
        n_unreadable=read(int, "unreadable"),
        reject=share("reject_rate"),
        expected=share("expected"),
        difference=ShareDifference(
            read(MaybeNan, "difference.value"), interval, read(MaybeNan, "difference.p_value")
        ),
        drift=ClassDrift(
            read(Int, "classes[].pictures"),
            read(Int, "classes[].test_pictures"),
            read(Float, "classes[].p_value"),
            read(Float, "classes[].adjusted"),
            read(Float, "classes[].shift"),
        ),
        mix=read(MixDifference, "mix"),
        level=read(float, "level"),
        compared_with=read(str | None, "compared_with") or "",
        n_shared=read(int, "shared"),
        n_flipped=read(int, "decided_otherwise"),
        not_compared=read(str | None, "not_compared") or "",
        is_chosen_on_test_set=read(bool, "is_chosen_on_test_set"),
        expected_rise=read(ExpectedRise | None, "expected_rise"),
        labelled=read(Labelled | None, "labelled"),
        notes=read(tuple[str, ...], "notes"),
    )
    class_limits(report.classes, report.basis.threshold, report.basis.class_thresholds)
    _require_sound_figures(report)
    time = read(str, "time")
    try:
        datetime.fromisoformat(time)
    except ValueError as error:
        raise OpenMaxError(f"time: {error}") from error
    return RecordedBatch(read(str, "name"), time, report, path)


def _require_sound_figures(report: BatchReport) -> None:
    """Refuse probabilities that are none, counts below 0, and classes that are none."""
    drift, mix = report.drift, report.mix
    if len(set(report.classes)) != len(report.classes) or not report.classes:
        raise OpenMaxError("classes must be one or more different ones")
    if not 0 < report.level < 1:
        raise OpenMaxError(f"level must lie between 0 and 1, not {report.level!r}")
    shares = {
        "difference.p_value": report.difference.p_value,
        "mix.p_value": mix.p_value,
        "mix.distance": mix.distance,
        "classes[].p_value": drift.p_value,
        "classes[].adjusted": drift.adjusted,
    }
    counts: dict[str, int | Int] = {
        "unreadable": report.n_unreadable,
        "shared": report.n_shared,
        "decided_otherwise": report.n_flipped,
        "classes[].pictures": drift.n_batch,
        "classes[].test_pictures": drift.n_test,
    }
    if (labelled := report.labelled) is not None:
        shares["labelled.p_value"] = labelled.p_value
        named = vars(labelled).items()
        counts |= {f"labelled.{name}": n for name, n in named if isinstance(n, int)}
        if labelled.lost > labelled.rejected_known:
            raise OpenMaxError("labelled.lost must be at most labelled.rejected_known")
        if labelled.is_tested and labelled.requirement is None:
            raise OpenMaxError("labelled.p_value must be of a requirement")
    for name, share in shares.items():
        values = np.asarray(share)
        if ((values < 0) | (values > 1)).any():  # NaN is neither
            raise OpenMaxError(f"{name} must lie between 0 and 1")
    for name, count in counts.items():
        if np.asarray(count).min() < 0:
            raise OpenMaxError(f"{name} must be 0 or more")


@lru_cache(maxsize=2000)
def _read(path: Path, moment: int | None) -> RecordedBatch:
    """A record that is read again only when its file changes."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        metadata = read_metadata(path).metadata or {}
        return record_from_dict(parse_json(metadata.get(FORMAT.encode(), b"null")), path)
    except (OSError, ArrowException, OpenMaxError) as error:
        raise _cannot_read(path, error) from error


def _content(record: RecordedBatch, pictures: pd.DataFrame) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    text = json.dumps(record_to_dict(record), allow_nan=False, separators=(",", ":"))
    table = pa.Table.from_pandas(pictures, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), FORMAT: text})
    stream = io.BytesIO()
    write_table(table, stream)
    return stream.getvalue()


def _cannot_read(path: Path, error: Exception) -> OpenMaxError:
    return OpenMaxError(f"cannot read the recorded batch {path} ({error}); delete that file")


def _share(share: Share) -> dict[str, Any]:
    return {
        "rejected": share.rejected,
        "pictures": share.n,
        "share": share.value,
        **asdict(share.interval),
    }
