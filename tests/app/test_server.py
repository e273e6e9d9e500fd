"""The server itself: which hosts and sites may ask, who may frame it, how much it holds."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import streamlit as st
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartParser
from streamlit.runtime import Runtime
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from openmax_core.pictures.intake import MAX_ARCHIVE_BYTES, MAX_TOTAL_BYTES
from pages._shell import server as own
from tests.browser.server import serve


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("server")) as address:
        yield address


def stream(address: str) -> str:
    return address.replace("http", "ws", 1) + "/_stcore/stream"


@pytest.mark.parametrize("path", ["/", "/threshold", "/_stcore/health", "/_stcore/host-config"])
def test_a_foreign_host_name_gets_no_answer(address: str, path: str):
    assert httpx.get(address + path).status_code == 200
    refused = httpx.get(address + path, headers={"Host": "attacker.example"})
    assert refused.status_code == 400
    assert "server.allowedHosts" in refused.text


def test_a_page_under_a_foreign_host_name_gets_no_stream(address: str):
    with connect(stream(address), origin=Origin(address)):
        pass
    parts = urlsplit(address)
    there = socket.create_connection((parts.hostname, parts.port))
    foreign = f"http://attacker.example:{parts.port}"
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(stream(foreign), origin=Origin(foreign), sock=there),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_a_page_of_another_site_is_refused_at_once(address: str):
    began = time.monotonic()
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(stream(address), origin=Origin("https://share.streamlit.io")),
    ):
        pass
    assert caught.value.response.status_code == 403
    # Streamlit would first ask elsewhere for this machine's address: two time-outs of a second.
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("path", ["/", "/upload", "/_stcore/health", "/component/none"])
def test_no_other_site_may_frame_it(address: str, path: str):
    headers = httpx.get(address + path).headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_other_site_may_send_it_messages(address: str):
    assert httpx.get(f"{address}/_stcore/host-config").json()["allowedOrigins"] == []


def upload(session: str = "one") -> tuple[int, str] | None:
    return own._upload_refusal(f"{own.UPLOAD_PATH}{session}/file")


def test_one_session_may_not_fill_the_memory_by_uploads(monkeypatch: pytest.MonkeyPatch):
    held = {"one": MAX_TOTAL_BYTES - MAX_ARCHIVE_BYTES}
    monkeypatch.setattr(own, "_held", lambda: held)
    assert upload() is None
    held["one"] += 1
    assert upload("another") is None
    refusal = upload()
    assert refusal is not None
    assert refusal[0] == 413


def test_all_sessions_together_may_not_fill_it_either(monkeypatch: pytest.MonkeyPatch):
    held = dict.fromkeys(map(str, range(6)), MAX_TOTAL_BYTES - MAX_ARCHIVE_BYTES)
    monkeypatch.setattr(own, "_held", lambda: held)
    assert upload("another") is not None
    del held["5"]
    assert upload("another") is None


def test_what_the_server_holds_is_counted_by_session(monkeypatch: pytest.MonkeyPatch):
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    manager = MemoryUploadedFileManager("/upload")
    for number, session in enumerate(("one", "one", "two")):
        manager.add_file(session, UploadedFileRec(str(number), "a.png", "image/png", b"12345"))
    runtime = type("FakeRuntime", (), {"uploaded_file_mgr": manager})()
    with monkeypatch.context() as patched:
        patched.setattr(Runtime, "instance", lambda: runtime)
        assert own._held() == {"one": 10, "two": 5}


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_what_is_sent_is_received_in_memory_and_not_in_a_temporary_file(
    monkeypatch: pytest.MonkeyPatch, size: int
):
    monkeypatch.setattr(MultiPartParser, "spool_max_size", MultiPartParser.spool_max_size)
    monkeypatch.setattr(st, "get_option", lambda name: name == "server.headless")
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    headers = Headers({"content-type": "multipart/form-data; boundary=x"})

    async def stream() -> AsyncGenerator[bytes, None]:
        yield head + bytes(size) + b"\r\n--x--\r\n"

    async def parsed() -> FormData:
        async with own.lifespan(None):  # type: ignore[arg-type]
            return await MultiPartParser(headers, stream()).parse()

    received = asyncio.run(parsed())["file"]
    assert isinstance(received, UploadFile)
    assert received.size == size
    assert not received.file._rolled  # type: ignore[attr-defined]
