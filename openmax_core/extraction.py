"""Extraction: the network runs once over every picture that is new or changed.

1. List the pictures of every split; a mistake in a folder shows before anything is run.
2. Wait until no other process extracts into the same store.
3. Per split, take over the logits of files that have not changed, finished or not.
4. Run the rest through the network. Results are stored in shards as they come, so that whatever
   ends the run, the next one goes on after the last of them, with the same batches.
5. Store the split in one step, and remove its shards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from openmax_core.activations import Activations
from openmax_core.engines import Engine
from openmax_core.images import PictureFiles
from openmax_core.inference import Progress, Result, run
from openmax_core.store import ActivationStore, identities

ProgressCallback = Callable[[str, Progress], None]
# A shard is lost where a run is killed; writing one takes some milliseconds.
BATCHES_IN_SHARD = 16
SMALLEST_SHARD = 128
OTHER_PROCESS = "another process that extracts this workspace"


@dataclass
class ExtractionReport:
    """What an extraction did.

    Attributes
    ----------
    n_run, n_reused, n_unreadable : dict of split to int
        Pictures run through the network, taken over from before, and not readable.
    n_resumed : int
        Of those taken over, the ones of a run that was interrupted.
    changes : list of str
        What of the classifier has changed since the last extraction, so that all is run again.
    engine : str
        What ran the network; empty if there was nothing to run.
    seconds : float
    """

    n_run: dict[str, int] = field(default_factory=dict)
    n_reused: dict[str, int] = field(default_factory=dict)
    n_unreadable: dict[str, int] = field(default_factory=dict)
    n_resumed: int = 0
    changes: list[str] = field(default_factory=list)
    engine: str = ""
    seconds: float = 0.0

    @property
    def in_words(self) -> str:
        """What was done, in sentences."""
        if not any(self.n_run.values()) and not self.n_resumed:
            return "Nothing to do: everything is stored."
        n = sum(self.n_run.values())
        words = f"{n:,} pictures run in {self.seconds:.1f} s"
        if n:
            words += f" ({n / self.seconds:,.1f} pictures/s with the network's loading)"
            words += f" by {self.engine}"
        if self.n_resumed:
            words += f", going on after {self.n_resumed:,} of an interrupted run"
        if self.changes:
            words += (
                f". {_listed(self.changes).capitalize()} had changed since the last extraction, "
                "so every picture was run again"
            )
        return words + "."


def extract(
    listings: Mapping[str, PictureFiles],
    store: ActivationStore,
    load_engine: Callable[[], Engine],
    n_classes: int,
    progress: ProgressCallback | None = None,
) -> ExtractionReport:
    """Bring the store up to date with the listed files.

    Parameters
    ----------
    listings : picture files by split
    load_engine : called once if there is anything to run
    progress : called with the split and how far it is; what it raises ends the run

    Raises
    ------
    ClassifierError, ActivationsError
        The weights, the device or the disk are not as they should be.
    """
    started = time.perf_counter()
    report = ExtractionReport()
    tell = progress or (lambda split, progress: None)
    if all(store.holds(split, files) for split, files in listings.items()):
        for split, files in listings.items():
            _count(report, store, split, files, 0)
        return report
    first = next(iter(listings))
    waiting = Progress(0, len(listings[first]), 0, 0.0, OTHER_PROCESS)
    with store.locked(lambda: tell(first, waiting)):
        store.remove_leftovers()
        report.changes = store.changes(first)
        engine: Engine | None = None
        for split, files in listings.items():
            n_missing = 0
            if not store.holds(split, files):
                rows = store.rows(split, files)
                missing = [index for index in range(len(files)) if index not in rows]
                n_missing = len(missing)
                report.n_resumed += rows.n_resumed
                if missing:
                    tell(split, Progress(0, n_missing, 0, 0.0))
                    engine = engine or load_engine()
                    report.engine = engine.in_words
                    _run_missing(engine, store, split, files, missing, n_classes, tell)
                    rows = store.rows(split, files)
                store.save(split, files, rows, n_classes, report.engine)
            _count(report, store, split, files, n_missing)
            store.remove_others(split, store.folder_of(split, files))
    report.seconds = time.perf_counter() - started
    return report


def _count(
    report: ExtractionReport,
    store: ActivationStore,
    split: str,
    files: PictureFiles,
    n_missing: int,
) -> None:
    report.n_run[split], report.n_reused[split] = n_missing, len(files) - n_missing
    report.n_unreadable[split] = len(Activations.load(store.folder_of(split, files)).unreadable)


def _run_missing(
    engine: Engine,
    store: ActivationStore,
    split: str,
    files: PictureFiles,
    missing: list[int],
    n_classes: int,
    tell: ProgressCallback,
) -> None:
    """Store the results of the missing files in shards, a whole number of batches each."""
    sources = [files.folder / files.paths[index] for index in missing]
    everything = identities(files)
    pictures = [everything[index] for index in missing]
    shards = store.shards(split)
    size = engine.batch_size * max(BATCHES_IN_SHARD, -(-SMALLEST_SHARD // engine.batch_size))
    total, unreadable = len(missing), 0
    held: list[Result] = []
    started = time.perf_counter()

    def on_wait(before: int) -> None:
        seconds = time.perf_counter() - started
        tell(split, Progress(done, total, unreadable, seconds, f"{before} others at the network"))

    done = 0
    with closing(run(engine, sources, on_wait)) as results:
        for position, result in results:
            held.append(result)
            done, unreadable = position + 1, unreadable + isinstance(result, str)
            if len(held) == size or done == total:
                shards.write(pictures[done - len(held) : done], held, n_classes)
                held = []
            tell(split, Progress(done, total, unreadable, time.perf_counter() - started))


def _listed(names: list[str]) -> str:
    """'the weights and the transform'."""
    words = [f"the {name}" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
