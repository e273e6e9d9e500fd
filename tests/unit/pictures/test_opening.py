"""Opening pictures of strangers: every format by its content, at a bounded cost."""

from __future__ import annotations

import io
import logging
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from openmax_core.errors import PictureError
from openmax_core.pictures.images import (
    MAX_SIDE,
    decode,
    decoded_upload,
    why_no_picture,
)
from openmax_core.pictures.opening import FORMATS, HEIF_BRANDS, MOST_VALUES, PLUGINS, Room
from tests.support.heics import TRANSPARENT_HEIC, TURNED_HEIC
from tests.support.tiffs import FLOATING, RGB, WHITE_IS_ZERO, tiff


def encoded(picture: Image.Image, format_name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_name, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


PNG = encoded(Image.new("RGB", (30, 9), (9, 99, 9)), "PNG")
AFTER_HEADER = 33  # bytes of a PNG


# --- HEIC ------------------------------------------------------------------------------------


def test_a_heic_is_turned_once() -> None:
    pixels = np.asarray(decode(TURNED_HEIC)).astype(int)
    assert pixels.shape == (32, 48, 3)
    for (x, y), colour in {(8, 8): (255, 0, 0), (40, 8): (0, 255, 0), (8, 24): (0, 0, 255)}.items():
        assert np.abs(pixels[y, x] - colour).max() <= 6


def test_transparent_parts_of_a_heic_become_white() -> None:
    pixels = np.asarray(decode(TRANSPARENT_HEIC)).astype(int)
    assert (pixels[:, :12] == 255).all()
    assert np.abs(pixels[:, 20:] - (200, 40, 10)).max() <= 6


@pytest.mark.parametrize("brand", sorted(HEIF_BRANDS))
def test_every_brand_is_decoded_whatever_the_name(brand: bytes, tmp_path: Path) -> None:
    content = TURNED_HEIC[:8] + brand + TURNED_HEIC[12:]
    path = tmp_path / "IMG_0001.JPG"
    path.write_bytes(content)
    assert why_no_picture(content) is None
    assert decode(path).size == (48, 32)


def test_a_heic_of_another_main_brand_is_known_by_its_further_ones() -> None:
    assert decode(TURNED_HEIC[:8] + b"abcd" + TURNED_HEIC[12:]).size == (48, 32)


@pytest.mark.parametrize("length", [200, 400, len(TURNED_HEIC) - 60])
def test_a_heic_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(PictureError, match=r"^a\.heic: damaged"):
        decode(TURNED_HEIC[:length], "a.heic")


def test_the_heic_reader_is_imported_for_a_heic_only() -> None:
    code = """
import sys
from openmax_core.pictures.images import decode
assert "pi_heif" not in sys.modules and "PIL.TiffImagePlugin" in sys.modules
decode(b"P5 1 1 255 0")
assert "pi_heif" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_heic_reader_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(PictureError, match="pip install pi-heif"):
        decode(TURNED_HEIC)


def test_a_video_is_called_one() -> None:
    content = b"\0\0\0\x18ftypisom\0\0\0\0mp41isom" + bytes(64)
    assert str(why_no_picture(content)).startswith("it is a video or another container")


# --- formats ---------------------------------------------------------------------------------


def test_the_formats_are_those_of_the_plugins_and_heif() -> None:
    assert set(FORMATS) == {*PLUGINS, "HEIF"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            tiff(np.zeros((4, 4, 3), "<f4"), FLOATING, RGB),
            "a TIFF of 32-bit floating-point numbers (RGB) is not decoded",
        ),
        (
            tiff(np.zeros((4, 4), "<f8"), FLOATING),
            "a TIFF of 64-bit floating-point numbers (black is 0) is not decoded",
        ),
        (
            tiff(np.zeros((4, 4), ">u2"), colours=WHITE_IS_ZERO),
            "a TIFF of 16-bit unsigned numbers (white is 0) is not decoded",
        ),
        (
            tiff(np.zeros((4, 4, 3), "<u2"), colours=RGB, planes=2),
            "a TIFF of 16-bit unsigned numbers (RGB, each colour by itself) is not decoded",
        ),
        (tiff(np.zeros((4, 4, 3), "u1"), colours=8), "its colours are CIELAB"),
    ],
)
def test_a_tiff_that_is_not_decoded_says_what_it_is(content: bytes, words: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode(content, "scan.tif")
    assert str(caught.value).startswith(f"scan.tif: {words}")


def test_a_tiff_with_each_colour_by_itself_is_decoded_in_eight_bits() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    content = tiff(values, colours=RGB, planes=2)
    np.testing.assert_array_equal(np.asarray(decode(content)), values)


def test_grey_multiplied_by_its_alpha_is_laid_on_white() -> None:
    values = np.array([[[50, 255], [0, 0]]], dtype=np.uint8)
    found = np.asarray(decode(tiff(values, more=[(338, 3, [1])])))
    assert found[0, :, 0].tolist() == [50, 255]


# --- texts of PNGs ---------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_a_png_with_a_long_text_is_decoded(compressed: bool, after: bool, tmp_path: Path) -> None:
    text = b"x" * 2_000_000
    info = PngImagePlugin.PngInfo()
    if compressed:
        info.add(b"zTXt", b"workflow\0\0" + zlib.compress(text), after)
    else:
        info.add(b"tEXt", b"workflow\0" + text, after)
    exif = Image.Exif()
    exif[274] = 6
    content = encoded(Image.open(io.BytesIO(PNG)), "PNG", pnginfo=info, exif=exif)
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for source in (path, content):
        assert decode(source).size == (9, 30)  # turned as EXIF says
    assert decode(path).getpixel((0, 0)) == (9, 99, 9)


def test_many_long_texts_are_left_out_and_pillows_limits_stay() -> None:
    before = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))
    content = PNG[:AFTER_HEADER] + text * 70 + PNG[AFTER_HEADER:]
    assert decode(content).size == (30, 9)
    assert before == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


# --- cost ------------------------------------------------------------------------------------


def many_tags(count: int) -> bytes:
    entries = b"".join(struct.pack("<HHQQ", 40000 + i % 20000, 3, 1, 1) for i in range(count))
    return b"II\x2b\0\x08\0\0\0" + struct.pack("<QQ", 16, count) + entries + bytes(8)


def many_strips(count: int) -> bytes:
    lists = [(273, 4, [8] * count), (279, 4, [1] * count), (278, 4, [1])]
    return tiff(np.zeros((count, 1), "u1"), more=lists)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PNG[:AFTER_HEADER] + chunk(b"tEXt", b"a\0") * 80_000 + PNG[AFTER_HEADER:], "pieces"),
        (b"P6\n#" + b"x" * 300_000 + b"\n1 1 255\n" + bytes(3), "pieces"),
        (b"P2 3 3 255\n" + b"#\n" * 20_000 + b"7 " * 9, "comments"),
        (many_strips(MOST_VALUES + 1), "strips"),
        (many_tags(70_000), "tags"),
    ],
    ids=["chunks", "comment of a PPM", "comments of a PGM", "strips", "tags"],
)
def test_what_is_stored_in_too_many_pieces_is_refused(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(PictureError, match=reason):
            decode(source)


def test_many_strips_are_decoded() -> None:
    assert decode(many_strips(1000)).size == (1, 1000)


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)])
def test_a_side_that_no_picture_has_is_refused(size: tuple[int, int]) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    with pytest.raises(PictureError, match="have a side of more than 100,000"):
        decode(PNG[:8] + header + PNG[AFTER_HEADER:])


# --- lines on standard error -----------------------------------------------------------------


def test_pillow_and_libtiff_write_nothing_by_themselves(tmp_path: Path) -> None:
    noise = Image.effect_noise((99, 99), 80)
    lzw = bytearray(encoded(noise, "TIFF", compression="tiff_lzw"))
    lzw[500:5000:7] = b"\x5a" * len(lzw[500:5000:7])
    (tmp_path / "a.tif").write_bytes(bytes(lzw))
    cut = encoded(noise, "TIFF", tiffinfo={270: "text" * 50})
    (tmp_path / "b.tif").write_bytes(cut[:-100])
    (tmp_path / "c.tif").write_bytes(tiff(np.zeros((2, 2), "u1"), more=[(277, 3, [99])]))
    code = """
import sys
from pathlib import Path
from openmax_core.errors import PictureError
from openmax_core.pictures.images import decode
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        decode(path)
    except PictureError:
        print(path.name)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a.tif" in ran.stdout
    assert ran.stderr == ""


def test_pillows_log_can_still_be_read(caplog: pytest.LogCaptureFixture) -> None:
    decode(PNG)
    with caplog.at_level(logging.ERROR, "PIL"):
        logging.getLogger("PIL.TiffImagePlugin").error("seen")
    assert "seen" in caplog.text


# --- room for all ----------------------------------------------------------------------------


def test_uploads_decode_as_files_do() -> None:
    with decoded_upload(PNG) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(decode(PNG)))
    with (
        pytest.raises(PictureError, match="25 million"),
        decoded_upload(
            PNG[:8]
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 6000, 6000, 8, 0, 0, 0, 0))
            + PNG[AFTER_HEADER:]
        ),
    ):
        pass


