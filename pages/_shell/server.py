"""What stands between the network and Streamlit: who may ask, who may frame, how much is held."""

from __future__ import annotations

import asyncio
import ctypes
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.server.server_util import get_url
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from openmax_core.pictures.intake import (
    MAX_ARCHIVE_BYTES,
    MAX_HELD_BYTES,
    MAX_TOTAL_BYTES,
    held_bytes,
    megabytes,
)

UPLOAD_PATH = "/_stcore/upload_file/"
SWEEP_SECONDS = 15.0
MOST_IN_MEMORY = 128 << 20  # bytes of one file, more than the server takes
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """Refuses what no visitor of the dashboard sends, and forbids others to frame it.

    - requests under a host name that ``server.allowedHosts`` does not list (DNS rebinding)
    - web sockets that a page of another site opens; Streamlit itself would first ask a host of
      elsewhere for this machine's address
    - uploads beyond what one session, or all together, may have in memory; those count that are
      on their way, that no page has taken yet, and that pages hold
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving: list[tuple[str, int]] = []  # sessions and bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        upload = upload_of(scope)
        refusal = refusal_of(scope) or (upload and upload_refusal(*upload, self.arriving))

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if not refusal:
            self.arriving += [upload] if upload else []
            try:
                await self.app(scope, receive, send_protected)
            finally:
                if upload:
                    self.arriving.remove(upload)
        elif scope["type"] == "http":
            status, reason = refusal
            await PlainTextResponse(reason, status)(scope, receive, send_protected)
        else:
            await send({"type": "websocket.close", "code": 1008})  # the server answers 403


def refusal_of(scope: Scope) -> tuple[int, str] | None:
    """Status and reason with which a request is refused; None where it may pass."""
    headers = Headers(scope=scope)
    host = headers.get("host")
    if not is_host_allowed(host):
        return 400, "This host name is not in server.allowedHosts of .streamlit/config.toml."
    if scope["type"] == "websocket" and not _is_same_site(headers.get("origin"), host):
        return 403, "Another site may not use the dashboard."
    return None


def _is_same_site(origin: str | None, host: str | None) -> bool:
    allowed = st.get_option("server.corsAllowedOrigins")
    return origin is None or urlsplit(origin).netloc == host or origin in allowed


def upload_of(scope: Scope) -> tuple[str, int] | None:
    """Session and bytes of an upload; None of another request."""
    if scope["type"] != "http" or scope["method"] != "PUT" or UPLOAD_PATH not in scope["path"]:
        return None
    session = scope["path"].split(UPLOAD_PATH)[1].split("/", maxsplit=1)[0]
    length = Headers(scope=scope).get("content-length", "")
    return session, int(length) if length.isdecimal() else MAX_ARCHIVE_BYTES


def upload_refusal(
    session: str, size: int, arriving: Sequence[tuple[str, int]]
) -> tuple[int, str] | None:
    """Status and reason with which an upload is refused; None where there is room for it."""
    held = [*_held().items(), *arriving]
    # One alone always passes: Streamlit says where it is too large.
    own = sum(count for name, count in held if name == session)
    if own and own + size > MAX_TOTAL_BYTES:
        return 413, f"At most {megabytes(MAX_TOTAL_BYTES)} are taken at a time; wait, or send less."
    if sum(count for _, count in held) + held_bytes() + size > MAX_HELD_BYTES:
        return 503, "Others are sending much at the moment; try again in a minute."
    return None


def _held() -> dict[str, int]:
    """Bytes that the server holds of each session."""
    manager = Runtime.instance().uploaded_file_mgr
    if not isinstance(manager, MemoryUploadedFileManager):
        return {}
    storage = manager.file_storage
    return {
        session: sum(len(file.data) for file in list(files.values()))
        for session, files in list(storage.items())
    }


class ClosedPages:
    """Lets go of what closed pages held, when Streamlit keeps them no longer: after two minutes.

    Streamlit itself does so when another visitor comes or leaves, and not before. What a session
    holds is taken from it, for the session may live on: garbage that was frozen is not collected.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, AppSession] = {}

    def sweep(self) -> None:
        """Clear the sessions that are gone since the last time."""
        listed = Runtime.instance()._session_mgr.list_sessions()
        now = {info.session.id: info.session for info in listed}
        gone = [self._sessions[name] for name in self._sessions.keys() - now.keys()]
        for session in gone:
            session.shutdown()
            session.session_state.clear()
        self._sessions = now
        if gone:
            with suppress(AttributeError, OSError, TypeError):  # other systems do it by themselves
                ctypes.CDLL(None).malloc_trim(0)


async def _sweep() -> None:
    closed = ClosedPages()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        closed.sweep()


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Set the server up, and open a browser at it where it does not run headless."""
    # What visitors send is received without the temporary file it would be written to.
    MultiPartParser.spool_max_size = MOST_IN_MEMORY
    if not st.get_option("server.headless"):
        address = get_url(st.get_option("server.address") or "localhost")
        asyncio.get_running_loop().call_later(1.0, webbrowser.open, address)  # once it listens
    sweep = asyncio.create_task(_sweep())
    yield
    sweep.cancel()


middleware = [Middleware(Guard)]
