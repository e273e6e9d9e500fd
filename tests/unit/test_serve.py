"""The example server of an exported file, as a process of its own."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from PIL import Image

from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import ASSETS, open_demo
from openmax_core.export.write import export_workspace
from openmax_core.prediction.choice import choose_method, run_network
from openmax_core.workspace.workspace import Workspace
from tests.support.tables import write_sets
from tests.support.verdicts import PictureLogits, verdict_table

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = REPOSITORY / "assets" / "serve" / "server.py"
START_SECONDS = 90
N_EACH = 20  # pictures of the test set, and of the reject set


@dataclass(frozen=True)
class Served:
    """A running server, and the workspace that its file was made of."""

    address: str
    workspace: Workspace
    port: int

    def post(self, *files: tuple[str, bytes]) -> httpx.Response:
        sent = [("pictures", file) for file in files]
        return httpx.post(f"{self.address}/predict", files=sent, timeout=60)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", headers=headers, timeout=60)


def run_server(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(SERVER), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        **options,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    workspace = open_demo(DIGITS, folder=folder / "digits")
    workspace.extract("cpu")
    model = folder / "digits.onnx"
    export_workspace(workspace, choose_method(workspace), model)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "server.log").open("wb") as log:
        process = run_server(
            model, "--port", port, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            result = Served(f"http://127.0.0.1:{port}", workspace, port)
            wait_until_healthy(result, process)
            yield result
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_until_healthy(server: Served, process: subprocess.Popen[bytes]) -> None:
    limit, pause = time.monotonic() + START_SECONDS, threading.Event()
    while time.monotonic() < limit:
        assert process.poll() is None, "the server ended at its start"
        try:
            assert server.get("/health").json() == {"status": "ok"}
        except httpx.TransportError:
            pause.wait(0.1)
            continue
        return
    raise AssertionError(f"the server did not answer within {START_SECONDS} s")


def digit_paths(workspace: Workspace) -> list[Path]:
    """Pictures of all kinds, spread over both sets."""
    found = []
    for split in ("test", "reject"):
        paths = sorted(workspace.pictures.folder(split).rglob("*.png"))
        found += paths[:: len(paths) // N_EACH][:N_EACH]
    return found


def png(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def test_decisions_are_those_of_the_library(served: Served) -> None:
    workspace, paths = served.workspace, digit_paths(served.workspace)
    choice = choose_method(workspace)
    results = run_network(workspace.classifier.load_engine("cpu"), paths)
    pictures = PictureLogits(tuple(path.name for path in paths), tuple(results))
    table = verdict_table(choice.evaluation.openmax, pictures, choice.threshold)
    answers = []
    for first in range(0, len(paths), 30):
        batch = [(path.name, path.read_bytes()) for path in paths[first : first + 30]]
        response = served.post(*batch)
        assert response.status_code == 200
        answers += response.json()["pictures"]
    assert [item["file"] for item in answers] == [path.name for path in paths]
    assert [item["decision"] for item in answers] == table["decision"].tolist()
    assert {"rejected", "0", "5"} <= set(table["decision"])
    scores = np.array([item["score"] for item in answers])
    np.testing.assert_allclose(scores, table["score"], rtol=1e-9)
    names = [*workspace.classes, "unknown"]
    probabilities = [[item["probabilities"][name] for name in names] for item in answers]
    np.testing.assert_allclose(
        probabilities, table[[f"p_{name}" for name in names]], rtol=0, atol=1e-9
    )


def test_a_score_without_openmax_has_probabilities_of_the_classes_alone(
    served: Served, tmp_path: Path
) -> None:
    choice = choose_method(served.workspace, "energy")
    export_workspace(served.workspace, choice, tmp_path / "energy.onnx")
    found = importlib.util.spec_from_file_location("server", SERVER)
    assert found is not None
    assert found.loader is not None
    server = importlib.util.module_from_spec(found)
    found.loader.exec_module(server)
    paths = digit_paths(served.workspace)[::9]
    classifier = server.ExportedClassifier(tmp_path / "energy.onnx")
    answers = classifier.answer([(path.name, path.read_bytes()) for path in paths])
    pictures = PictureLogits(
        tuple(path.name for path in paths),
        tuple(run_network(served.workspace.classifier.load_engine("cpu"), paths)),
    )
    table = verdict_table(choice.evaluation.method, pictures, choice.threshold)
    assert [item["decision"] for item in answers] == table["decision"].tolist()
    for item in answers:
        assert list(item["probabilities"]) == list("012345")
        assert sum(item["probabilities"].values()) == pytest.approx(1)


def test_the_metadata_tell_what_decides_and_how_well(served: Served) -> None:
    point = choose_method(served.workspace).present_point
    metadata = served.get("/metadata").json()
    assert metadata["operating_point"] == json.loads(point.to_json())
    assert metadata["operating_point"]["preset"] == "openmax"
    assert metadata["classes"] == list("012345")
    assert metadata["transform"]["crop"] == [64, 64]
    assert metadata["limits"] == {
        "files": 32,
        "file_bytes": 20_000_000,
        "request_bytes": 64_000_000,
        "pixels": 25_000_000,
    }


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_decided(served: Served) -> None:
    good = digit_paths(served.workspace)[0].read_bytes()
    response = served.post(
        ("good.png", good),
        ("cut.png", good[: len(good) // 2]),
        ("text.jpg", b"no picture"),
        ("empty.png", b""),
        ("wide.png", png(5001, 5000)),
    )
    assert response.status_code == 422
    problems = {item["file"]: item["reason"] for item in response.json()["detail"]}
    assert list(problems) == ["cut.png", "text.jpg", "empty.png", "wide.png"]
    assert problems["cut.png"].startswith("damaged picture")
    assert "not a picture of a known format" in problems["text.jpg"]
    assert problems["empty.png"] == "the file is empty"
    assert "5001 × 5000 pixels are more than the 25 million" in problems["wide.png"]


def test_a_file_that_is_too_large_is_named(served: Served) -> None:
    response = served.post(("large.bmp", bytes(20_000_001)))
    assert response.status_code == 413
    (problem,) = response.json()["detail"]
    assert problem == {"file": "large.bmp", "reason": "more than 20 MB; make it smaller"}


def test_a_request_that_is_too_large_is_not_read_to_its_end(served: Served) -> None:
    # It only says that it is: no answer would come if the body was waited for.
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 64000001\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_too_many_files_and_other_forms_are_refused(served: Served) -> None:
    response = served.post(*[(f"{number}.png", b"") for number in range(33)])
    assert response.status_code == 400
    assert "Maximum number of files is 32" in response.json()["detail"]
    assert httpx.post(f"{served.address}/predict", data={"x": "1"}).status_code == 400
    assert httpx.post(f"{served.address}/predict", json=[1]).status_code == 422


def test_other_names_than_this_machine_s_are_refused(served: Served) -> None:
    assert served.get("/health", Host="elsewhere.example").status_code == 400
    assert served.get("/health", Host="localhost").status_code == 200


def test_it_listens_on_this_machine_alone(served: Served) -> None:
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", served.port), timeout=5)


@pytest.mark.parametrize("kind", ["text", "network"])
def test_a_file_that_was_not_exported_is_named_at_the_start(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.onnx"
    if kind == "text":
        path.write_text("no network")
    else:
        (shipped,) = ASSETS.glob("digits-*.onnx")
        onnx.save(onnx.load(shipped), path)
    process = run_server(path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    (line,) = err.decode().splitlines()
    assert line.startswith(f"server.py: {path} is no file of 'openmax export': ")


def test_a_file_that_takes_logits_is_refused_at_the_start(tmp_path: Path) -> None:
    workspace = Workspace.create_from_tables(tmp_path / "scores", write_sets(tmp_path))
    path = tmp_path / "openmax.onnx"
    export_workspace(workspace, choose_method(workspace), path)
    process = run_server(path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    (line,) = err.decode().splitlines()
    assert line.startswith(f"server.py: {path} takes logits, not pictures: ")


def test_the_server_needs_little_of_what_the_library_needs() -> None:
    program = (
        "import runpy, sys\n"
        f"runpy.run_path({str(SERVER)!r})\n"
        "print(sorted({'torch', 'onnx', 'pandas', 'pyarrow', 'streamlit', 'filelock', 'tomlkit',"
        " 'platformdirs', 'plotly', 'sklearn'} & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "[]\n")
