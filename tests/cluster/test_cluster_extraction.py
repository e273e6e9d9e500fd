"""The same results from a real Ray cluster, whatever becomes of its nodes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from openmax_core.activations.activations import Activations
from openmax_core.errors import ClusterError
from openmax_core.extraction import cluster as cluster_module
from openmax_core.extraction.cluster import BATCHES_IN_PIECE, Spans
from openmax_core.extraction.cluster import Cluster as Workers
from openmax_core.network.inference import Progress, Result
from openmax_core.pictures.locations import Location
from openmax_core.support.jobs import CancelledError
from openmax_core.workspace.workspace import Workspace
from tests.cluster.nodes import REPOSITORY, SECONDS, SETTINGS, Cluster, Node

BATCH = 8
N_TRAIN = 800
UNREADABLE = "dark/0150.png"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch a piece, so that 800 pictures are a hundred of them."""
    monkeypatch.setitem(BATCHES_IN_PIECE, "cpu", 1)


def content(workspace: Workspace) -> dict[str, bytes]:
    """Content of the store by path; without key.json, which says when."""
    folder = workspace.folder / "activations"
    paths = [path for path in folder.rglob("*") if path.is_file()]
    own = [path for path in paths if path.name not in {"key.json", ".lock"}]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in own}


def require_the_same(workspace: Workspace, expected: Workspace) -> None:
    """Every picture once, logits equal bit for bit, reasons in the same words."""
    activations, other = workspace.stored.activations("train"), expected.stored.activations("train")
    assert isinstance(activations, Activations)
    assert isinstance(other, Activations)
    paths = activations.pictures["path"].tolist()
    assert paths == list(workspace.pictures.find("train").paths)
    assert len(set(paths)) == len(paths) == N_TRAIN
    assert len(activations.logits) == N_TRAIN - 1
    assert activations.logits.tobytes() == other.logits.tobytes()
    assert activations.unreadable["path"].tolist() == [UNREADABLE]
    assert content(workspace) == content(expected)


class Watched(Workers):
    """Loses the second node at a moment that is certain, whatever the machine's speed.

    When results of the node have come back, its processes are stopped, so that what it is given
    from then on cannot be done; as soon as it has been given something, they are killed.
    """

    made: ClassVar[list[Watched]] = []
    second: Node
    n_done_by_second = 0
    n_at_loss = 0

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.is_stopped = False
        Watched.made.append(self)

    def _hand_out(self, spans: Spans, sources: Sequence[Location]) -> None:
        mine = [member for member in self._members if member.node and member.node != self._head()]
        if self.n_at_loss or not mine or not self.n_done_by_second:
            return super()._hand_out(spans, sources)
        if not self.is_stopped:
            self.second.send(signal.SIGSTOP)
            self.is_stopped = True
        before = {reference for member in mine for reference in member.pieces}
        super()._hand_out(spans, sources)
        given = {reference for member in mine for reference in member.pieces} - before
        if given:
            self.n_at_loss = len(given)
            self.second.kill()
        return None

    def _collect(self, spans: Spans, sources: Sequence[Location]) -> bool:
        mine = [member for member in self._members if member.node and member.node != self._head()]
        before = sum(len(member.pieces) for member in mine)
        has_results = super()._collect(spans, sources)
        if not self.n_at_loss:
            self.n_done_by_second += before - sum(len(member.pieces) for member in mine)
        return has_results

    def _head(self) -> str:
        import ray

        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        head = next(node for node in nodes if "node:__internal_head__" in node["Resources"])
        return f"{head['NodeManagerHostname']} (node {head['NodeID'][:8]})"


def test_a_node_that_is_killed_loses_and_doubles_nothing(
    ray_cluster: Cluster,
    workspace: Workspace,
    on_one_machine: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_module, "Cluster", Watched)
    # Where the head alone could do all before the second node is ready, there is no middle.
    hand_out_now = Workers._hand_out

    def hand_out(self: Workers, spans: Spans, sources: Sequence[Location]) -> None:
        if all(member.node for member in self._members) or Watched.made[0].n_at_loss:
            hand_out_now(self, spans, sources)

    monkeypatch.setattr(Workers, "_hand_out", hand_out)
    done: list[int] = []

    def note(split: str, progress: Progress) -> None:
        if Watched.made and Watched.made[0].n_at_loss and not done:
            assert split == "train"
            done.append(progress.done)

    Watched.second = ray_cluster.add(n_cpus=2)
    try:
        report = workspace.extract_on_cluster(ray_cluster.address, progress=note, patience=SECONDS)
        assert not Watched.second.is_running()
    finally:
        Watched.second.kill()
    (watched,) = Watched.made
    assert watched.n_done_by_second > 0, "the second node had worked"
    assert 0 < done[0] < N_TRAIN, "it was lost in the middle"
    assert watched.n_lost >= watched.n_at_loss > 0, "with pictures that it had"
    assert report.n_run["train"] == N_TRAIN
    assert report.n_unreadable == {"train": 1, "test": 0, "reject": 0}
    require_the_same(workspace, on_one_machine)


