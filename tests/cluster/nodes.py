"""Nodes of a real Ray cluster on this machine, each a process group that can be killed whole."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

TOKEN = "0123456789abcdef" * 2
SECONDS = 200
ATTEMPTS = 3  # Ray gives a node 30 seconds to start, which a busy machine may not have
# As on any cluster, only faster: a lost node is noticed after seconds, not after twenty.
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_USAGE_STATS_ENABLED": "0",
}
REPOSITORY = Path(__file__).resolve().parents[2]


class Node:
    """A node that runs until it is killed."""

    def __init__(self, log: Path, *arguments: str, python_path: str = "") -> None:
        path = os.pathsep.join(filter(None, (python_path, str(REPOSITORY))))
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments]
        command += ["--object-store-memory=80000000", "--disable-usage-stats"]
        command += ["--min-worker-port=0", "--max-worker-port=0"]
        for _ in range(ATTEMPTS):
            with log.open("wb") as stream:
                self.process = subprocess.Popen(
                    command,
                    env=os.environ | SETTINGS | {"PYTHONPATH": path},
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
            wait_until(lambda: "Ray runtime started" in log.read_text() or not self.is_running())
            if self.is_running():
                return
            self.send(signal.SIGKILL)  # what it had started
        raise RuntimeError(log.read_text())

    def is_running(self) -> bool:
        return self.process.poll() is None

    def processes(self) -> dict[int, str]:
        """Number and command of all that the node has started: workers are groups of their own."""
        listed = subprocess.run(
            ["ps", "-eo", "pid=,sid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
        return {
            int(row[0]): row[-1]
            for row in rows
            if len(row) == 3 and int(row[1]) == self.process.pid
        }

    def send(self, what: signal.Signals) -> None:
        """To all processes of the node, those first that could start others."""
        for process in sorted(self.processes()):
            with suppress(ProcessLookupError):
                os.kill(process, what)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait(SECONDS)
        # None is left that was being started meanwhile.
        wait_until(self._is_gone)

    def _is_gone(self) -> bool:
        self.send(signal.SIGKILL)
        return all("defunct" in command for command in self.processes().values())


class Cluster:
    """A head with two CPUs; others join it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="openmax-ray-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.nodes: list[Node] = []
        own = ("--head", f"--port={port}", f"--temp-dir={self.folder}", "--include-dashboard=false")
        try:
            self._start("--num-cpus=2", *own)
        except BaseException:
            self.close()
            raise
        listening = (self.folder / "0.log").read_text().split("ray start --address='")[1]
        self.address = listening.split("'")[0]

    def add(self, n_cpus: int, python_path: str = "") -> Node:
        return self._start(
            f"--num-cpus={n_cpus}", f"--address={self.address}", python_path=python_path
        )

    def _start(self, *arguments: str, python_path: str = "") -> Node:
        log = self.folder / f"{len(self.nodes)}.log"
        node = Node(log, *arguments, python_path=python_path)
        self.nodes.append(node)
        return node

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(holds, seconds: float = SECONDS) -> None:
    pause, end = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        pause.wait(0.05)
