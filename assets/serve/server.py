"""An exported classifier behind FastAPI: ``python server.py openmax.onnx``.

Takes pictures at ``POST /predict`` (multipart, any number of parts named ``pictures``) and answers
with decisions. Listens on this machine alone, opens no file but the exported one, and unpickles
nothing. Pictures are decoded, resized and cropped by ``openmax_core``, as the library does.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio
import numpy as np
import uvicorn
from fastapi import FastAPI, File, HTTPException, UploadFile
from starlette.middleware.trustedhost import TrustedHostMiddleware

from openmax_core.errors import OpenMaxError, PictureError
from openmax_core.export.description import (
    LOGITS_INPUT,
    METADATA_KEY,
    OUTPUTS,
    REJECTED_INDEX,
    ExportDescription,
)
from openmax_core.pictures.images import MAX_UPLOAD_PIXELS
from openmax_core.pictures.intake import label, megabytes
from openmax_core.support.chunks import n_cores

MAX_FILES = 32
MAX_FILE_BYTES = 20_000_000
MAX_REQUEST_BYTES = 64_000_000
MAX_REQUESTS_AT_ONCE = 64
BATCH_SIZE = 8
LIMITS = {
    "files": MAX_FILES,
    "file_bytes": MAX_FILE_BYTES,
    "request_bytes": MAX_REQUEST_BYTES,
    "pixels": MAX_UPLOAD_PIXELS,
}


class ExportedClassifier:
    """An exported ONNX file in ONNX Runtime; may be used by many threads at once."""

    def __init__(self, path: Path) -> None:
        import onnxruntime  # after openmax_core, which keeps it from reporting to its maker

        try:
            # Its bytes: a file that names others beside it is refused.
            self.session = onnxruntime.InferenceSession(
                path.read_bytes(), providers=["CPUExecutionProvider"]
            )
            metadata = self.session.get_modelmeta().custom_metadata_map
            self.description = ExportDescription.from_json(metadata.get(METADATA_KEY, "null"))
        # ONNX Runtime's errors have no class in common but this one.
        except Exception as error:
            reason = (str(error) or repr(error)).splitlines()[0]
            raise OpenMaxError(f"{path} is no file of 'openmax export': {reason}") from error
        if LOGITS_INPUT in {item.name for item in self.session.get_inputs()}:
            raise OpenMaxError(
                f"{path} takes logits, not pictures: it was exported from a workspace of tables "
                "and holds no network. Export a workspace of pictures"
            )

    def decide(self, pictures: Sequence[np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
        """Decide on (3, H, W) uint8 pictures."""
        names = (*self.description.classes, "unknown")
        found = []
        for first in range(0, len(pictures), BATCH_SIZE):
            batch = np.stack(pictures[first : first + BATCH_SIZE])
            _, probabilities, decisions, scores = self.session.run(
                list(OUTPUTS), {"pictures": batch}
            )
            for row, decision, score in zip(
                probabilities.tolist(), decisions.tolist(), scores.tolist(), strict=True
            ):
                is_finite = not math.isnan(score)
                found.append(
                    {
                        "decision": "rejected" if decision == REJECTED_INDEX else names[decision],
                        "score": score if is_finite else None,
                        "probabilities": dict(zip(names, row, strict=False)) if is_finite else None,
                    }
                )
        return found

    def answer(self, files: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
        """Decide on files; none is decided on if one of them cannot be read."""
        pictures, problems = [], []
        for name, content in files:
            try:
                pictures.append(self.description.prepare(content, name, MAX_UPLOAD_PIXELS))
            except PictureError as error:
                reason = str(error).removeprefix(f"{name}: ")
                problems.append({"file": name, "reason": reason})
        if problems:
            raise HTTPException(422, problems)
        decided = self.decide(pictures)
        return [{"file": name, **item} for (name, _), item in zip(files, decided, strict=True)]


def create_app(model: Path, hosts: Sequence[str] = ()) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    model : a file of ``openmax export``
    hosts : names under which it may be asked, besides those of this machine
    """
    classifier = ExportedClassifier(model)
    # More requests in memory than cores to work on them would only take memory.
    turns = anyio.CapacityLimiter(n_cores())
    app = FastAPI(
        title=classifier.description.in_words,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        max_body_size=MAX_REQUEST_BYTES,
        form_limits={"max_files": MAX_FILES, "max_fields": 0},
    )
    # Else a page of elsewhere could ask in a visitor's name (DNS rebinding).
    allowed = ["127.0.0.1", "localhost", "[::1]", *hosts]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metadata")
    def metadata() -> dict[str, Any]:
        return {**classifier.description.to_dict(), "limits": LIMITS}

    @app.post("/predict")
    async def predict(pictures: Annotated[list[UploadFile], File()]) -> dict[str, Any]:
        named = [(label(item.filename or "picture"), item) for item in pictures]
        large = [name for name, item in named if (item.size or 0) > MAX_FILE_BYTES]
        if large:
            reason = f"more than {megabytes(MAX_FILE_BYTES)}; make it smaller"
            raise HTTPException(413, [{"file": name, "reason": reason} for name in large])
        async with turns:
            files = [(name, await item.read()) for name, item in named]
            return {"pictures": await anyio.to_thread.run_sync(classifier.answer, files)}

    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a file until it is stopped."""
    parser = argparse.ArgumentParser(description="Serve a file of 'openmax export'.")
    parser.add_argument("model", type=Path, metavar="FILE", help="an exported .onnx file")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which it may be asked, besides localhost; for each its own",
    )
    options = parser.parse_args(arguments)
    try:
        app = create_app(options.model, options.allow_host)
    except OpenMaxError as error:
        print(f"server.py: {error}", file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        limit_concurrency=MAX_REQUESTS_AT_ONCE,
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
