"""Extraction: the network runs once over every picture that is new or changed.

1. List the pictures of every split; a mistake in a folder shows before anything is run.
2. Per split, take over the logits of files that have not changed.
3. Run the rest through the network, and store the split in one step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from openmax_core.activations import Activations
from openmax_core.classifier import Classifier
from openmax_core.images import PictureFiles
from openmax_core.inference import Progress, run
from openmax_core.store import ActivationStore, Rows

ProgressCallback = Callable[[str, Progress], None]


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction did.

    Attributes
    ----------
    n_run, n_reused, n_unreadable : dict of split to int
        Pictures run through the network, taken over from before, and not readable.
    seconds : float
    """

    n_run: dict[str, int]
    n_reused: dict[str, int]
    n_unreadable: dict[str, int]
    seconds: float


def extract(
    listings: Mapping[str, PictureFiles],
    store: ActivationStore,
    load_classifier: Callable[[], Classifier],
    n_classes: int,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    progress: ProgressCallback | None = None,
) -> ExtractionReport:
    """Bring the store up to date with the listed files.

    Parameters
    ----------
    listings : picture files by split
    load_classifier : called once if there is anything to run
    progress : called with the split and how far it is

    Raises
    ------
    ClassifierError, ActivationsError
        The weights, the device or the disk are not as they should be.
    """
    started = time.perf_counter()
    classifier: Classifier | None = None
    n_run, n_reused, n_unreadable = {}, {}, {}
    for split, files in listings.items():
        folder = store.folder_of(split, files)
        missing: list[int] = []
        if not store.holds(split, files):
            rows = store.reusable(split, files)
            missing = [index for index in range(len(files)) if index not in rows]
            if missing:
                if progress:
                    progress(split, Progress(0, len(missing), 0, 0.0))
                classifier = classifier or load_classifier()
                _run_missing(classifier, split, files, missing, rows, device, batch_size, progress)
            store.save(split, files, rows, n_classes)
        n_run[split], n_reused[split] = len(missing), len(files) - len(missing)
        n_unreadable[split] = len(Activations.load(folder).unreadable)
        store.remove_others(split, folder)
    return ExtractionReport(n_run, n_reused, n_unreadable, time.perf_counter() - started)


def _run_missing(
    classifier: Classifier,
    split: str,
    files: PictureFiles,
    missing: list[int],
    rows: Rows,
    device: str,
    batch_size: int | None,
    progress: ProgressCallback | None,
) -> None:
    """Add the results of the missing files to ``rows``."""
    sources = [files.folder / files.paths[index] for index in missing]
    unreadable = 0
    started = time.perf_counter()
    results = run(classifier, sources, device, batch_size)
    for done, (position, result) in enumerate(results, start=1):
        rows[missing[position]] = result
        unreadable += isinstance(result, str)
        if progress:
            progress(split, Progress(done, len(missing), unreadable, time.perf_counter() - started))
