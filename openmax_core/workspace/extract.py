"""Extraction into the store of a workspace, with the network on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from openmax_core.errors import WorkspaceError
from openmax_core.extraction.extraction import (
    ExtractionReport,
    LocalRunner,
    ProgressCallback,
    Runner,
    extract,
)
from openmax_core.workspace.sets import StoredSets

if TYPE_CHECKING:
    from openmax_core.extraction.shipping import ShippedNetwork
    from openmax_core.network.engines import Engine


def extract_here(
    sets: StoredSets, load_engine: Callable[[], Engine], progress: ProgressCallback | None
) -> ExtractionReport:
    """Extract with an engine of this machine.

    Parameters
    ----------
    load_engine : called once if there is anything to run
    progress : as for :func:`openmax_core.extraction.extraction.extract`

    Raises
    ------
    WorkspaceError, ClassifierError, ActivationsError
        The folders, the weights or the disk are not as they should be.
    """
    return _extract(sets, lambda: LocalRunner(load_engine()), progress)


def extract_on_cluster(
    sets: StoredSets,
    ship: Callable[[str], ShippedNetwork],
    address: str,
    device: str,
    progress: ProgressCallback | None,
    *,
    patience: float,
    most_workers: int | None,
) -> ExtractionReport:
    """Extract on a Ray cluster, see :class:`openmax_core.extraction.cluster.Cluster`.

    Parameters
    ----------
    ship : gets the network ready for the workers' device, 'cpu' or 'cuda'
    progress : as for :func:`openmax_core.extraction.extraction.extract`

    Raises
    ------
    ClusterError
        Ray is not installed, the cluster cannot be reached, or its nodes cannot do the work.
    WorkspaceError, ClassifierError, ActivationsError
        As for :func:`extract_here`.
    """
    from openmax_core.extraction.cluster import Cluster

    def load() -> Cluster:
        return Cluster(ship, address, device, patience=patience, most_workers=most_workers)

    return _extract(sets, load, progress)


def _extract(
    sets: StoredSets, load_runner: Callable[[], Runner], progress: ProgressCallback | None
) -> ExtractionReport:
    pictures, store = sets.pictures, sets.store

    def load() -> Runner:
        runner = load_runner()
        try:
            sets.classifier.require_weights(store.made_with["weights"])
        except WorkspaceError:
            runner.close()
            raise
        return runner

    return extract(
        lambda: {split: pictures.find(split) for split in pictures.splits},
        store,
        load,
        len(sets.classifier.settings.classes),
        progress,
    )