def test_a_worker_that_hangs_ends_the_run_and_the_next_one_goes_on(
    ray_cluster: Cluster,
    workspace: Workspace,
    on_one_machine: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hung: list[int] = []
    made: list[Workers] = []

    class Kept(Workers):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            made.append(self)

    def hang(split: str, progress: Progress) -> None:
        if progress.done >= 300 and not hung:
            hung.extend(workers_of(ray_cluster.nodes[0]))
            for process in hung:
                os.kill(process, signal.SIGSTOP)
            made[0].patience = 2

    monkeypatch.setattr(cluster_module, "Cluster", Kept)

    with pytest.raises(ClusterError, match=r"for 2 s\. Nodes: .*CPU.*Workers: 1 ready on .*\(node"):
        workspace.extract_on_cluster(
            ray_cluster.address, progress=hang, patience=SECONDS, most_workers=1
        )
    assert hung
    report = workspace.extract("cpu")
    assert report.n_resumed >= 300 // BATCH * BATCH
    assert report.n_resumed + report.n_run["train"] == N_TRAIN
    require_the_same(workspace, on_one_machine)


def workers_of(node: Node) -> list[int]:
    """Processes of a node that run the network."""
    return [pid for pid, words in node.processes().items() if words.startswith("ray::Worker")]


def test_a_run_on_addresses_that_is_stopped_goes_on_on_the_cluster(
    ray_cluster: Cluster, workspace: Workspace, on_one_machine: Workspace
) -> None:
    folders = {split: f"file://{workspace.folder}/{split}" for split in workspace.pictures.splits}
    workspace.save_settings(replace(workspace.settings, folders=folders))

    def stop(split: str, progress: Progress) -> None:
        if progress.done == 300:
            raise CancelledError

    with pytest.raises(CancelledError):
        workspace.extract("cpu", progress=stop)
    report = workspace.extract_on_cluster(ray_cluster.address, patience=SECONDS)
    assert report.n_resumed == 300 // BATCH * BATCH
    assert "Ray" in report.in_words
    require_the_same(workspace, on_one_machine)


@pytest.fixture
def workers(ray_cluster: Cluster, workspace: Workspace) -> Iterator[Workers]:
    made = Workers(workspace.classifier, ray_cluster.address, patience=SECONDS)
    try:
        yield made
    finally:
        made.close()


def run(workers: Workers, sources: list[Path]) -> list[Result]:
    return [result for _, result in workers.results(sources, lambda words: None)]


def test_features_come_from_the_cluster_as_from_one_machine(
    ray_cluster: Cluster, workspace: Workspace, material: Path, tmp_path: Path
) -> None:
    both = [workspace, Workspace.open(shutil.copytree(material, tmp_path / "alone"))]
    for item in both:
        settings = item.settings
        classifier = replace(settings.classifier, features=True)
        item.save_settings(replace(settings, classifier=classifier))
    report = workspace.extract_on_cluster(ray_cluster.address, patience=SECONDS)
    assert report.n_features == 1024
    both[1].extract("cpu")
    assert sum(name.endswith("features.npy") for name in content(workspace)) == 3
    require_the_same(*both)


def test_a_picture_that_only_this_machine_sees_is_never_stored_as_unreadable(
    workers: Workers, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.folder)
    # Every process has another working directory.
    hidden = Path("/proc/self/cwd/train/dark/0000.png")
    visible = workspace.folder / "train" / "dark" / "0000.png"
    gone = workspace.folder / "train" / "dark" / "gone.png"
    first, missing = run(workers, [visible, gone])
    assert not isinstance(first, str)
    assert missing == "the file does not exist"
    with pytest.raises(ClusterError, match=r"\(node .*cannot open /proc/self/cwd/train/dark/0000"):
        run(workers, [visible, hidden])


def test_a_node_without_the_package_is_named(
    ray_cluster: Cluster, workers: Workers, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('openmax_core'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
    )
    import ray

    class Other:
        def is_there(self) -> bool:
            return True

    remote: Any = ray.remote
    other = remote(num_cpus=2)(
        Other
    ).remote()  # it has the head for itself, and only the bare node is left
    assert ray.get(other.is_there.remote())
    bare = ray_cluster.add(n_cpus=1, python_path=str(tmp_path))
    try:
        with pytest.raises(ClusterError, match=r"No module named 'openmax_core.*pip install"):
            run(workers, [workspace.folder / "train" / "dark" / "0000.png"])
    finally:
        bare.kill()
        ray.kill(other)


def command(workspace: Workspace, address: str, **settings: str) -> str:
    """What the shell command says on standard error where it fails."""
    arguments = ["extract", str(workspace.folder), "--engine", "ray", "--address", address]
    ran = subprocess.run(
        [sys.executable, "-m", "openmax_core", *arguments],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert ran.returncode == 1
    return ran.stderr


def test_another_token_is_refused_with_the_two_settings(
    ray_cluster: Cluster, workspace: Workspace
) -> None:
    settings = {"RAY_AUTH_TOKEN": "f" * 32, "RAY_py_gcs_connect_timeout_s": "2"}
    said = command(workspace, ray_cluster.address, **SETTINGS | settings)
    assert "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN" in said


def test_an_address_without_a_cluster_is_named(workspace: Workspace) -> None:
    said = command(workspace, "127.0.0.1:1")
    assert "there is no Ray cluster at '127.0.0.1:1'" in said
    assert "ray start --head" in said
