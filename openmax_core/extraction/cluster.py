"""Running a network on a Ray cluster: who has which pictures, and what is done about lost nodes.

1. A worker is asked for on every CPU, or on every GPU, of the cluster. The run begins with the
   first that has a place; others join when there is one, new nodes included.
2. Every worker that is ready has two pieces, of some batches each, so that it never waits.
3. What a lost worker had is done by others, and a new worker is asked for. Results are told of
   in order, each once: a piece counts when its results are here, whoever had it before.
4. Where nothing comes back for too long, the run ends with an error that says what the cluster
   looks like. What was told of before is stored by then.

Ray is imported where it is needed: it is an extra. Ray Data has such a pool too, and was tried
(2.60, 2.52): a lost node lost it nothing, but it starts workers anew for every set of pictures,
tries for ever a picture that ends its process, and a run that hangs cannot be left by its public
functions: after ``ray.shutdown`` its threads start a cluster of their own, or end the process.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmax_core.errors import ClusterError, OpenMaxError
from openmax_core.extraction.connection import (
    choose_kind,
    connect,
    disconnect,
    in_words,
    n_places,
)
from openmax_core.extraction.worker import PACKAGE, Reply, Worker, ship, versions
from openmax_core.network.inference import Result, load_pixels
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.images import Transform
from openmax_core.pictures.locations import Location

LOG = logging.getLogger(__name__)
# Of a CPU: about a second of work for a large network. Of a GPU: enough to decode ahead.
BATCHES_IN_PIECE = {"cpu": 4, "cuda": 8}
PIECES_A_WORKER = 2
PIECES_AHEAD, PIECES_AHEAD_A_WORKER = 64, 4
# A picture that takes the process down with it would go round for ever.
MOST_LOSSES = 4
TICK_SECONDS = 0.5
RECRUIT_SECONDS = 2.0
PATIENCE_SECONDS = 300.0


@dataclass
class _Member:
    """A worker that was asked for."""

    actor: Any
    loading: Any
    node: str = ""
    pieces: dict[Any, int] = field(default_factory=dict)


class Cluster:
    """A network on the workers of a Ray cluster.

    Attributes
    ----------
    batch_size : int
        Pictures in one pass.
    n_lost : int
        Pieces of work that were lost with a worker, and done by another.
    in_words : str
        What runs the network, for people.
    n_features : int
        D; 0 where no features are stored.

    Parameters
    ----------
    classifier : NamedClassifier
    address : 'auto', or host:port of the cluster that this machine is a node of
    device : 'auto', GPUs where the cluster has any; 'cpu' or 'cuda'
    batch_size : pictures in one pass; by device without
    patience : seconds without any result after which a run ends with an error
    most_workers : at most so many; as many as the cluster has CPUs or GPUs without

    Raises
    ------
    ClusterError
        Ray is not installed, there is no cluster, or it refuses the token.
    """

    def __init__(
        self,
        classifier: NamedClassifier,
        address: str = "auto",
        device: str = "auto",
        batch_size: int | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        most_workers: int | None = None,
    ) -> None:
        self.patience = patience
        self.most_workers = most_workers
        self._members: list[_Member] = []
        self._recruited = 0.0
        self._losses: dict[int, int] = {}
        self.n_lost = 0
        self._connected = connect(address)
        try:
            import ray

            self._network = ship(classifier, choose_kind(device), batch_size)
            self._content = ray.put(self._network)
        except BaseException:
            disconnect(self._connected)
            raise
        self.batch_size = self._network.batch_size
        self.n_features = self._network.n_features
        kind = "GPU" if self._network.device == "cuda" else "CPU"
        needs = {"num_gpus": 1} if kind == "GPU" else {"num_cpus": 1}
        remote: Any = ray.remote
        self._worker = remote(**needs, max_restarts=0, max_task_retries=0)(Worker)
        self.in_words = f"Ray {ray.__version__}, one worker a {kind}"

    def results(
        self, sources: Sequence[Location], on_wait: Callable[[str], None]
    ) -> Generator[tuple[int, Result], None, None]:
        """Run the network over picture files that every node sees under the same path or address.

        Parameters
        ----------
        sources : N paths or addresses
        on_wait : called again and again while nothing comes back, with what is waited for

        Yields
        ------
        index into ``sources``, in order, and (C,) float32 logits or the reason why there are none

        Raises
        ------
        ClusterError
            A node lacks the package or the pictures, or nothing has come back for too long.
        """
        import ray

        spans = Spans(len(sources), self.batch_size * BATCHES_IN_PIECE[self._network.device])
        last = time.monotonic()
        self._losses = {}
        try:
            while not spans.all_told:
                self._recruit(spans)
                self._hand_out(spans, sources)
                if self._collect(spans, sources):
                    yield from spans.tell()
                    last = time.monotonic()
                    continue
                if time.monotonic() - last > self.patience:
                    raise ClusterError(self._stalled())
                is_ready = any(member.node for member in self._members)
                on_wait("" if is_ready else "a free place on the Ray cluster")
        finally:  # what is still under way where the run ends early is of no use
            for member in self._members:
                for reference in member.pieces:
                    with suppress(Exception):
                        ray.cancel(reference)
                member.pieces = {}

    def close(self) -> None:
        """End the workers, and leave the cluster."""
        for member in list(self._members):
            self._dismiss(member)
        del self._content
        disconnect(self._connected)

    def _recruit(self, spans: Spans) -> None:
        """Ask for a worker on every place, those in use by others too; look now and then."""
        now = time.monotonic()
        if now - self._recruited < RECRUIT_SECONDS:
            return
        self._recruited = now
        wanted = max(n_places(self._network.device), 1)
        wanted = min(wanted, self.most_workers or wanted)
        busy = sum(bool(member.pieces) for member in self._members)
        for _ in range(min(wanted, spans.n_to_do + busy) - len(self._members)):
            actor = self._worker.remote()
            self._members.append(_Member(actor, actor.load.remote(self._content)))

    def _hand_out(self, spans: Spans, sources: Sequence[Location]) -> None:
        ready = [member for member in self._members if member.node]
        ahead = PIECES_AHEAD + PIECES_AHEAD_A_WORKER * len(ready)
        for n_pieces in range(PIECES_A_WORKER):  # to each one before any has a second
            for member in ready:
                if len(member.pieces) == n_pieces and (start := spans.take(ahead)) is not None:
                    mine = sources[start : start + spans.size]
                    piece = [str(item) if isinstance(item, Path) else item for item in mine]
                    member.pieces[member.actor.run.remote(piece)] = start

    def _collect(self, spans: Spans, sources: Sequence[Location]) -> bool:
        """Wait a moment for what comes back; tell whether results did."""
        import ray

        owners = {member.loading: member for member in self._members if not member.node}
        owners |= {reference: member for member in self._members for reference in member.pieces}
        if not owners:
            time.sleep(TICK_SECONDS)
            return False
        waiting = list(owners)
        ready, _ = ray.wait(waiting, timeout=TICK_SECONDS)
        if ready:
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        has_results = False
        for reference in ready:
            member = owners[reference]
            if member not in self._members:
                continue  # lost a moment ago: all that it had is done again, this too
            try:
                value = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise _failed(error, member.node) from error
            except ray.exceptions.RayError as error:
                # Lost with its node, its process or its results: others do it again.
                if lacking := _lacking("a node of the cluster", str(error)):
                    raise lacking from error
                self._lose(member, spans, sources)
                continue
            if reference is member.loading:
                member.node = _checked_node(*value)
                continue
            start = member.pieces.pop(reference)
            spans.finish(start, _seen(value, sources[start : start + spans.size], member.node))
            has_results = True
        return has_results

    def _lose(self, member: _Member, spans: Spans, sources: Sequence[Location]) -> None:
        """Put back what a worker had that is lost; the results of others stay."""
        LOG.warning(
            "a worker on %s was lost; others do what it had", member.node or "a node of the cluster"
        )
        self.n_lost += len(member.pieces)
        for start in member.pieces.values():
            spans.put_back(start)
        # It was at the first; the second was waiting.
        for start in list(member.pieces.values())[:1]:
            losses = self._losses[start] = self._losses.get(start, 0) + 1
            if losses >= MOST_LOSSES:
                last = sources[min(start + spans.size, spans.total) - 1]
                raise ClusterError(
                    f"{losses} workers were lost one after the other over the pictures from "
                    f"{sources[start]} to {last}, the last on {member.node}. Look for one of them "
                    "that takes more memory than a node has; what was done before is stored"
                )
        self._dismiss(member)

    def _dismiss(self, member: _Member) -> None:
        import ray

        self._members.remove(member)
        with suppress(Exception):  # the cluster may be gone
            ray.kill(member.actor)

    def _stalled(self) -> str:
        nodes = sorted({member.node for member in self._members if member.node})
        waiting = sum(not member.node for member in self._members)
        return (
            f"nothing came back from the Ray cluster for {self.patience:g} s. {in_words()}. "
            f"Workers: {len(self._members) - waiting} ready"
            f"{' on ' * bool(nodes)}{', '.join(nodes)}, {waiting} without a place or still loading "
            "the network. What was done before is stored: add a node or free its CPUs, and run "
            "the extraction again to go on; --patience sets how long is waited"
        )


def _failed(error: Any, node: str) -> OpenMaxError:
    """What to say of an error in a worker's own code."""
    place = node or f"the node {error.ip}"
    cause = error.cause
    if isinstance(cause, OpenMaxError):
        return type(cause)(f"{place}: {cause}")
    return _lacking(place, f"{cause!r}\n{error}") or ClusterError(
        f"{place}: unexpected {type(cause).__name__}: {cause}"
    )


