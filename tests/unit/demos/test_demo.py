"""Both embedded demos: made whole or not at all, brought up to date, and nothing of yours lost."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from openmax_core.demos.catalogue import DEMOS, DIGITS, GARAGES, unpack_pictures
from openmax_core.demos.demo import (
    ASSETS,
    NOTE,
    Demo,
    exported_network,
    open_demo,
    why_not,
)
from openmax_core.errors import WorkspaceError
from openmax_core.network.engines import OnnxEngine, TorchEngine
from openmax_core.network.inference import run
from openmax_core.workspace.settings import FILE_NAME, read_settings
from openmax_core.workspace.workspace import Workspace

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy


@pytest.fixture(scope="module", params=DEMOS, ids=lambda demo: demo.key)
def demo(request: pytest.FixtureRequest) -> Demo:
    found: Demo = request.param
    return found


@pytest.fixture(scope="module")
def made(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_demo(demo, folder=tmp_path_factory.mktemp("cache") / demo.key)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """What is shipped, with an archive of twelve pictures."""
    assets = tmp_path / "small"
    assets.mkdir()
    for path in (ASSETS / GARAGES.weights_name, exported_network(GARAGES)):
        shutil.copy(path, assets)
    write_archive(assets / "garages.zip", few_pictures())
    return assets


def few_pictures(shade: int = 90) -> dict[str, bytes]:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, shade, shade)).save(stream, "JPEG")
    names = [f"{split}/{name}/0.jpg" for split in ("train", "test") for name in GARAGE_NAMES]
    names += [f"reject/{reason}/0.jpg" for reason in ("no car", "too close")]
    return {name: stream.getvalue() for name in names} | {"pictures.csv": b"path\n"}


GARAGE_NAMES = GARAGES.settings.classifier.classes


def write_archive(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and mtime of every file, hidden ones included."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def change_settings(demo: Demo, **settings: Any) -> Demo:
    return replace(demo, settings=replace(demo.settings, **settings))


# --- made at the first opening -----------------------------------------------------------------


def test_the_garages_come_first_and_every_demo_has_a_name_and_a_folder_of_its_own() -> None:
    assert DEMOS[0] is GARAGES
    assert len({demo.folder for demo in DEMOS}) == len(DEMOS)
    assert len({demo.settings.name for demo in DEMOS}) == len(DEMOS)


def test_a_demo_lies_in_the_user_s_cache(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert demo.folder == tmp_path / "openmax" / demo.key
    assert not why_not(demo)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert why_not(demo)


def test_a_made_demo_says_what_it_is(made: Workspace, demo: Demo) -> None:
    assert made.settings == demo.settings
    assert read_settings(made.folder / FILE_NAME) == demo.settings
    assert made.settings.description


def test_only_the_garages_say_that_their_pictures_are_rendered() -> None:
    assert "Rendered" in (GARAGES.settings.notice or "")
    assert DIGITS.settings.notice is None


def test_opening_again_writes_nothing(made: Workspace, demo: Demo) -> None:
    before = state_of(made.folder)
    again = open_demo(demo, folder=made.folder)
    assert again.settings == made.settings
    assert state_of(made.folder) == before
    assert [path.name for path in made.folder.parent.iterdir()] == [demo.key]


def test_a_demo_is_extracted_without_importing_torch(demo: Demo, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from openmax_core.demos.demo import open_demo
from openmax_core.demos.catalogue import DEMOS
demo = next(item for item in DEMOS if item.key == {demo.key!r})
workspace = open_demo(demo, folder=Path({str(tmp_path / demo.key)!r}))
ran = workspace.extract("cpu").n_run
assert {{split: len(workspace.pictures.find(split)) for split in workspace.pictures.splits}} == ran
assert "torch" not in sys.modules and "torchvision" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


# --- the garages' pictures -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def garages(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_demo(GARAGES, folder=tmp_path_factory.mktemp("cache") / "garages")


@pytest.mark.parametrize(("split", "count"), [("train", 120), ("test", 50)])
def test_every_garage_has_its_pictures(garages: Workspace, split: str, count: int) -> None:
    folder = garages.pictures.folder(split)
    counts = {path.name: len(list(path.glob("*.jpg"))) for path in folder.iterdir()}
    assert counts == dict.fromkeys(GARAGE_NAMES, count)


def test_the_reject_set_is_divided_by_the_reason_why_it_must_be_rejected(
    garages: Workspace,
) -> None:
    folder = garages.pictures.folder("reject")
    assert sorted(path.name for path in folder.iterdir()) == [
        "across the line",
        "another garage",
        "finger on the lens",
        "in front of an exit",
        "in the aisle",
        "no car",
        "outdoor lot",
        "too close",
    ]
    assert len(garages.pictures.find("reject")) == 240


def test_every_picture_is_of_one_size_and_listed_with_how_it_was_made(garages: Workspace) -> None:
    listed = (garages.folder / "pictures.csv").read_text(encoding="utf-8").splitlines()
    assert listed[0].split(",")[:3] == ["path", "garage", "reason"]
    pictures = {path.relative_to(garages.folder) for path in garages.folder.rglob("*.jpg")}
    assert {Path(line.split(",")[0]) for line in listed[1:]} == pictures
    sizes = set()
    for path in sorted(pictures):
        with Image.open(garages.folder / path) as picture:
            sizes.add((picture.format, picture.size))
    assert sizes == {("JPEG", (400, 300))}


def test_the_archive_holds_nothing_else(garages: Workspace) -> None:
    kinds = {path.suffix for path in garages.folder.rglob("*") if path.is_file()}
    assert kinds == {".jpg", ".csv", ".toml", ".safetensors", ".onnx", ".json"}


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_named_and_leaves_nothing(
    demo: Demo, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=f"cannot make the demo in {tmp_path}/file/demo"):
        open_demo(demo, folder=tmp_path / "file" / "demo")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="cannot make the demo"):
        open_demo(demo, folder=tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
    assert (tmp_path / "taken" / "letter.txt").read_text(encoding="utf-8") == "kept"


def test_a_disk_that_is_full_leaves_nothing_behind(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(assets: Path, folder: Path) -> None:
        (folder / "train").mkdir()
        raise OSError(28, "No space left on device")

    with pytest.raises(WorkspaceError, match="No space left on device"):
        open_demo(replace(demo, write_pictures=full), folder=tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_a_changed_byte(content: bytes) -> bytes:
    """Of the first picture's data: an archive's own fields are not all checked."""
    place = content.index(b"\xff\xd8") + 100
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [cut_off, with_a_changed_byte, lambda content: b"no archive"])
def test_a_damaged_archive_is_named_and_leaves_nothing(
    small: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    archive = small / "garages.zip"
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(WorkspaceError, match=rf"cannot make the demo in .*{archive} is damaged"):
        open_demo(GARAGES, small, tmp_path / "garages")
    assert not (tmp_path / "garages").exists()
    assert not list(tmp_path.glob(".making-demo-*"))


def test_a_missing_archive_is_named(small: Path, tmp_path: Path) -> None:
    (small / "garages.zip").unlink()
    with pytest.raises(WorkspaceError, match=r"cannot read .*garages\.zip"):
        open_demo(GARAGES, small, tmp_path / "garages")


@pytest.mark.parametrize("name", ["../outside.jpg", "/tmp/outside.jpg", "train/../../outside.jpg"])
def test_nothing_is_unpacked_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    write_archive(tmp_path / "hostile.zip", {name: b"x"})
    with pytest.raises(WorkspaceError, match="leads out of the archive"):
        unpack_pictures(tmp_path / "hostile.zip", tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("outside.jpg"))


# --- brought up to date --------------------------------------------------------------------------


def test_another_archive_brings_its_pictures_and_keeps_what_was_saved(
    small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "garages"
    workspace = open_demo(GARAGES, small, folder)
    workspace.extract("cpu")
    saved = {"operating_point.json": b"{}", "operating_points.json": b"[]", "notes.txt": b"mine"}
    for name, content in saved.items():
        (folder / name).write_bytes(content)
    newer = few_pictures(shade=200)
    del newer["reject/no car/0.jpg"]
    newer["reject/in the aisle/7.jpg"] = newer["reject/too close/0.jpg"]
    write_archive(small / "garages.zip", newer)
    workspace = open_demo(GARAGES, small, folder)
    pictures = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jpg")}
    assert pictures == {name: newer[name] for name in newer if name.endswith(".jpg")}
    assert {name: (folder / name).read_bytes() for name in saved} == saved
    # Figures of other pictures are not shown: they go through the network again.
    assert not any(workspace.stored.has(split) for split in workspace.pictures.splits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["garages", "small"]


def test_other_settings_are_taken_over_and_your_defaults_kept(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "garages"
    workspace = open_demo(GARAGES, small, folder)
    own = replace(workspace.settings.defaults, min_test_accuracy=0.7)
    workspace.save_settings(replace(workspace.settings, defaults=own))
    before = state_of(folder)
    newer = change_settings(GARAGES, description="Another story")
    workspace = open_demo(newer, small, folder)
    assert workspace.settings == replace(newer.settings, defaults=own)
    after = state_of(folder)
    assert {name for name in after if after[name] != before.get(name)} == {FILE_NAME, NOTE}


def test_a_settings_file_that_cannot_be_read_is_replaced_with_newer_settings(
    small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "garages"
    open_demo(GARAGES, small, folder)
    (folder / FILE_NAME).write_text("name = [", encoding="utf-8")
    newer = change_settings(GARAGES, notice="Rendered")
    assert open_demo(newer, small, folder).settings == newer.settings


def test_a_network_that_the_user_trained_stays_the_demo_s(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "garages"
    workspace = open_demo(GARAGES, small, folder)
    shutil.copy(folder / GARAGES.weights_name, folder / "own.safetensors")
    own = replace(workspace.settings.classifier, weights="own.safetensors")
    workspace.save_settings(replace(workspace.settings, classifier=own))
    newer = change_settings(GARAGES, description="Another story")
    assert open_demo(newer, small, folder).settings == replace(newer.settings, classifier=own)


def test_a_settings_file_that_is_gone_comes_back_and_the_rest_stays(
    small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "garages"
    settings = open_demo(GARAGES, small, folder).settings
    before = state_of(folder)
    (folder / FILE_NAME).unlink()
    assert open_demo(GARAGES, small, folder).settings == settings
    after = state_of(folder)
    assert {name for name in after if after[name] != before[name]} == {FILE_NAME, NOTE}


def test_a_demo_that_cannot_be_updated_is_opened_as_it_is_and_updated_later(
    small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "garages"
    settings = open_demo(GARAGES, small, folder).settings
    before = state_of(folder)

    def full(assets: Path, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    newer = replace(GARAGES, version=lambda assets: "newer", write_pictures=full)
    assert open_demo(newer, small, folder).settings == settings
    assert state_of(folder) == before
    assert "No space left on device" in caplog.text
    write_archive(small / "garages.zip", few_pictures(shade=10))
    open_demo(replace(newer, write_pictures=GARAGES.write_pictures), small, folder)
    assert {path.read_bytes() for path in folder.rglob("*.jpg")} == {
        few_pictures(shade=10)["train/Museum/0.jpg"]
    }


def test_an_update_that_was_interrupted_is_done_again(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "garages"
    open_demo(GARAGES, small, folder)
    write_archive(small / "garages.zip", few_pictures(shade=10))
    original, renamed = Path.rename, []

    def stopped(path: Path, target: Path) -> Path:
        renamed.append(path)
        if len(renamed) == 4:
            raise KeyboardInterrupt
        return original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stopped)
        with pytest.raises(KeyboardInterrupt):
            open_demo(GARAGES, small, folder)
    workspace = open_demo(GARAGES, small, folder)
    assert len(workspace.pictures.find("train")) == len(GARAGE_NAMES)
    expected = few_pictures(shade=10)["train/Museum/0.jpg"]
    assert {path.read_bytes() for path in folder.rglob("*.jpg")} == {expected}


@pytest.mark.parametrize("note", [None, "{", "[]", json.dumps({"pictures": "of before"})])
def test_a_demo_that_does_not_say_what_it_is_made_of_is_made_anew(
    small: Path, tmp_path: Path, note: str | None
) -> None:
    folder = tmp_path / "garages"
    open_demo(GARAGES, small, folder)
    expected = (folder / NOTE).read_text(encoding="utf-8")
    (folder / NOTE).unlink()
    if note is not None:
        (folder / NOTE).write_text(note, encoding="utf-8")
    (folder / "train" / "Market" / "0.jpg").write_bytes(b"old")
    workspace = open_demo(GARAGES, small, folder)
    assert (folder / "train" / "Market" / "0.jpg").read_bytes() != b"old"
    assert (folder / NOTE).read_text(encoding="utf-8") == expected
    assert workspace.settings == GARAGES.settings


def test_updated_weights_are_copied_with_their_network_and_nothing_else_changes(
    small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "garages"
    open_demo(GARAGES, small, folder)
    before = state_of(folder)
    weights, network = small / GARAGES.weights_name, exported_network(GARAGES, small)
    content = network.read_bytes()
    weights.write_bytes(weights.read_bytes() + b" ")
    network.unlink()
    exported_network(GARAGES, small).write_bytes(content)
    open_demo(GARAGES, small, folder)
    after = state_of(folder)
    changed = {name for name in before.keys() | after.keys() if after.get(name) != before.get(name)}
    assert changed == {
        GARAGES.weights_name,
        network.name,
        exported_network(GARAGES, small).name,
    }
    assert (folder / GARAGES.weights_name).read_bytes() == weights.read_bytes()
    assert [path.name for path in folder.glob("*.onnx")] == [exported_network(GARAGES, small).name]


def test_weights_that_were_removed_come_back(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "garages"
    open_demo(GARAGES, small, folder)
    (folder / GARAGES.weights_name).unlink()
    open_demo(GARAGES, small, folder)
    shipped = (small / GARAGES.weights_name).read_bytes()
    assert (folder / GARAGES.weights_name).read_bytes() == shipped


# --- the shipped network -------------------------------------------------------------------------


def test_the_weights_are_small_enough_to_ship(demo: Demo) -> None:
    assert 0 < (ASSETS / demo.weights_name).stat().st_size <= 20_000_000


def test_the_weights_fit_the_demo_s_architecture(made: Workspace, demo: Demo) -> None:
    classifier = made.classifier.load()
    assert classifier.architecture == demo.settings.classifier.architecture
    assert classifier.classes == demo.settings.classifier.classes
    assert not classifier.network.training


def test_the_exported_network_is_that_of_the_weights(made: Workspace, demo: Demo) -> None:
    shipped = exported_network(demo)
    assert shipped.is_file(), "make it with openmax_core.demos.demo.shipped, and commit it"
    stem = Path(demo.weights_name).stem
    assert [path.name for path in ASSETS.glob(f"{stem}-*.onnx")] == [shipped.name]
    assert (made.folder / shipped.name).read_bytes() == shipped.read_bytes()
    files = made.pictures.find("reject")
    sources = [files.folder / path for path in files.paths[:40]]
    exported = OnnxEngine(shipped, made.settings.transform)
    by_torch = TorchEngine(made.classifier.load())
    logits, expected = (
        np.array([result for _, result in run(engine, sources)]) for engine in (exported, by_torch)
    )
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_nothing_shipped_tells_where_it_was_made(demo: Demo) -> None:
    content = exported_network(demo).read_bytes()
    assert not [sign for sign in (b"site-packages", b".py", b"torch/nn") if sign in content]
