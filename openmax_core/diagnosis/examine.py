"""The diagnosis of a workspace: folders, files, classes, transform, logits."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from openmax_core.activations.activations import Activations
from openmax_core.diagnosis.files import (
    Listing,
    duplicate_findings,
    folder_findings,
    list_split,
    unreadable_findings,
)
from openmax_core.diagnosis.findings import (
    ERROR,
    Diagnosis,
    Finding,
    Trial,
    counted,
    in_order,
    toml_lines,
)
from openmax_core.diagnosis.outputs import (
    ADVICE_OF_TABLES,
    Known,
    Order,
    accuracy_findings,
    class_findings,
    confusion,
    find_order,
    output_findings,
    predicted,
)
from openmax_core.diagnosis.trials import (
    MOST_STORED,
    Picture,
    Report,
    Tried,
    candidates,
    common_size,
    draw_sample,
    try_out,
)
from openmax_core.errors import ClassifierError, OpenMaxError, WorkspaceError
from openmax_core.methods.registry import has_settings, new_method
from openmax_core.methods.settings import PRESETS
from openmax_core.network.checkpoint import noted_by_training
from openmax_core.support.arrays import Int
from openmax_core.support.files import listed
from openmax_core.workspace.workspace import Workspace

BUDGET = 20.0  # seconds
HASHING = 0.15  # share of them for comparing files
QUICK_BYTES = 200_000_000  # of a weights file
MOST_PICTURES = 20_000  # stored ones of a large set that are looked at
MOST_ROWS = 2_000  # logits of a set that are looked at
# A transform is better where it has five points more right, and so many pictures that it alone
# gets right, against those that the stored one alone does, are no chance (sign test).
LEAST_GAIN, LEVEL = 0.05, 0.005
# An explanation by two causes must be this much better than the best one by one cause.
TWO_CAUSES = 0.1
# What logits look like under a wrong transform says nothing.
FOLLOWS_FROM_TRANSFORM = {"constant", "one class", "saturated", "shifted", "not finite"}
FOLLOWS_FROM_ORDER = {"one class"}


def examine(
    workspace: Workspace,
    device: str = "auto",
    budget: float | None = None,
    progress: Report | None = None,
) -> Diagnosis:
    """Look for what is wrong with a workspace; nothing is stored or changed.

    Imports torch, but for an ONNX file.

    The network runs over a sample of the training and test pictures, under the stored transform
    and under other plausible ones. Stored activations are used where there are any, so that class
    orders are judged on all pictures. What cannot be looked at is a finding, or is named in
    ``not_examined``.

    Parameters
    ----------
    device : 'auto', 'cpu', 'cuda' or 'mps'
    budget : seconds after which nothing new is begun, 20 without; loading the network counts
    progress : called with the pictures done and to do; what it raises ends the examination

    Raises
    ------
    ClassifierError
        The device does not exist.
    """
    seconds = BUDGET if budget is None else budget
    if not workspace.settings.tables:  # else no network runs, and torch is not asked
        device = workspace.classifier.choose_device(device)
    return _Examination(workspace, device, seconds, progress or _ignore).run()


def is_quick(workspace: Workspace) -> bool:
    """Tell whether :func:`examine` keeps its budget: a large network takes long to load alone."""
    locations = [workspace.pictures.location(split) for split in workspace.pictures.splits]
    if not all(isinstance(location, Path) for location in locations):
        return False
    try:
        return workspace.classifier.weights_path.stat().st_size <= QUICK_BYTES
    except (OSError, WorkspaceError):  # then no network is loaded
        return True


def _ignore(_: tuple[int, int]) -> None:
    """Nobody wants to know."""


@dataclass
class _Examination:
    workspace: Workspace
    device: str
    budget: float
    report: Report
    findings: list[Finding] = field(default_factory=list)
    not_examined: list[str] = field(default_factory=list)
    listings: dict[str, Listing] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def run(self) -> Diagnosis:
        classes = self.workspace.classes
        stored = self._stored()
        self._look_at_folders(set(stored))
        self._look_at_features()
        tried, sample, lost = self._run_network()
        self._look_at_files(stored, sample, lost)
        known = self._known(stored, tried, sample)
        trials: tuple[Trial, ...] = ()
        if known:
            trials, explained = self._explain(known, tried, sample)
            if not explained:  # else they follow from it
                self._judge(known, bool(tried))
        labels, predictions, _ = _together(known)
        return Diagnosis(
            classes,
            in_order(self.findings),
            {split: item.accuracy for split, item in known.items()},
            confusion(labels, predictions, len(classes)),
            trials,
            tuple(self.not_examined),
            time.monotonic() - self.started,
        )

    @property
    def _fitted(self) -> str:
        return self.workspace.pictures.calibration_split

    @property
    def _command(self) -> str:
        return f"openmax extract {quote(str(self.workspace.folder))}"

    def _stored(self) -> dict[str, Activations]:
        """Stored activations by split, a sample of large ones."""
        sets, found = self.workspace.stored, {}
        for split in self.workspace.pictures.splits:
            try:
                activations = sets.few(split, MOST_PICTURES)
            except WorkspaceError:  # no weights: said where they are loaded
                return {}
            except OpenMaxError as error:
                self.findings.append(Finding("stored", ERROR, str(error)))
                continue
            if activations is not None and len(activations.logits):
                found[split] = activations
        return found

    def _look_at_features(self) -> None:
        """Say where features are asked for that the network does not have; no picture runs."""
        classifier = self.workspace.classifier
        self._look_at_method()
        if classifier.features is None or self.workspace.settings.tables:
            return
        try:
            classifier.n_features(may_load=True)
        except WorkspaceError:  # no weights: said where they are loaded
            return
        except OpenMaxError as error:
            self.findings.append(Finding("features", ERROR, str(error)))

    def _look_at_method(self) -> None:
        """Say where the default method or the operating point's needs features that are none."""
        try:
            names = {self.workspace.settings.defaults.preset}
            point = self.workspace.operating_point()
            names |= {point.preset} if point is not None and point.preset else set()
            for name in sorted(names):
                if (problem := self.workspace.stored.features_problem(name)) is not None:
                    self.findings.append(Finding("features", ERROR, problem))
        except OpenMaxError:  # said where activations and points are looked at
            return

    def _look_at_folders(self, stored: set[str]) -> None:
        if self.workspace.settings.tables:
            self.not_examined.append(
                "The workspace is made of tables of logits: there are no folders, no pictures and "
                "no network to look at."
            )
            return
        pictures, classes = self.workspace.pictures, self.workspace.classes
        for split in pictures.splits:
            if split in stored and self.workspace.stored.if_many(split) is not None:
                self.not_examined.append(f"The folder of {split} has too many files to be listed.")
                continue
            before = len(self.findings)
            try:
                listing = list_split(split, pictures.location(split), classes)
                self.listings[split] = listing
                self.findings += folder_findings(listing, classes, split == self._fitted)
                if len(self.findings) == before:
                    pictures.find(split)  # what the extraction would say
            except OpenMaxError as error:
                self.findings.append(Finding("folder", ERROR, str(error)))
        found, left_out = duplicate_findings(
            list(self.listings.values()), classes, HASHING * self.budget
        )
        self.findings += found
        self.not_examined += [left_out] if left_out else []

    def _run_network(self) -> tuple[list[Tried], list[Picture], dict[int, str]]:
        """Run the sample under the stored transform and the others."""
        workspace = self.workspace
        if workspace.settings.tables:
            return [], [], {}
        if workspace.settings.transform.has_bytes_scale:
            self._doubt_normalisation()
        splits = [split for split in (self._fitted, "test") if split in self.listings]
        sample = draw_sample([self.listings[split] for split in splits], MOST_STORED)
        try:
            classifier = workspace.classifier.load_any()
        except OpenMaxError as error:
            self.findings.append(Finding("weights", ERROR, str(error)))
            return [], sample, {}
        if not sample:
            self.not_examined.append("The network did not run: there are no pictures of classes.")
            return [], sample, {}
        try:
            tried, lost = try_out(
                classifier,
                self.device,
                candidates(classifier, common_size(sample)),
                sample,
                len(sample),
                self.started + self.budget,
                self.report,
            )
        except ClassifierError as error:
            self.findings.append(Finding("transform", ERROR, str(error)))
            return [], sample, {}
        return tried, sample, lost

    def _doubt_normalisation(self) -> None:
        transform = self.workspace.settings.transform
        mean, std = (
            [float(f"{value / 255:.6g}") for value in item]
            for item in (transform.mean, transform.std)
        )
        self.findings.append(
            Finding(
                "normalisation",
                ERROR,
                f"mean {list(transform.mean)} and std {list(transform.std)} are of channels from 0 "
                "to 255; here channels go from 0 to 1.",
                write=toml_lines("transform", {"mean": mean, "std": std}),
                run=self._command,
                figures={"mean": list(transform.mean), "std": list(transform.std)},
            )
        )

    def _look_at_files(
        self, stored: dict[str, Activations], sample: Sequence[Picture], lost: dict[int, str]
    ) -> None:
        errors: dict[str, str] = {}
        n_files = 0
        for split, activations in stored.items():
            n_files += activations.n_readable + activations.n_unreadable
            table = activations.unreadable[["path", "error"]]
            errors |= {f"{split}/{path}": why for path, why in table.itertuples(index=False)}
        sampled = [place for place, item in enumerate(sample) if item.split not in stored]
        n_files += len(sampled)
        errors |= {
            f"{sample[place].split}/{sample[place].path}": lost[place]
            for place in sampled
            if place in lost
        }
        self.findings += unreadable_findings(errors, n_files)

    def _known(
        self, stored: dict[str, Activations], tried: Sequence[Tried], sample: Sequence[Picture]
    ) -> dict[str, Known]:
        """Logits under the stored settings by set: what is stored, else the sample's."""
        n_classes, found = len(self.workspace.classes), {}
        for split in dict.fromkeys((self._fitted, "test")):
            listing = self.listings.get(split)
            n_files = None if listing is None else listing.count(n_classes)
            if split in stored:
                item = stored[split]
                rows = np.unique(np.linspace(0, len(item) - 1, MOST_ROWS).astype(np.int64))
                predictions = item.readable["prediction"].to_numpy(dtype=np.int64)
                logits, is_whole = np.asarray(item.logits[rows]), item.whole is None
                found[split] = Known(item.labels, predictions, logits, rows, n_files, is_whole)
            elif tried:
                rows = tried[0].rows
                mine = np.array([sample[row].split == split for row in rows], dtype=bool)
                labels = np.array([sample[row].label for row in rows[mine]], dtype=np.int64)
                whole = listing is not None and len(labels) == int((listing.labels >= 0).sum())
                logits = tried[0].logits[mine]
                if len(labels):
                    found[split] = Known(
                        labels, predicted(logits), logits, np.arange(len(labels)), n_files, whole
                    )
        return found

    def _judge(self, known: dict[str, Known], has_trials: bool) -> None:
        """Say what is too little right, where nothing explains it."""
        defaults = self.workspace.settings.defaults
        split = "test" if "test" in known else next(iter(known))
        train = f"openmax train {quote(str(self.workspace.folder))}"
        if self.workspace.settings.tables or self.workspace.settings.classifier.model is not None:
            train = ""
        found = accuracy_findings(
            split, known[split], defaults.min_test_accuracy, train, has_trials
        )
        self.findings += self._advised(found)
        if self._fitted in known and has_settings(defaults.preset):
            needed = PRESETS[defaults.preset].tail_size
            self.findings += class_findings(
                self._fitted, known[self._fitted], self.workspace.classes, needed
            )

    def _explain(
        self, known: dict[str, Known], tried: Sequence[Tried], sample: Sequence[Picture]
    ) -> tuple[tuple[Trial, ...], bool]:
        """Say which order of classes, which transform or both explain the mistakes."""
        order = find_order(self.workspace.classes, *_divided(*_together(known)))
        judged = self._judged(tried, sample, order)
        trials = tuple(
            Trial(name, item.write, item.n, item.n_right, item.n_right_reordered)
            for name, item in judged.items()
        )
        odd = output_findings(
            np.concatenate([item.logits for item in known.values()]),
            np.concatenate([item.labels[item.rows] for item in known.values()]),
            new_method(self.workspace.settings.defaults.preset).ignores_common_shift,
            is_model=self.workspace.settings.classifier.model is not None,
        )
        # Trained with this very transform: a network that has learned little may well do better
        # with another one by chance of its biases, and it is no mistake in the settings.
        others = [] if self._is_trained_so() else list(judged.items())[1:]
        now = next(iter(judged.values()), None)
        better = [item for item in others if now is not None and item[1].beats(now)]
        best = max(better, key=lambda item: item[1].rank, default=None)
        orders = [item for item in others if item[1].order is not None]
        both = max(orders, key=lambda item: item[1].order_share, default=None)
        by_order, by_transform = order.share if order else 0.0, best[1].share if best else 0.0
        follows: set[str] = set()
        if both and now and both[1].order_share > max(by_order, by_transform) + TWO_CAUSES:
            self._say_transform(*both, now, is_reordered=True)
            self._say_order(both[1].order, gain=self.findings[-1].gain)
            follows = FOLLOWS_FROM_TRANSFORM
        elif order is not None and by_order >= by_transform:
            self._say_order(order, order.share - order.n_right_now / order.n)
            follows = FOLLOWS_FROM_ORDER
        elif best and now:
            self._say_transform(*best, now, is_reordered=False)
            follows = FOLLOWS_FROM_TRANSFORM
        self.findings += self._advised([item for item in odd if item.kind not in follows])
        return trials, bool(follows)

    def _is_trained_so(self) -> bool:
        """Tell whether the weights file notes that it was trained with the present transform."""
        settings = self.workspace.settings
        if settings.tables or settings.classifier.weights is None:
            return False
        noted = noted_by_training(self.workspace.classifier.weights_path).get("transform")
        present = json.loads(json.dumps(settings.transform.to_dict()))
        return bool(noted == present)

    def _advised(self, found: list[Finding]) -> list[Finding]:
        """Give the advice that fits tables, where the workspace is made of them."""
        if not self.workspace.settings.tables:
            return found
        return [
            replace(item, advice=ADVICE_OF_TABLES.get(item.kind, item.advice)) for item in found
        ]

    def _judged(
        self, tried: Sequence[Tried], sample: Sequence[Picture], order: Order | None
    ) -> dict[str, _Judged]:
        """Count what each candidate gets right, also in the order that explains it best."""
        classes, stored = self.workspace.classes, self.workspace.settings.transform
        # The stored one ran on more pictures; it is shown on those that the others ran on.
        most = min((int(item.rows[-1]) for item in tried[1:]), default=len(sample))
        found = {}
        for item in tried:
            within = item.rows <= most
            rows, predictions = item.rows[within], predicted(item.logits[within])
            labels = np.array([sample[row].label for row in rows], dtype=np.int64)
            is_test = np.array([sample[row].split == "test" for row in rows], dtype=bool)
            own = order
            if item is not tried[0]:
                own = find_order(classes, *_divided(labels, predictions, is_test))
            shown = own or order
            reordered = shown.n_right_of(classes, labels, predictions) if shown else None
            write = item.candidate.write(stored)
            right = labels == predictions
            found[item.candidate.name] = _Judged(write, rows, right, own, reordered)
        return found

    def _say_order(self, order: Order | None, gain: float) -> None:
        if order is None:
            return
        which = f" It is {order.in_words}." if order.in_words else ""
        if self.workspace.settings.tables:
            self._say_order_of_tables(order, which, gain)
            return
        self.findings.append(
            Finding(
                "class order",
                ERROR,
                "The network's outputs do not stand in the order of classes in workspace.toml: in "
                f"the order below {order.n_right:,} of {counted(order.n, 'picture')} are right, in "
                f"the present one {order.n_right_now:,}.{which}",
                write=toml_lines("classifier", {"classes": list(order.names)}),
                run=self._command,
                figures=order.figures,
                gain=max(gain, 0.0),
            )
        )

    def _say_order_of_tables(self, order: Order, which: str, gain: float) -> None:
        """A table's columns and labels both name classes: one of them is wrong in the file."""
        self.findings.append(
            Finding(
                "class order",
                ERROR,
                "The labels and the logits of the tables do not name the same classes: with the "
                f"columns in the order below {order.n_right:,} of {counted(order.n, 'row')} are "
                f"right, as they are {order.n_right_now:,}.{which}",
                advice="Where the tables are written, put the labels and the columns of logits in "
                f"one order. Columns that fit the labels: {listed(list(order.names))}.",
                run=self._command,
                figures=order.figures,
                gain=max(gain, 0.0),
            )
        )

    def _say_transform(self, name: str, item: _Judged, now: _Judged, is_reordered: bool) -> None:
        right = (item.n_right_reordered if is_reordered else item.n_right) or 0
        right_now = now.right_on(item.rows)
        together = ", with the classes in the order that follows," if is_reordered else ""
        self.findings = [f for f in self.findings if f.kind != "normalisation"]
        self.findings.append(
            Finding(
                "transform",
                ERROR,
                "The pictures reach the network in another way than in its training: with the "
                f"transform below ({name}){together} {right:,} of "
                f"{counted(item.n, 'picture')} are right, with the stored one {right_now:,}.",
                advice="It is the best of those that were tried. If you know what the network was "
                "trained with, write that.",
                write=item.write,
                run=self._command,
                figures={"pictures": item.n, "right": right, "right_now": right_now},
                gain=(right - right_now) / item.n,
            )
        )