def _lacking(place: str, detail: str) -> ClusterError | None:
    """Error of a worker that cannot even begin, which no other one does better; None of others."""
    if not any(
        word in detail for word in ("ModuleNotFoundError", "ImportError", "failed to import")
    ):
        return None
    lines = [line.strip() for line in detail.splitlines() if "No module named" in line]
    return ClusterError(
        f"{place} lacks what the workers need ({lines[-1] if lines else detail.splitlines()[0]}): "
        'install the same version there as here, with pip install ".[cluster]"'
    )


def _checked_node(node: str, found: dict[str, str]) -> str:
    """Name of a node that has the same versions as this machine.

    Raises
    ------
    ClusterError
        It has others: its logits could differ.
    """
    for name, version in versions().items():
        if found.get(name) != version:
            other = "" if name == PACKAGE else f" ({found.get(name)}, here {version})"
            raise ClusterError(
                f"{node} has another version of {name}{other}, so that its logits could differ: "
                "install the same versions on every node"
            )
    return node


def _seen(reply: Reply, sources: Sequence[Location], node: str) -> list[Result]:
    """Results of a reply; files that the node cannot open are looked at from here.

    Raises
    ------
    ClusterError
        A file is there, but not on the node. Stored as unreadable, it would never be run again.
    """
    results = reply.results()
    for index in reply.unseen:
        here = load_pixels(sources[index], Transform((1, 1), (1, 1)))
        if not isinstance(here, str):
            raise ClusterError(
                f"{node} cannot open {sources[index]} ({results[index]}), which is there on this "
                "machine: every node must see the pictures under the same path. Mount "
                f"{str(sources[index]).rpartition('/')[0]} there, or leave the node out; what was "
                "done before is stored"
            )
        results[index] = here
    return results


