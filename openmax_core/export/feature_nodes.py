"""Methods of features as ONNX nodes.

Each does what ``_score`` of the method's class does. Products with directions on a grid are exact
in both (:mod:`openmax_core.support.products`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.export.builder import GraphBuilder
from openmax_core.export.description import FEATURES_INPUT
from openmax_core.methods.features import FeatureMethod
from openmax_core.methods.gaussians import Gaussians
from openmax_core.methods.neighbours import Neighbours
from openmax_core.methods.neural_collapse import NeuralCollapse
from openmax_core.methods.virtual_logit import VirtualLogit
from openmax_core.support.arrays import LARGEST_FEATURE
from openmax_core.support.products import GRID, Vectors


def stored_features(graph: GraphBuilder, n_features: int) -> str:
    """(N + 1, D) float64 features, rounded as they are stored; a row of zeros is the last."""
    from onnx import TensorProto

    most = graph.constant(LARGEST_FEATURE, np.float32)
    least = graph.constant(-LARGEST_FEATURE, np.float32)
    clipped = graph.add("Clip", FEATURES_INPUT, least, most)
    padding = graph.constant(np.zeros((1, n_features)), np.float32)
    padded = graph.add("Concat", clipped, padding, axis=0)
    rounded = graph.add("Cast", padded, to=TensorProto.FLOAT16)
    return graph.add("Cast", rounded, to=TensorProto.DOUBLE)


def feature_score(graph: GraphBuilder, method: FeatureMethod, raw: str, features: str) -> str:
    """(N,) scores of (N, C) float64 logits and (N, D) float64 features.

    Raises
    ------
    OpenMaxError
        The method cannot be written as ONNX.
    """
    for kind, write in WRITERS.items():
        if isinstance(method, kind):
            return write(graph, method, raw, features)
    raise OpenMaxError(f"the method '{method.name}' cannot be written as ONNX")


def _neighbours(graph: GraphBuilder, method: Neighbours, raw: str, features: str) -> str:
    own, _ = _on_grid(graph, features)
    apart = graph.add("MatMul", own, _directions(graph, method.bank_))
    apart = graph.add("Mul", apart, graph.constant(-2.0))
    apart = graph.add("Add", apart, graph.constant(method.bank_.squares))
    # The k largest of the negative values; the last of them is the k-th smallest.
    nearest = graph.largest(graph.add("Neg", apart), method.k_)
    last = graph.reduced("ReduceMin", nearest)
    squared = graph.add("Sub", _squares(graph, own), last)
    squared = graph.add("Max", squared, graph.constant(0.0))
    return graph.add("Neg", graph.add("Sqrt", squared))


def _gaussians(graph: GraphBuilder, method: Gaussians, raw: str, features: str) -> str:
    centred = graph.add("Sub", features, graph.constant(method.centre_))
    z = _applied(graph, method.within_.axes, centred)
    means = method.means_.values
    along = graph.add("Mul", _applied(graph, method.means_, z), graph.constant(2.0))
    apart = graph.add("Sub", graph.constant((means * means).sum(axis=1)), along)
    nearest = graph.add("ArgMin", apart, axis=1, keepdims=0)
    mean = graph.add("Gather", graph.constant(means), nearest, axis=0)
    distance = _squares(graph, graph.add("Sub", z, mean))
    if method.whole_ is None:
        return graph.add("Neg", distance)
    whole = _squares(graph, _applied(graph, method.whole_.axes, centred))
    return graph.add("Sub", whole, distance)


def _virtual_logit(graph: GraphBuilder, method: VirtualLogit, raw: str, features: str) -> str:
    centred = graph.add("Sub", features, graph.constant(method.origin_))
    residual = _squares(graph, _applied(graph, method.residual_, centred))
    virtual = graph.add("Mul", graph.add("Sqrt", residual), graph.constant(method.alpha_))
    _, total = graph.exponentials(raw)
    total = graph.add("Squeeze", total, graph.constant([1], np.int64))
    energy = graph.add("Add", graph.reduced("ReduceMax", raw), graph.add("Log", total))
    return graph.add("Sub", energy, virtual)


def _neural_collapse(graph: GraphBuilder, method: NeuralCollapse, raw: str, features: str) -> str:
    best = graph.add("ArgMax", raw, axis=1, keepdims=0)
    means = graph.add("Gather", graph.constant(method.mean_logits_), best, axis=0)
    above = graph.add("Sub", graph.reduced("ReduceMax", raw), means)
    centred = graph.add("Sub", features, graph.constant(method.mean_features_))
    lengths = graph.add("Sqrt", _squares(graph, centred))
    has_length = graph.add("Greater", lengths, graph.constant(0.0))
    divisor = graph.add("Where", has_length, lengths, graph.constant(1.0))
    nothing = graph.add("Mul", above, graph.constant(0.0))
    return graph.add("Where", has_length, graph.add("Div", above, divisor), nothing)


WRITERS: dict[type[FeatureMethod], Callable[[GraphBuilder, Any, str, str], str]] = {
    Neighbours: _neighbours,
    Gaussians: _gaussians,
    VirtualLogit: _virtual_logit,
    NeuralCollapse: _neural_collapse,
}


def _applied(graph: GraphBuilder, vectors: Vectors, value: str) -> str:
    """(N, K) products of (N, D) with vectors, see :meth:`Vectors.applied`."""
    own, lengths = _on_grid(graph, value)
    products = graph.add("MatMul", own, _directions(graph, vectors))
    scaled = graph.add("Mul", products, graph.constant(vectors.lengths))
    return graph.add("Mul", scaled, lengths)


def _on_grid(graph: GraphBuilder, value: str) -> tuple[str, str]:
    """(N, D) directions on the grid, and (N, 1) lengths."""
    squared = graph.reduced("ReduceSum", graph.add("Mul", value, value), keepdims=True)
    lengths = graph.add("Sqrt", squared)
    has_length = graph.add("Greater", lengths, graph.constant(0.0))
    divisor = graph.add("Where", has_length, lengths, graph.constant(1.0))
    steps = graph.add("Div", graph.add("Div", value, divisor), graph.constant(GRID))
    return graph.add("Mul", graph.add("Round", steps), graph.constant(GRID)), lengths


def _squares(graph: GraphBuilder, value: str) -> str:
    """(N,) sums of the squares of each row."""
    return graph.reduced("ReduceSum", graph.add("Mul", value, value))


def _directions(graph: GraphBuilder, vectors: Vectors) -> str:
    """(D, K) float64 directions; stored as whole numbers of 32 bits, half as large."""
    from onnx import TensorProto

    grid = graph.add("Cast", graph.constant(vectors.grid.T, np.int32), to=TensorProto.DOUBLE)
    return graph.add("Mul", grid, graph.constant(GRID))