@dataclass(frozen=True)
class _Judged:
    """A candidate, and which pictures it gets right."""

    write: str
    rows: Int
    is_right: NDArray[np.bool_]
    order: Order | None
    n_right_reordered: int | None

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def n_right(self) -> int:
        return int(self.is_right.sum())

    @property
    def share(self) -> float:
        return self.n_right / max(self.n, 1)

    @property
    def order_share(self) -> float:
        """Accuracy in its own order, of the pictures that this was not made from."""
        return 0.0 if self.order is None else self.order.share

    @property
    def rank(self) -> tuple[int, int]:
        """By what is right; among equals the one that changes least, and the likelier first."""
        return self.n_right, -self.write.count("\n")

    def right_on(self, rows: Int) -> int:
        """Count the right ones among some pictures."""
        return int(self.is_right[np.isin(self.rows, rows)].sum())

    def beats(self, now: _Judged) -> bool:
        """Tell whether it is better than the stored one beyond chance, on the same pictures."""
        from scipy.stats import binom

        both, mine, its = np.intersect1d(self.rows, now.rows, return_indices=True)
        only_mine = int((self.is_right[mine] & ~now.is_right[its]).sum())
        only_its = int((~self.is_right[mine] & now.is_right[its]).sum())
        if only_mine - only_its < LEAST_GAIN * max(len(both), 1):
            return False
        by_chance = float(binom.sf(only_mine - 1, only_mine + only_its, 0.5))
        return only_mine > only_its and by_chance < LEVEL


def _together(known: dict[str, Known]) -> tuple[Int, Int, NDArray[np.bool_]]:
    """Labels and predictions of all sets, and which of them are of test pictures."""
    none = np.empty(0, dtype=np.int64)
    labels = [item.labels for item in known.values()]
    predictions = [item.predictions for item in known.values()]
    is_test = [np.full(len(item.labels), split == "test") for split, item in known.items()]
    return (
        np.concatenate([none, *labels]),
        np.concatenate([none, *predictions]),
        np.concatenate([none.astype(bool), *is_test]),
    )


def _divided(
    labels: Int, predictions: Int, is_test: NDArray[np.bool_]
) -> tuple[tuple[Int, Int], tuple[Int, Int]]:
    """Training pictures and test pictures; every other one of each class where one is missing."""
    if is_test.all() or not is_test.any():
        order = np.argsort(labels, kind="stable")
        is_test = np.zeros(len(labels), dtype=bool)
        is_test[order[1::2]] = True
    return (labels[~is_test], predictions[~is_test]), (labels[is_test], predictions[is_test])
