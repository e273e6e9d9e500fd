"""Names of ZIP entries in the code pages of Windows, in UTF-8 with and without its flag."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from openmax_core.pictures.intake import Upload, unpack

NAMES = {
    "cp949": ["사진/강아지 1.jpg", "고양이.png", "제주도 여행/바다.jpg"],
    "cp932": ["新しいフォルダー/猫.png", "ねこ.jpg", "表示.jpg"],  # 表 has a \ in its bytes
    "gbk": ["新建文件夹/猫.png", "屏幕截图.png", "北京.jpg"],
    "big5": ["新增資料夾/貓.png", "臺北.jpg"],
    "cp866": ["Новая папка/кот.png", "Фото.jpg"],
    "cp437": ["Frühstück.jpg", "café.png", "Straße/Übung.jpg"],
    "cp1252": ["Frühstück.jpg", "café.png"],
}


def packed(names: list[bytes], *, flag: bool = False, extra: bytes = b"") -> bytes:
    """Write an archive whose entries have these bytes for names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for position, name in enumerate(names):
            entry = zipfile.ZipInfo("x" * (len(name) - 4) + f"{position:04d}")
            entry.extra = extra
            archive.writestr(entry, b"content")
    content = stream.getvalue()
    for position, name in enumerate(names):
        content = content.replace(b"x" * (len(name) - 4) + b"%04d" % position, name)
    if flag:
        content = content.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\0\x08")
        content = content.replace(
            b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\x08"
        )
    return content


def shown(content: bytes) -> list[str]:
    found = list(unpack(Upload("a.zip", content)))
    assert all(isinstance(item, Upload) for item in found)
    return [item.name.removeprefix("a.zip/") for item in found]


@pytest.mark.parametrize("code_page", NAMES)
def test_names_of_a_code_page_are_shown_as_they_were_written(code_page: str) -> None:
    names = NAMES[code_page]
    assert shown(packed([name.encode(code_page) for name in names])) == names


@pytest.mark.parametrize("name", [name for names in NAMES.values() for name in names])
def test_a_name_by_itself_is_right_or_replaced_and_never_another(name: str) -> None:
    for code_page, names in NAMES.items():
        if name in names:
            (found,) = shown(packed([name.encode(code_page)]))
            assert found == name or "�" in found


@pytest.mark.parametrize("flag", [True, False])
def test_utf8_is_shown_with_and_without_its_flag(flag: bool) -> None:
    names = ["고양이.png", "ねこ.jpg", "Übung 猫.png"]
    assert shown(packed([name.encode() for name in names], flag=flag)) == names


def test_a_unicode_name_in_the_extra_field_is_taken() -> None:
    raw, name = b"______.png", "花朵.png"
    field = b"\x01" + zlib.crc32(raw).to_bytes(4, "little") + name.encode()
    extra = b"\x75\x70" + len(field).to_bytes(2, "little") + field
    assert shown(packed([raw], extra=extra)) == [name]
    wrong = extra.replace(zlib.crc32(raw).to_bytes(4, "little"), b"wrong"[:4])
    assert shown(packed([raw], extra=wrong)) == [raw.decode()]


def test_entries_whose_names_cannot_be_told_are_all_taken_under_names_of_their_own() -> None:
    names = [bytes([0xFE, byte]) + b".png" for byte in (0x01, 0xFE, 0xFF)]
    names += [b"\xff\xfd\xfc", b"\xff\xfd\xfb"]
    found = shown(packed([b"1234" + name for name in names]))
    assert len(set(found)) == 5
    assert all("�" in name for name in found)
    assert sum(name.endswith(" (2).png") for name in found) == 1