def test_no_more_pixels_are_taken_at_once_than_there_is_room_for() -> None:
    room, lock = Room(100), threading.Lock()
    held, most = 0, 0

    def take(n_pixels: int) -> None:
        nonlocal held, most
        for _ in range(20):
            with room.taken(n_pixels):
                with lock:
                    held += n_pixels
                    most = max(most, held)
                with lock:
                    held -= n_pixels

    threads = [threading.Thread(target=take, args=(n,)) for n in (10, 40, 70, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert held == 0
    assert 0 < most <= 100


def test_a_picture_larger_than_the_room_waits_for_all_of_it() -> None:
    room, done = Room(100), threading.Event()

    def take() -> None:
        with room.taken(1000):
            done.set()

    with room.taken(1):
        thread = threading.Thread(target=take)
        thread.start()
        assert not done.wait(0.05)
    assert done.wait(30)
    thread.join(30)


def test_room_is_given_back_after_an_error() -> None:
    room = Room(100)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), room.taken(100):
            raise ValueError("x")


def test_uploads_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmax_core.pictures.images.FOR_STRANGERS", Room(300))
    started, done = threading.Event(), threading.Event()

    def other() -> None:
        started.set()
        with decoded_upload(PNG):
            done.set()

    with decoded_upload(PNG):
        thread = threading.Thread(target=other)
        thread.start()
        assert started.wait(30)
        assert not done.wait(0.05)
    assert done.wait(30)
    thread.join(30)
