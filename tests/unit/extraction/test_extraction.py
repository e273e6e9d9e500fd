"""Nothing is lost: killed runs, full disks, two runs at once, what is run again and what is not."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from openmax_core.errors import ActivationsError, ClassifierError, WorkspaceError
from openmax_core.extraction import extraction
from openmax_core.extraction.extraction import OTHER_PROCESS, ExtractionReport
from openmax_core.network import inference
from openmax_core.network.classifier import build_network
from openmax_core.network.engines import Engine
from openmax_core.network.inference import Progress
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.images import Transform
from openmax_core.support.jobs import CancelledError, Job
from openmax_core.workspace.workspace import Workspace

ARCHITECTURE, CLASSES = "shufflenet_v2_x0_5", ("dark", "light")
N_TRAIN, N_TEST, N_REJECT = 400, 20, 60
BATCH, SHARD = 8, 128  # pictures, on a CPU
SECONDS = 120


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with its exported network, that no picture has been through."""
    folder = tmp_path_factory.mktemp("material")
    generator = np.random.default_rng(0)
    for split, counts in {"train": N_TRAIN, "test": N_TEST, "reject": N_REJECT}.items():
        for label in CLASSES if split != "reject" else ("other",):
            (folder / split / label).mkdir(parents=True)
            for number in range(counts):
                pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{number:04d}.png")
    (folder / "train" / "dark" / "0150.png").write_bytes(b"no picture")
    torch.manual_seed(0)
    torch.save(build_network(ARCHITECTURE, 2).state_dict(), folder / "net.pth")
    workspace = Workspace.create(
        folder,
        ARCHITECTURE,
        weights=folder / "net.pth",
        reject="reject",
        transform=Transform((32, 32), (32, 32)),
    )
    workspace.classifier.load_engine("cpu")
    return folder


@pytest.fixture
def workspace(material: Path, tmp_path: Path) -> Workspace:
    # A copy with the same dates: the keys of its activations are the same.
    return Workspace.open(shutil.copytree(material, tmp_path / "workspace"))


@pytest.fixture(scope="module")
def undisturbed(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = shutil.copytree(material, tmp_path_factory.mktemp("undisturbed") / "workspace")
    Workspace.open(folder).extract("cpu")
    return stored(folder)


def stored(folder: Path) -> dict[str, bytes]:
    """Content of the store by path; without key.json, which says when."""
    paths = [path for path in (folder / "activations").rglob("*") if path.is_file()]
    names = {path: path.relative_to(folder / "activations").as_posix() for path in paths}
    own = {path: name for path, name in names.items() if path.name not in {"key.json", ".lock"}}
    return {name: path.read_bytes() for path, name in own.items()}


def shards(folder: Path, split: str = "train") -> list[Path]:
    return sorted((folder / "activations").glob(f".unfinished-{split}-*/[0-9]*.safetensors"))


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "openmax_core", "extract", str(folder), "--device", "cpu"]


# --- killed runs -------------------------------------------------------------------------------


