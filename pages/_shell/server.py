"""What stands between the network and Streamlit: who may ask, who may frame, how much is held."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.server.server_util import get_url
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from openmax_core.pictures.intake import MAX_ARCHIVE_BYTES, MAX_TOTAL_BYTES, megabytes

UPLOAD_PATH = "/_stcore/upload_file/"
MOST_HELD = 4 * MAX_TOTAL_BYTES  # bytes of all visitors that no page has taken yet
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
    - uploads beyond what one session, or all together, may leave in memory
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        refusal = refusal_of(scope)

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if refusal is None:
            await self.app(scope, receive, send_protected)
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
    if scope["type"] == "http" and scope["method"] == "PUT":
        return _upload_refusal(scope["path"])
    return None


def _is_same_site(origin: str | None, host: str | None) -> bool:
    allowed = st.get_option("server.corsAllowedOrigins")
    return origin is None or urlsplit(origin).netloc == host or origin in allowed


def _upload_refusal(path: str) -> tuple[int, str] | None:
    if UPLOAD_PATH not in path:
        return None
    session = path.split(UPLOAD_PATH)[1].split("/", maxsplit=1)[0]
    held = _held()
    if held.get(session, 0) > MAX_TOTAL_BYTES - MAX_ARCHIVE_BYTES:
        return 413, f"At most {megabytes(MAX_TOTAL_BYTES)} are taken at a time; wait, or send less."
    if sum(held.values()) > MOST_HELD:
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


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Set the server up, and open a browser at it where it does not run headless."""
    # What visitors send is received without the temporary file it would be written to.
    MultiPartParser.spool_max_size = MOST_IN_MEMORY
    if not st.get_option("server.headless"):
        address = get_url(st.get_option("server.address") or "localhost")
        asyncio.get_running_loop().call_later(1.0, webbrowser.open, address)  # once it listens
    yield


middleware = [Middleware(Guard)]
