"""Reaching a Ray cluster, and what can be said of its nodes."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from openmax_core.errors import ClusterError, first_line

INSTALL = 'pip install ".[cluster]"'
SETTINGS = (
    "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH, a file) to what the "
    "cluster was started with, here and on every node"
)
NOBODY = "Could not find any running Ray instance"
CONNECT_SECONDS = 5.0


def connect(address: str) -> bool:
    """Join the cluster at an address; returns whether this call did.

    Parameters
    ----------
    address : 'auto', or host:port

    Raises
    ------
    ClusterError
        Ray is not installed, there is no cluster there, this machine is no node of it, or the
        token is another one.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f"Ray is not installed here; it is an extra: {INSTALL} in the folder of the dashboard, "
            "or extract without --engine ray"
        ) from error
    if ray.is_initialized():
        return False
    if "://" in address:
        raise ClusterError(
            f"the address {address} is of Ray Client, which is not used here: run the command on "
            "a node of the cluster, with --address auto or host:port"
        )
    _require_listener(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(f"the Ray cluster at {address} refuses the token: {SETTINGS}") from error
    except ConnectionError as error:
        if NOBODY in str(error):
            raise ClusterError(
                "this machine is no node of a running Ray cluster: start one with 'ray start "
                "--head', or join one with 'ray start --address HOST:PORT'"
            ) from error
        # Ray reports a refused token, and whoever else listens there, in the same words.
        raise ClusterError(
            f"what listens at '{address}' does not let this machine in. If it is the Ray cluster, "
            f"the token is missing or another one: {SETTINGS}"
        ) from error
    except Exception as error:  # Ray's own checks have errors of many kinds: versions, sockets
        raise ClusterError(
            f"the Ray cluster at '{address}' cannot be joined: {first_line(error)}. Ray and "
            f"Python must have the same versions on every node; {SETTINGS}"
        ) from error
    return True


def disconnect(connected: bool) -> None:
    """Leave the cluster where :func:`connect` joined it."""
    if connected:
        import ray

        ray.shutdown()


def n_places(device: str) -> int:
    """Count the CPUs or GPUs of all nodes that live, those in use included."""
    name = "GPU" if device == "cuda" else "CPU"
    return sum(int(node["Resources"].get(name, 0)) for node in _nodes() if node["Alive"])


def _nodes() -> list[dict[str, Any]]:
    import ray

    list_nodes: Callable[[], list[dict[str, Any]]] = ray.nodes
    return list_nodes()


def choose_kind(device: str) -> str:
    """Return 'cuda' or 'cpu', what the workers of a run are, for a wish.

    Raises
    ------
    ClusterError
        The cluster has none of them.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise ClusterError(f"a Ray cluster has no {device} devices; use --device auto, cpu or cuda")
    has_gpus = n_places("cuda") > 0
    if device == "cuda" and not has_gpus:
        raise ClusterError(f"no node of the Ray cluster has a GPU. {in_words()}; use --device cpu")
    return "cuda" if has_gpus and device != "cpu" else "cpu"


def in_words() -> str:
    """The nodes of the cluster and what is free on them, in a sentence without its dot."""
    from ray import available_resources

    count: Callable[[], dict[str, float]] = available_resources
    free, nodes = count(), _nodes()
    alive = [_node_in_words(node) for node in nodes if node["Alive"]]
    lost = [str(node["NodeManagerHostname"]) for node in nodes if not node["Alive"]]
    kinds = (
        f"{free.get(kind, 0):g} of {total} {kind}s free"
        for kind, total in (("CPU", n_places("cpu")), ("GPU", n_places("cuda")))
        if total
    )
    words = f"Nodes: {', '.join(alive) or 'none'}; {', '.join(kinds) or 'no CPU at all'}"
    return f"{words}; lost: {', '.join(lost)}" if lost else words


def _node_in_words(node: dict[str, Any]) -> str:
    resources = node["Resources"]
    counts = [f"{resources[kind]:g} {kind}" for kind in ("CPU", "GPU") if resources.get(kind)]
    place = f"{node['NodeManagerHostname']} (node {str(node['NodeID'])[:8]})"
    return f"{place} with {', '.join(counts) or 'no CPU'}"


def _require_listener(address: str) -> None:
    """Ray itself tries for half a minute where nobody listens."""
    host, _, port = address.rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterError(
            f"there is no Ray cluster at '{address}' ({first_line(error)}): start one with 'ray "
            "start --head --port PORT', or give its address as host:port"
        ) from error