def kill_when(folder: Path, holds: Callable[[], bool]) -> bool:
    """Start an extraction and kill it as soon as something holds; tell whether it came to that."""
    process = subprocess.Popen(
        command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    poll = threading.Event()
    while process.poll() is None:
        if holds():
            process.send_signal(signal.SIGKILL)
            break
        poll.wait(0.0005)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode in {-signal.SIGKILL, 0, 3}, errors
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("n_shards", [1, 3, 5])
def test_a_killed_run_goes_on_after_the_last_whole_shard(
    workspace: Workspace, undisturbed: dict[str, bytes], n_shards: int
) -> None:
    folder = workspace.folder
    assert kill_when(folder, lambda: len(shards(folder)) >= n_shards)
    n_kept = min(SHARD * len(shards(folder)), 2 * N_TRAIN)  # the last shard is not full
    report = workspace.extract("cpu")
    assert report.n_resumed == n_kept
    assert report.n_run["train"] == 2 * N_TRAIN - n_kept
    assert stored(folder) == undisturbed


@pytest.fixture(scope="module")
def undisturbed_features(
    material: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    folder = shutil.copytree(material, tmp_path_factory.mktemp("features") / "workspace")
    with_features(Workspace.open(folder)).extract("cpu")
    return stored(folder)


def with_features(workspace: Workspace) -> Workspace:
    settings = workspace.settings
    classifier = replace(settings.classifier, features=True)
    workspace.save_settings(replace(settings, classifier=classifier))
    return workspace


def test_features_of_a_killed_run_end_with_the_same_bytes(
    workspace: Workspace, undisturbed: dict[str, bytes], undisturbed_features: dict[str, bytes]
) -> None:
    folder = with_features(workspace).folder
    assert kill_when(folder, lambda: len(shards(folder)) >= 2)
    assert kill_when(folder, lambda: len(shards(folder)) >= 4)
    n_kept = min(SHARD * len(shards(folder)), 2 * N_TRAIN)
    assert workspace.extract("cpu").n_resumed == n_kept
    assert stored(folder) == undisturbed_features
    names = sorted(name.split("/")[1] for name in undisturbed_features)
    assert names == ["features.npy"] * 3 + ["logits.npy"] * 3 + ["pictures.parquet"] * 3
    logits = {
        of: {name[:4]: data for name, data in content.items() if name.endswith("logits.npy")}
        for of, content in (("plain", undisturbed), ("features", undisturbed_features))
    }
    assert logits["plain"] == logits["features"]  # to the last bit


def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    folder = workspace.folder
    activations = folder / "activations"
    moments: list[Callable[[], bool]] = [
        (activations / ".lock").exists,
        lambda: len(shards(folder)) >= 2,
        lambda: len(shards(folder)) >= 4,
        lambda: any(activations.glob(".writing-*")),
        lambda: any(activations.glob("train-*")),
        lambda: any(activations.glob("test-*")),
        lambda: bool(shards(folder, "reject")),
    ]
    n_killed = sum(kill_when(folder, moment) for moment in moments)
    assert n_killed >= 3
    workspace.extract("cpu")
    assert stored(folder) == undisturbed
    assert not list(activations.glob(".writing-*"))
    assert not list(activations.glob(".unfinished-*"))


# --- other ends --------------------------------------------------------------------------------


def test_a_full_disk_keeps_what_was_stored(
    workspace: Workspace, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter(range(100))
    real = os.replace

    def replace(source: str, target: str) -> None:
        if str(target).endswith(".safetensors") and next(written) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(ActivationsError, match=r"No space left.*to go on"):
            workspace.extract("cpu")
    assert len(shards(workspace.folder)) == 2
    assert [path.name for path in shards(workspace.folder)[0].parent.glob(".*")] == []
    assert workspace.extract("cpu").n_resumed == 2 * SHARD
    assert stored(workspace.folder) == undisturbed


def test_a_lost_device_keeps_what_was_stored(
    workspace: Workspace, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:

    def run(*arguments: object) -> Iterator[object]:
        for index, result in inference.run(*arguments):  # type: ignore[arg-type]
            if index == 300:
                raise ClassifierError("the cuda device failed")
            yield index, result

    with monkeypatch.context() as patched:
        patched.setattr(extraction, "run", run)
        with pytest.raises(ClassifierError, match="cuda device failed"):
            workspace.extract("cpu")
    # Whole batches of what was not yet in a shard are kept too.
    assert workspace.extract("cpu").n_resumed == 300 // BATCH * BATCH
    assert stored(workspace.folder) == undisturbed


def test_a_cancelled_job_goes_on_where_it_ended(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    reached = threading.Event()

    def work(report: Callable[[Progress], None]) -> None:
        def tell(split: str, progress: Progress) -> None:
            if progress.done >= 300:
                reached.set()
                assert cancelled.wait(SECONDS)
            report(progress)

        workspace.extract("cpu", progress=tell)

    cancelled = threading.Event()
    job: Job[Progress, None] = Job(work)
    assert reached.wait(SECONDS)
    job.cancel()
    cancelled.set()
    with pytest.raises(Exception, match="cancelled") as caught:
        job.result(SECONDS)
    assert isinstance(caught.value.__cause__, CancelledError)
    assert (job.is_cancelled, job.problem, job.has_result) == (True, None, False)
    report = workspace.extract("cpu")
    assert report.n_resumed == 296
    assert "going on after 296 of an interrupted run" in report.in_words
    assert stored(workspace.folder) == undisturbed


def test_a_damaged_shard_is_run_again(
    workspace: Workspace, undisturbed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    assert kill_when(workspace.folder, lambda: len(shards(workspace.folder)) >= 3)
    first, second, *_ = shards(workspace.folder)
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(b"")
    n_kept = SHARD * (len(shards(workspace.folder)) - 2)
    assert workspace.extract("cpu").n_resumed == n_kept
    assert stored(workspace.folder) == undisturbed
    assert caplog.text.count("is damaged") == 2


# --- two runs at once --------------------------------------------------------------------------


def test_a_second_process_waits_and_then_finds_everything(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    with workspace.stored.store.locked():
        process = subprocess.Popen(
            command(workspace.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert process.stderr.readline() == f"waiting for {OTHER_PROCESS} …\n"
        assert not shards(workspace.folder)
    printed, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 3, errors  # one picture is unreadable
    assert "pictures run" in printed
    assert stored(workspace.folder) == undisturbed


def test_two_processes_at_once_do_the_work_once(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    processes = [
        subprocess.Popen(command(workspace.folder), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [3, 3]
    assert stored(workspace.folder) == undisturbed
    assert sorted("Nothing to do" in text for text in printed) == [False, True]


def test_what_changes_while_a_run_waits_is_seen(workspace: Workspace) -> None:
    added = workspace.pictures.folder("test") / "dark" / "added.png"

    def tell(split: str, progress: Progress) -> None:
        if progress.waiting_for and not added.exists():
            Image.new("RGB", (12, 12)).save(added)
            release.set()

    release = threading.Event()
    job: Job[None, ExtractionReport]
    with workspace.stored.store.locked():
        job = Job(lambda report: Workspace.open(workspace.folder).extract("cpu", progress=tell))
        assert release.wait(SECONDS)
    assert job.result(SECONDS).n_run["test"] == 2 * N_TEST + 1
    assert workspace.status("test").is_current


def test_nobody_sees_one_split_from_before_beside_another_from_now(workspace: Workspace) -> None:
    workspace.extract("cpu")
    state = workspace.state()
    for split in ("train", "test"):
        (workspace.pictures.folder(split) / "dark" / "0001.png").touch()
    states: list[str] = []
    workspace.extract("cpu", progress=lambda split, progress: states.append(workspace.state()))
    assert set(states) == {state}
    assert workspace.state() != state


def test_leftovers_are_removed_though_there_is_nothing_to_run(workspace: Workspace) -> None:
    workspace.extract("cpu")
    workspace.stored.store.shards("test").write([("gone", 1, 1)], ["damaged"], 2)
    assert workspace.status("test").n_unfinished == 0
    assert workspace.extract("cpu").n_run == {"train": 0, "test": 0, "reject": 0}
    assert not list((workspace.folder / "activations").glob(".unfinished-*"))


def test_weights_that_are_replaced_meanwhile_are_not_stored_under_the_old_key(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = NamedClassifier.load_engine

    def load(self: NamedClassifier, *arguments: Any, **options: Any) -> Engine:
        engine = real(self, *arguments, **options)
        torch.manual_seed(7)
        torch.save(build_network(ARCHITECTURE, 2).state_dict(), workspace.folder / "net.pth")
        return engine

    monkeypatch.setattr(NamedClassifier, "load_engine", load)
    with pytest.raises(WorkspaceError, match=r"net\.pth were replaced in the meantime"):
        workspace.extract("cpu")
    assert not list((workspace.folder / "activations").glob("[!.]*"))


def test_settings_that_are_saved_meanwhile_are_those_of_the_next_run(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    torch.save(build_network(ARCHITECTURE, 2).state_dict(), workspace.folder / "other.pth")
    settings = workspace.settings
    others = replace(settings, classifier=replace(settings.classifier, weights="other.pth"))

    def save(split: str, progress: Progress) -> None:
        if not progress.done:  # before the network is loaded
            workspace.save_settings(others)

    workspace.extract("cpu", progress=save)
    assert workspace.settings == others
    assert stored(workspace.folder) == undisturbed


def test_who_waits_can_be_told_to_stop(workspace: Workspace) -> None:
    told: list[str] = []

    def tell(split: str, progress: Progress) -> None:
        told.append(progress.in_words)
        raise CancelledError

    with workspace.stored.store.locked(), pytest.raises(CancelledError):
        workspace.extract("cpu", progress=tell)
    assert told == [f"0 of {2 * N_TRAIN} pictures · waiting for {OTHER_PROCESS}"]


def test_a_store_that_cannot_be_written_is_named(workspace: Workspace) -> None:
    (workspace.folder / "activations").write_text("in the way")
    with pytest.raises(ActivationsError, match=r"cannot store activations in .*activations"):
        workspace.extract("cpu")


# --- what is run again -------------------------------------------------------------------------


def test_pictures_that_change_while_a_run_is_interrupted_are_run_again(
    workspace: Workspace,
) -> None:
    assert kill_when(workspace.folder, lambda: len(shards(workspace.folder)) >= 3)
    n_kept = SHARD * len(shards(workspace.folder))
    train = workspace.pictures.folder("train")
    Image.new("RGB", (12, 12), "red").save(train / "dark" / "0003.png")
    (train / "dark" / "0004.png").unlink()
    Image.new("RGB", (12, 12), "blue").save(train / "dark" / "0003b.png")
    report = workspace.extract("cpu")
    assert report.n_resumed == n_kept - 2
    activations = workspace.stored.activations("train")
    assert activations is not None
    assert activations.pictures["path"].tolist() == list(workspace.pictures.find("train").paths)
    fresh = Workspace.open(workspace.folder)
    shutil.rmtree(workspace.folder / "activations")
    fresh.extract("cpu")
    again = fresh.stored.activations("train")
    assert again is not None
    np.testing.assert_array_equal(again.logits, activations.logits)


def test_an_unreadable_picture_is_tried_again_only_when_it_changes(workspace: Workspace) -> None:
    workspace.extract("cpu")
    assert workspace.extract("cpu").n_unreadable["train"] == 1
    (workspace.pictures.folder("train") / "light" / "0000.png").touch()
    report = workspace.extract("cpu")
    assert (report.n_run["train"], report.n_unreadable["train"]) == (1, 1)
    Image.new("RGB", (12, 12)).save(workspace.pictures.folder("train") / "dark" / "0150.png")
    report = workspace.extract("cpu")
    assert (report.n_run["train"], report.n_unreadable["train"]) == (1, 0)


def test_other_weights_start_a_new_store_and_it_says_so(
    workspace: Workspace, through_torch: None
) -> None:
    report = workspace.extract("cpu")
    assert report.changes == []
    torch.manual_seed(1)
    torch.save(build_network(ARCHITECTURE, 2).state_dict(), workspace.folder / "net.pth")
    report = workspace.extract("cpu")
    assert report.changes == ["weights"]
    assert report.n_reused["train"] == 0
    assert "The weights had changed since the last extraction, so every" in report.in_words
    assert len(list((workspace.folder / "activations").glob("train-*"))) == 1


def test_another_transform_leaves_no_shards_of_the_old_one(workspace: Workspace) -> None:
    assert kill_when(workspace.folder, lambda: len(shards(workspace.folder)) >= 2)
    path = workspace.folder / "workspace.toml"
    path.write_text(path.read_text().replace('"nearest"', '"bilinear"'))
    report = Workspace.open(workspace.folder).extract("cpu")
    assert report.n_resumed == 0
    assert not list((workspace.folder / "activations").glob(".unfinished-*"))


def test_nothing_to_do_touches_nothing_and_needs_no_lock(workspace: Workspace) -> None:
    workspace.extract("cpu")
    with workspace.stored.store.locked():
        before = {path: path.stat().st_mtime_ns for path in workspace.folder.rglob("*")}
        report = workspace.extract("cpu")
        assert report.in_words == "Nothing to do: no picture is new or changed."
        assert {path: path.stat().st_mtime_ns for path in workspace.folder.rglob("*")} == before
