"""Thumbnails, and samples of a split."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmax_core.activations.activations import Activations
from openmax_core.errors import PictureError
from openmax_core.workspace.samples import (
    SIDE,
    picture_bytes,
    sample_paths,
    sample_pictures,
    sample_upload,
    thumbnail,
    thumbnail_url,
)
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import make_workspace

# --- thumbnails ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (64, 64), (1, 9), (7, 1000)])
@pytest.mark.parametrize("side", [16, SIDE])
def test_a_thumbnail_is_square_whatever_the_picture(size: tuple[int, int], side: int) -> None:
    assert thumbnail(Image.new("RGB", size), side).size == (side, side)


@pytest.mark.parametrize("turned", [False, True], ids=["wide", "tall"])
def test_a_thumbnail_shows_the_middle(turned: bool) -> None:
    pixels = np.zeros((100, 300, 3), dtype=np.uint8)
    pixels[:, 100:200] = (10, 200, 30)
    picture = Image.fromarray(pixels.transpose(1, 0, 2) if turned else pixels)
    assert thumbnail(picture, 20).getcolors() == [(400, (10, 200, 30))]


def saved(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_the_url_of_a_thumbnail_holds_a_small_square_jpeg(tmp_path: Path) -> None:
    url = thumbnail_url(saved(tmp_path / "leaf.png", (500, 300), (200, 30, 60)))
    assert url is not None
    kind, content = url.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as shown:
        assert (shown.format, shown.size) == ("JPEG", (160, 160))
        np.testing.assert_allclose(np.asarray(shown)[80, 80], (200, 30, 60), atol=3)


def test_the_url_of_a_noisy_photograph_stays_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    url = thumbnail_url(tmp_path / "noise.png")
    assert url is not None
    assert len(url) < 20_000


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1800, 1200), (900, 600)),
        ((300, 1800), (150, 900)),
        ((900, 900), (900, 900)),
        ((40, 20), (40, 20)),  # never made larger
        ((5000, 2), (900, 1)),
    ],
)
def test_a_picture_to_open_fits_a_screen_in_its_own_proportions(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    content = picture_bytes(saved(tmp_path / "leaf.png", size, (10, 200, 60)))
    assert content is not None
    with Image.open(io.BytesIO(content)) as shown:
        assert (shown.format, shown.size) == ("JPEG", expected)
        np.testing.assert_allclose(np.asarray(shown)[0, 0], (10, 200, 60), atol=3)


@pytest.mark.parametrize("shown", [thumbnail_url, picture_bytes])
def test_a_picture_that_is_gone_or_damaged_is_none(
    tmp_path: Path, shown: Callable[[Path], object]
) -> None:
    assert shown(tmp_path / "gone.png") is None
    assert shown(tmp_path) is None
    (tmp_path / "text.png").write_bytes(b"no picture at all")
    assert shown(tmp_path / "text.png") is None


# --- samples ---------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, n_train=3, n_test=10, n_reject=9)


def stored(workspace: Workspace, split: str) -> Activations:
    activations = workspace.stored.activations(split)
    assert activations is not None
    return activations


def test_samples_are_spread_evenly_over_the_classes(workspace: Workspace) -> None:
    samples = sample_pictures(workspace, "test", stored(workspace, "test"), 6)
    assert [sample.caption for sample in samples] == [
        *("ash", "ash", "birch", "birch", "cedar", "cedar")
    ]
    assert {sample.picture.size for sample in samples} == {(SIDE, SIDE)}
    # The class's own shade: the picture is the caption's.
    reds = [int(np.asarray(sample.picture)[0, 0, 0]) for sample in samples]
    assert reds == [0, 0, 40, 40, 80, 80]


def test_samples_of_unknowns_are_called_by_their_folder(workspace: Workspace) -> None:
    samples = sample_pictures(workspace, "reject", stored(workspace, "reject"), 3)
    assert [sample.caption for sample in samples] == ["oak", "oak", "oak"]


def test_unknowns_without_a_folder_are_called_unknown(tmp_path: Path) -> None:
    make_workspace(tmp_path, n_train=1, n_test=2, n_reject=4, stored=False)
    for path in (tmp_path / "reject" / "oak").iterdir():
        path.rename(tmp_path / "reject" / path.name)
    workspace = Workspace.open(tmp_path)
    files = workspace.pictures.find("reject")
    rows = {index: np.ones(3, dtype=np.float32) for index in range(4)}
    workspace.stored.store.save("reject", files, {**rows}, 3)
    samples = sample_pictures(workspace, "reject", stored(workspace, "reject"), 2)
    assert [sample.caption for sample in samples] == ["unknown", "unknown"]


def test_samples_are_there_before_anything_went_through_the_network(workspace: Workspace) -> None:
    for split in ("test", "reject"):
        samples = sample_pictures(workspace, split, None, 6)
        assert len(samples) == 6
        assert {sample.picture.size for sample in samples} == {(SIDE, SIDE)}
    captions = [sample.caption for sample in sample_pictures(workspace, "test", None, 6)]
    assert captions == ["ash", "ash", "birch", "birch", "cedar", "cedar"]


def test_no_more_samples_than_pictures(workspace: Workspace) -> None:
    # 10 · 3 files of test, of which the last counts as unreadable.
    assert len(sample_pictures(workspace, "test", stored(workspace, "test"), 100)) == 29


def test_pictures_that_have_gone_or_broken_are_left_out(workspace: Workspace) -> None:
    activations = stored(workspace, "reject")
    folder = workspace.pictures.folder("reject") / "oak"
    paths = sorted(folder.iterdir())
    for path in paths[:3]:
        path.unlink()
    paths[3].write_bytes(b"no picture")
    assert len(sample_pictures(workspace, "reject", activations, 9)) == 5


def test_paths_of_samples_are_those_of_the_pictures_with_what_they_show(
    workspace: Workspace,
) -> None:
    activations = stored(workspace, "test")
    found = sample_paths(workspace, activations, 6)
    assert [caption for _, caption in found] == [path.split("/")[0] for path, _ in found]
    assert [path for path, _ in found] == sorted({path for path, _ in found})
    shown = sample_pictures(workspace, "test", activations, 6)
    assert [sample.caption for sample in shown] == [caption for _, caption in found]


def test_a_sample_is_sent_as_its_file_is(workspace: Workspace) -> None:
    path, _ = sample_paths(workspace, stored(workspace, "reject"), 1)[0]
    upload = sample_upload(workspace, "reject", path)
    file = workspace.pictures.folder("reject") / path
    assert (upload.name, upload.content) == (f"reject/{path}", file.read_bytes())
    file.unlink()
    with pytest.raises(PictureError, match=re.escape(upload.name)):
        sample_upload(workspace, "reject", path)