class Spans:
    """Pieces of a row of pictures, each done once, told of in order.

    Parameters
    ----------
    total : pictures
    size : pictures in a piece; the last one may be shorter
    """

    def __init__(self, total: int, size: int) -> None:
        self.total = total
        self.size = size
        self._to_do = list(range(0, total, size))  # a heap: in order, and so are those put back
        self._done: dict[int, list[Result]] = {}
        self._next = 0

    @property
    def all_told(self) -> bool:
        """Nothing is left to do or to tell."""
        return self._next >= self.total

    @property
    def n_to_do(self) -> int:
        """Pieces that nobody has."""
        return len(self._to_do)

    def take(self, ahead: int) -> int | None:
        """Start of the first piece that nobody has; None if there is none, or it is too far on.

        Parameters
        ----------
        ahead : pieces beyond the oldest that is missing: bounds the results that are held
        """
        if not self._to_do or self._to_do[0] - self._next >= ahead * self.size:
            return None
        return heapq.heappop(self._to_do)

    def put_back(self, start: int) -> None:
        """Whoever had this piece is lost."""
        heapq.heappush(self._to_do, start)

    def finish(self, start: int, results: list[Result]) -> None:
        """Keep the results of a piece until those before it are there.

        Raises
        ------
        ValueError
            There are too many or too few, or they were there before.
        """
        expected = min(self.size, self.total - start)
        if len(results) != expected or start < self._next or start in self._done:
            raise ValueError(f"{len(results)} results for {expected} pictures from {start} on")
        self._done[start] = results

    def tell(self) -> Iterator[tuple[int, Result]]:
        """Index and result of all that follow without a gap on what was told before."""
        while self._next in self._done:
            start = self._next
            results = self._done.pop(start)
            self._next += len(results)
            yield from enumerate(results, start)
