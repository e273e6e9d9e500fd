"""The server itself: which hosts and sites may ask, who may frame it, how much it holds."""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
import weakref
from collections.abc import AsyncGenerator, Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import streamlit as st
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartParser
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.state import SessionState
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from openmax_core.pictures.intake import MAX_ARCHIVE_BYTES, MAX_TOTAL_BYTES, Upload
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


def upload(
    session: str = "one", size: int = MAX_ARCHIVE_BYTES, arriving: Sequence[tuple[str, int]] = ()
) -> int:
    """Status with which an upload is refused; 0 where it passes."""
    refusal = own.upload_refusal(session, size, arriving)
    return 0 if refusal is None else refusal[0]


def test_one_session_may_not_fill_the_memory_by_uploads(monkeypatch: pytest.MonkeyPatch):
    held = {"one": MAX_TOTAL_BYTES - MAX_ARCHIVE_BYTES}
    monkeypatch.setattr(own, "_held", lambda: held)
    assert upload() == 0
    held["one"] += 1
    assert upload("another") == 0
    assert upload() == 413


def test_uploads_on_their_way_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own, "_held", dict)
    assert upload(arriving=[("one", MAX_ARCHIVE_BYTES)] * 3) == 0
    assert upload(arriving=[("one", MAX_ARCHIVE_BYTES)] * 4) == 413
    many = [(str(number), MAX_ARCHIVE_BYTES) for number in range(15)]
    assert upload("another", arriving=many) == 0
    assert upload("another", arriving=[*many, ("16", 1)]) == 503


def test_all_sessions_together_may_not_fill_it_either(monkeypatch: pytest.MonkeyPatch):
    held = dict.fromkeys(map(str, range(6)), MAX_TOTAL_BYTES - MAX_ARCHIVE_BYTES)
    monkeypatch.setattr(own, "_held", lambda: held)
    assert upload("another") == 503
    del held["5"]
    assert upload("another") == 0
    monkeypatch.setattr(own, "held_bytes", lambda: 1)  # what pages hold
    assert upload("another") == 503


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("PUT", "one/file", [(b"content-length", b"12")], ("one", 12)),
        ("PUT", "one/file", [(b"transfer-encoding", b"chunked")], ("one", MAX_ARCHIVE_BYTES)),
        ("DELETE", "one/file", [], None),
    ],
)
def test_an_upload_is_known_by_its_session_and_size(
    method: str, path: str, headers: list[tuple[bytes, bytes]], expected: tuple[str, int] | None
):
    scope = {"type": "http", "method": method, "path": own.UPLOAD_PATH + path, "headers": headers}
    assert own.upload_of(scope) == expected
    assert own.upload_of({"type": "websocket", "path": "/_stcore/stream"}) is None


def test_the_guard_counts_an_upload_until_it_has_arrived(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own, "_held", dict)
    monkeypatch.setattr(own, "refusal_of", lambda scope: None)
    answers: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def run() -> None:
        release = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await release.wait()
            await PlainTextResponse("", 204)(scope, receive, send)

        guard = own.Guard(app)
        scope = {
            "type": "http",
            "method": "PUT",
            "path": f"{own.UPLOAD_PATH}one/file",
            "headers": [(b"content-length", b"%d" % MAX_ARCHIVE_BYTES)],
        }
        sent = [asyncio.create_task(guard(scope, receive, send)) for _ in range(6)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert answers == [413, 413]
        release.set()
        await asyncio.gather(*sent)
        assert answers == [413, 413, 204, 204, 204, 204]
        assert guard.arriving == []

    asyncio.run(run())


class Session:
    """What the server asks of a session of Streamlit."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.session_state = SessionState()
        self.session_state["upload_files"] = [Upload("a.png", b"1")]
        self.is_shut_down = False

    def shutdown(self) -> None:
        self.is_shut_down = True


def test_what_a_closed_page_held_is_let_go_without_another_visitor(
    monkeypatch: pytest.MonkeyPatch,
):
    storage = MemorySessionStorage(ttl_seconds=60)
    manager: Any = WebsocketSessionManager(
        storage, MemoryUploadedFileManager(""), ScriptCache(), lambda: None
    )
    sessions = {name: Session(name) for name in ("open", "closed")}
    held = [weakref.ref(item.session_state["upload_files"][0]) for item in sessions.values()]
    infos = {name: SimpleNamespace(session=item) for name, item in sessions.items()}
    manager._active_session_info_by_id = infos
    monkeypatch.setattr(Runtime, "instance", lambda: SimpleNamespace(_session_mgr=manager))
    closed = own.ClosedPages()
    closed.sweep()
    storage.save(infos.pop("closed"))  # type: ignore[arg-type]
    closed.sweep()  # the page may come back
    assert all(reference() is not None for reference in held)
    storage.delete("closed")
    closed.sweep()
    assert [reference() is None for reference in held] == [False, True]
    assert [item.is_shut_down for item in sessions.values()] == [False, True]
    closed.sweep()


def test_the_sessions_of_streamlit_are_where_they_are_looked_for():
    assert {"shutdown", "session_state"} <= vars(AppSession).keys()
    source = inspect.getsource(Runtime.__init__)
    assert "self._session_mgr = config.session_manager_class(" in source


def test_what_the_server_holds_is_counted_by_session(monkeypatch: pytest.MonkeyPatch):
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
