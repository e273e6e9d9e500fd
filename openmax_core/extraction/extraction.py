"""Extraction: the network runs once over every picture that is new or changed.

1. List the pictures of every split; a mistake in a folder shows before anything is run.
2. Wait until no other process extracts into the same store.
3. Per split, find the logits of files that have not changed, finished or not, and run the rest
   through the network. Results are stored in shards as they come, so that whatever ends the run,
   the next one goes on after the last of them, with the same batches. What the machine did not
   give is in no shard: whatever comes next tries it again.
4. Store all splits, and remove the shards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from openmax_core.activations.activations import Activations
from openmax_core.activations.store import ActivationStore, identities
from openmax_core.errors import ActivationsError, NotRead, OpenMaxError
from openmax_core.extraction.cluster import Cluster
from openmax_core.network.engines import Engine
from openmax_core.network.inference import Progress, Result, run
from openmax_core.pictures.folders import PictureFiles
from openmax_core.pictures.locations import Location
from openmax_core.support.arrays import LARGEST_FEATURE
from openmax_core.support.files import require_room

ProgressCallback = Callable[[str, Progress], None]
# A shard is lost where a run is killed; writing one takes some milliseconds.
BATCHES_IN_SHARD = 16
SMALLEST_SHARD = 128
BYTES_OF_NUMBER = 4
OTHER_PROCESS = "another process that extracts this workspace"


# What runs the network: an engine of this machine, or a cluster.
Runner: TypeAlias = Engine | Cluster


@dataclass
class ExtractionReport:
    """What an extraction did.

    Attributes
    ----------
    n_run, n_reused, n_unreadable : dict of split to int
        Pictures run through the network, taken over from before, and not readable.
    n_not_read : int
        Of those not readable, the ones that the machine did not give, and that are tried again.
    n_resumed : int
        Of those taken over, the ones of a run that was interrupted.
    changes : list of str
        What of the classifier has changed since the last extraction, so that all is run again.
    engine : str
        What ran the network; empty if there was nothing to run.
    seconds : float
    is_of_tables : bool
        Rows of tables were read; no network ran.
    n_features : int
        Features that are stored of each picture; 0 for none.
    n_clipped : int
        Pictures with a feature beyond ±65,504, which is stored as that.
    """

    n_run: dict[str, int] = field(default_factory=dict)
    n_reused: dict[str, int] = field(default_factory=dict)
    n_unreadable: dict[str, int] = field(default_factory=dict)
    n_not_read: int = 0
    n_resumed: int = 0
    changes: list[str] = field(default_factory=list)
    engine: str = ""
    seconds: float = 0.0
    is_of_tables: bool = False
    n_features: int = 0
    n_clipped: int = 0

    @property
    def in_words(self) -> str:
        """What was done, in sentences."""
        if self.is_of_tables:
            if not any(self.n_run.values()):
                return "Nothing to do: no table is new or changed."
            rows = sum(self.n_run.values())
            return f"{rows:,} rows of tables read in {self.seconds:.1f} s{self._of_features}."
        if not any(self.n_run.values()) and not self.n_resumed:
            return "Nothing to do: no picture is new or changed."
        n = sum(self.n_run.values())
        words = f"{n:,} pictures run in {self.seconds:.1f} s"
        if n:
            words += f" ({n / self.seconds:,.1f} pictures/s with the network's loading)"
            words += f" by {self.engine}"
        if self.n_resumed:
            words += f", going on after {self.n_resumed:,} of an interrupted run"
        words += self._of_features
        if self.changes == ["features"]:
            words += ". No features were stored before, so every picture was run again"
        elif self.changes:
            words += (
                f". {_listed(self.changes).capitalize()} had changed since the last extraction, "
                "so every picture was run again"
            )
        if n := self.n_not_read:
            words += (
                f". {n:,} picture{' was' if n == 1 else 's were'} not read for a reason of the "
                f"machine's; {'it is' if n == 1 else 'they are'} tried again at the next run"
            )
        return words + "."

    @property
    def _of_features(self) -> str:
        """Rest of a sentence on the features that are stored."""
        if not self.n_features:
            return ""
        words = f". {self.n_features:,} features of each are stored"
        if n := self.n_clipped:
            words += (
                f"; {n:,} picture{' has' if n == 1 else 's have'} a feature beyond "
                f"±{LARGEST_FEATURE:,.0f}, the most that float16 holds, which is stored as that"
            )
        return words


def extract(
    find_pictures: Callable[[], Mapping[str, PictureFiles]],
    store: ActivationStore,
    load_runner: Callable[[], Runner],
    n_classes: int,
    progress: ProgressCallback | None = None,
) -> ExtractionReport:
    """Bring the store up to date with the files that are there.

    Parameters
    ----------
    find_pictures : lists the picture files by split; called anew after waiting for another process
    load_runner : called once if there is anything to run
    progress : called with the split and how far it is; what it raises ends the run

    Raises
    ------
    WorkspaceError, ClassifierError, ActivationsError
        The folders, the weights, the device or the disk are not as they should be.
    """
    started = time.perf_counter()
    report = ExtractionReport()
    not_read: dict[str, dict[int, NotRead]] = {}
    saved: dict[str, Path] = {}
    tell = progress or (lambda split, progress: None)
    listings = find_pictures()
    first = next(iter(listings))
    if not store.holds_all(listings):
        waiting = Progress(0, len(listings[first]), 0, 0.0, OTHER_PROCESS)
        has_waited: list[bool] = []

        def on_wait() -> None:
            has_waited.append(True)
            tell(first, waiting)

        with store.locked(on_wait):
            if has_waited:
                listings = find_pictures()
            store.remove_leftovers()
            report.changes = store.changes(first)
            _run_all(listings, store, load_runner, n_classes, tell, report, not_read)
            # All at once, so that nobody sees one split from before beside another from now.
            for split, files in listings.items():
                if not store.holds(split, files):
                    rows = store.rows(split, files)
                    rows.add_not_read(not_read.get(split, {}))
                    saved[split] = store.save(split, files, rows, n_classes, report.engine)
            for split, files in listings.items():
                store.remove_others(split, saved.get(split) or _found(store, split, files))
    for split, files in listings.items():
        n_run = report.n_run.setdefault(split, 0)
        report.n_reused[split] = len(files) - n_run
        stored = Activations.load(saved.get(split) or _found(store, split, files))
        report.n_unreadable[split] = len(stored.unreadable)
        if store.features is not None:
            report.n_features = stored.key.get("n_features", 0)
            report.n_clipped += stored.key.get("n_clipped", 0)
    report.n_not_read = sum(map(len, not_read.values()))
    report.seconds = time.perf_counter() - started
    return report


def _found(store: ActivationStore, split: str, files: PictureFiles) -> Path:
    return store.found(split, files) or store.folder_of(split, files)


def _run_all(
    listings: Mapping[str, PictureFiles],
    store: ActivationStore,
    load_runner: Callable[[], Runner],
    n_classes: int,
    tell: ProgressCallback,
    report: ExtractionReport,
    not_read: dict[str, dict[int, NotRead]],
) -> None:
    """Run what no store and no shard has, split by split; ``not_read`` is filled in."""
    with ExitStack() as stack:
        runner: Runner | None = None
        for split, files in listings.items():
            if store.holds(split, files):
                continue
            rows = store.rows(split, files)
            missing = [index for index in range(len(files)) if index not in rows]
            report.n_resumed += rows.n_resumed
            report.n_run[split] = len(missing)
            if missing:
                tell(split, Progress(0, len(missing), 0, 0.0))
                if runner is None:
                    runner = load_runner()
                    stack.callback(runner.close)
                    report.engine = runner.in_words
                    if runner.n_features:
                        _require_room(store, listings, n_classes + runner.n_features // 2)
                not_read[split] = {}
                _run_missing(runner, store, split, files, missing, n_classes, tell, not_read[split])


def _require_room(
    store: ActivationStore, listings: Mapping[str, PictureFiles], n_numbers: int
) -> None:
    """Raise an error where the disk has no room for all that is not stored yet.

    Parameters
    ----------
    n_numbers : float32 numbers of a picture; shards and the finished store lie side by side
    """
    n_rows = 0
    for split, files in listings.items():
        if not store.holds(split, files):
            n_rows += 2 * len(files) - store.shards(split).n_pictures()
    try:
        require_room(store.folder, BYTES_OF_NUMBER * n_rows * n_numbers)
    except OpenMaxError as error:
        raise ActivationsError(
            f"{error}. Features need that room, half of it until the run ends; without them "
            "(features = false under [classifier] in workspace.toml) it is far less"
        ) from error


def _run_missing(
    runner: Runner,
    store: ActivationStore,
    split: str,
    files: PictureFiles,
    missing: list[int],
    n_classes: int,
    tell: ProgressCallback,
    not_read: dict[int, NotRead],
) -> None:
    """Store the results of the missing files in shards, a whole number of batches each.

    What the machine did not give goes into ``not_read``, by index into the files, and nowhere else.
    """
    sources = [files.folder / files.paths[index] for index in missing]
    everything = identities(files)
    pictures = [everything[index] for index in missing]
    shards = store.shards(split)
    batch = runner.batch_size
    size = batch * max(BATCHES_IN_SHARD, -(-SMALLEST_SHARD // batch))
    total, done, unreadable = len(missing), 0, 0
    held: list[Result] = []
    started = time.perf_counter()

    def on_wait(words: str) -> None:
        tell(split, Progress(done, total, unreadable, time.perf_counter() - started, words))

    def write(count: int) -> None:
        first = done - len(held)
        kept = []
        for place, result in enumerate(held[:count]):
            if isinstance(result, NotRead):
                not_read[missing[first + place]] = result
            else:
                kept.append(place)
        if kept:
            own = [pictures[first + place] for place in kept]
            shards.write(own, [held[place] for place in kept], n_classes)
        del held[:count]

    try:
        with closing(_results(runner, sources, on_wait)) as results:
            for position, result in results:
                held.append(result)
                done, unreadable = position + 1, unreadable + isinstance(result, str)
                if len(held) == size or done == total:
                    write(len(held))
                tell(split, Progress(done, total, unreadable, time.perf_counter() - started))
    except ActivationsError:
        raise
    except BaseException:
        # Stopped, or the device is lost: whole batches are kept, so that the next ones are as
        # they would have been.
        if whole := len(held) // batch * batch:
            with suppress(ActivationsError):
                write(whole)
        raise


def _results(
    runner: Runner, sources: Sequence[Location], on_wait: Callable[[str], None]
) -> Generator[tuple[int, Result], None, None]:
    """Index and logits of every picture, or why there are none; ``on_wait`` hears of waiting."""
    if isinstance(runner, Cluster):
        return runner.results(sources, on_wait)

    def tell(before: int) -> None:
        on_wait(f"the network, which {before} other{'s' * (before > 1)} asked for before")

    return run(runner, sources, tell)


def _listed(names: list[str]) -> str:
    """'the weights and the transform'."""
    words = [f"the {name}" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
