"""Limits on what strangers send, thumbnails, and samples of a split."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmax_core.activations import Activations
from openmax_core.errors import PictureError
from openmax_core.samples import (
    SIDE,
    picture_bytes,
    sample_pictures,
    thumbnail,
    thumbnail_of,
    thumbnail_url,
)
from openmax_core.uploads import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    Upload,
    within_limits,
)
from openmax_core.workspace import Workspace
from tests.helpers import make_workspace

# --- uploads ---------------------------------------------------------------------------------


def test_files_within_the_limits_are_kept_in_order() -> None:
    files = tuple(Upload(f"{index}.png", bytes([index])) for index in range(MAX_FILES))
    accepted = within_limits(iter(files))
    assert accepted.files == files
    assert accepted.problems == ()


def test_nothing_sent_is_nothing_kept() -> None:
    assert within_limits([]).files == ()


def test_the_digest_is_the_sha256_of_the_content_alone() -> None:
    expected = hashlib.sha256(b"leaf").hexdigest()
    assert Upload("a.png", b"leaf").digest == Upload("b.png", b"leaf").digest == expected


def test_a_file_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    content = bytes(MAX_FILE_BYTES + 1)
    accepted = within_limits(
        [Upload("large.png", content), Upload("fits.png", content[:-1]), Upload("small.png", b"x")]
    )
    assert [file.name for file in accepted.files] == ["fits.png", "small.png"]
    assert accepted.problems == ("large.png has 20.0 MB; at most 20 MB a file are taken",)


def test_files_beyond_the_count_are_left_out_and_counted() -> None:
    accepted = within_limits(Upload(f"{index}.png", b"x") for index in range(MAX_FILES + 3))
    assert len(accepted.files) == MAX_FILES == 200
    assert accepted.problems == (
        "3 more files were left out: at most 200 files and 400 MB are taken at a time; send the "
        "others after these",
    )


def test_files_beyond_the_total_are_left_out_and_smaller_ones_still_fit() -> None:
    content = bytes(MAX_FILE_BYTES)  # one object: nothing is copied
    fitting = MAX_TOTAL_BYTES // MAX_FILE_BYTES
    files = [Upload(f"{index}.png", content) for index in range(fitting - 1)]
    files += [Upload("half.png", content[: MAX_FILE_BYTES // 2]), Upload("beyond.png", content)]
    files += [Upload("rest.png", content[: MAX_FILE_BYTES // 2]), Upload("byte.png", b"x")]
    accepted = within_limits(files)
    assert [file.name for file in accepted.files[fitting - 1 :]] == ["half.png", "rest.png"]
    assert sum(len(file.content) for file in accepted.files) == MAX_TOTAL_BYTES
    assert accepted.problems[0].startswith("2 more files were left out")


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


def test_a_thumbnail_of_an_upload_is_a_png() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (50, 30), (200, 10, 10)).save(stream, "BMP")
    with Image.open(io.BytesIO(thumbnail_of(stream.getvalue(), 12))) as shown:
        assert (shown.format, shown.size) == ("PNG", (12, 12))
        assert shown.getcolors() == [(144, (200, 10, 10))]


def test_an_upload_that_is_no_picture_is_an_error() -> None:
    with pytest.raises(PictureError, match="not a picture of a known format"):
        thumbnail_of(b"no picture at all")


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
    activations = workspace.activations(split)
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
    files = workspace.find_pictures("reject")
    rows = {index: np.ones(3, dtype=np.float32) for index in range(4)}
    workspace.store.save("reject", files, {**rows}, 3)
    samples = sample_pictures(workspace, "reject", stored(workspace, "reject"), 2)
    assert [sample.caption for sample in samples] == ["unknown", "unknown"]


def test_no_more_samples_than_pictures(workspace: Workspace) -> None:
    # 10 · 3 files of test, of which the last counts as unreadable.
    assert len(sample_pictures(workspace, "test", stored(workspace, "test"), 100)) == 29


def test_pictures_that_have_gone_or_broken_are_left_out(workspace: Workspace) -> None:
    activations = stored(workspace, "reject")
    folder = workspace.picture_folder("reject") / "oak"
    paths = sorted(folder.iterdir())
    for path in paths[:3]:
        path.unlink()
    paths[3].write_bytes(b"no picture")
    assert len(sample_pictures(workspace, "reject", activations, 9)) == 5
