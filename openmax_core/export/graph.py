"""A fitted method and its thresholds as ONNX nodes, and the network before them.

The nodes do what :meth:`openmax_core.methods.method.Method.decide` does, step by step in float64
with standard operators alone. The distances of OpenMax are taken rank by rank (a ``Scan``), so that
memory grows with N · C and not with N · C².

Two things differ from NumPy in the last bits of a float64: the order in which a sum is taken, and
``exp`` and ``pow``. Probabilities agree to about 1e-15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.export.builder import AXES_AS_INPUT, GraphBuilder, Tensors
from openmax_core.export.description import (
    FEATURES_INPUT,
    LOGITS_INPUT,
    OUTPUTS,
    REJECTED_INDEX,
)
from openmax_core.export.feature_nodes import feature_score, stored_features
from openmax_core.methods.distances import EUCOS_SCALE, SCALED_EUCOS
from openmax_core.methods.features import FeatureMethod
from openmax_core.methods.method import Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.scores import GEN_GAMMA, GEN_MOST
from openmax_core.pictures.images import Transform
from openmax_core.support.arrays import Float
from openmax_core.weibull.fit import TailFit, WeibullMaxFit

if TYPE_CHECKING:
    import onnx

OLDEST_OPSET = 13
LARGEST = float(np.finfo(np.float64).max)


def method_graph(method: Method, limits: Float, opset: int = AXES_AS_INPUT) -> onnx.GraphProto:
    """Graph from (N, C) float32 'network_logits' to the four outputs.

    A method of features takes (N, D) float32 'network_features' too.

    Parameters
    ----------
    method : fitted
    limits : (C,) thresholds of pictures predicted as a class
    opset : that its nodes are written for

    Raises
    ------
    OpenMaxError
        The method cannot be written as ONNX.
    """
    from onnx import TensorProto

    n_classes = method.n_classes
    graph = GraphBuilder("openmax", opset)
    logits = graph.add("Identity", LOGITS_INPUT, output="logits")
    # A row more, taken off again in the end: without any, ONNX Runtime's TopK (1.22) and Scan along
    # another axis than the first (1.32) divide by zero, which ends the process.
    padding = graph.constant(np.zeros((1, n_classes)), np.float32)
    raw = graph.add("Cast", graph.add("Concat", logits, padding, axis=0), to=TensorProto.DOUBLE)
    inputs: Tensors = {LOGITS_INPUT: (TensorProto.FLOAT, ["N", n_classes])}
    all_numbers = [raw]
    n_outputs = n_classes
    if isinstance(method, OpenMax):
        probabilities, score, prediction = _openmax(graph, method, raw)
        n_outputs = n_classes + 1
    elif isinstance(method, FeatureMethod):
        inputs[FEATURES_INPUT] = (TensorProto.FLOAT, ["N", method.n_features])
        features = stored_features(graph, method.n_features)
        all_numbers.append(features)
        powers, total = graph.exponentials(raw)
        score = feature_score(graph, method, raw, features)
        prediction = graph.add("ArgMax", raw, axis=1, keepdims=0)
        probabilities = graph.add("Div", powers, total)
    else:
        probabilities, score, prediction = _score_of_logits(graph, method, raw)
    # What is NaN, or logits that are Inf, have no score, and are rejected: the library raises an
    # error.
    for values in all_numbers:
        is_number = graph.add("LessOrEqual", graph.add("Abs", values), graph.constant(LARGEST))
        are_numbers = graph.reduced("ReduceMin", graph.add("Cast", is_number, to=TensorProto.INT32))
        is_finite = graph.add("Cast", are_numbers, to=TensorProto.BOOL)
        score = graph.add("Where", is_finite, score, graph.constant(np.nan))

    # Beyond every score where 'unknown' won.
    limit = graph.add("Gather", graph.constant([*limits, np.inf]), prediction)
    is_accepted = graph.add("GreaterOrEqual", score, limit)
    rejected = graph.constant(REJECTED_INDEX, np.int64)
    decision = graph.add("Where", is_accepted, prediction, rejected)
    first, last = graph.constant([0], np.int64), graph.constant([-1], np.int64)
    for name, padded in zip(OUTPUTS[1:], (probabilities, decision, score), strict=True):
        graph.add("Slice", padded, first, last, first, output=name)

    outputs: Tensors = {
        "logits": (TensorProto.FLOAT, ["N", n_classes]),
        "probabilities": (TensorProto.DOUBLE, ["N", n_outputs]),
        "decision": (TensorProto.INT64, ["N"]),
        "score": (TensorProto.DOUBLE, ["N"]),
    }
    return graph.graph(inputs, outputs)


def _openmax(graph: GraphBuilder, openmax: OpenMax, raw: str) -> tuple[str, str, str]:
    """Probabilities (N, C + 1), score (N,) and prediction (N,) of float64 logits."""
    import onnx

    settings = openmax.settings_
    v = _centred(graph, raw, settings.centring)
    weights = openmax.rank_weights()
    n_ranked = graph.constant([len(weights)], np.int64)
    ranked = f"{graph.prefix}/ranked"
    # Of equal logits the lower class comes first, as the operator's definition has it.
    graph.nodes.append(
        onnx.helper.make_node("TopK", [v, n_ranked], [f"{ranked}_logits", ranked], ranked, axis=1)
    )
    cdf = _cdf(graph, openmax, _distances(graph, openmax, v, ranked), ranked)
    weighted = graph.add("Mul", cdf, graph.constant(weights))
    nothing = graph.add("Sub", v, v)
    weighted = graph.add("ScatterElements", nothing, ranked, weighted, axis=1)
    giving = v
    if settings.unknown_from == "positive":
        giving = graph.add("Max", v, graph.constant(0.0))
    moved = graph.add("Mul", giving, weighted)
    unknown = graph.reduced("ReduceSum", moved, keepdims=True)
    revised = graph.add("Concat", graph.add("Sub", v, moved), unknown, axis=1)
    probabilities = graph.add("Div", *graph.exponentials(revised))

    prediction = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    if settings.score == "revised_logit":
        score = graph.reduced("ReduceMax", graph.add("Sub", v, moved))
        if settings.kept_mean:
            score = graph.add("Add", score, _kept_mean(graph, openmax, raw))
        return probabilities, score, graph.add("ArgMax", raw, axis=1, keepdims=0)
    score = graph.reduced("ReduceMax", probabilities)
    if settings.second_softmax:
        _, total = graph.exponentials(probabilities)
        score = graph.add(
            "Div", graph.constant(1.0), graph.add("Squeeze", total, graph.constant([1], np.int64))
        )
    return probabilities, score, prediction


def _kept_mean(graph: GraphBuilder, openmax: OpenMax, raw: str) -> str:
    """(N,) what the mean of each picture's logits adds to its score."""
    largest = graph.reduced("ReduceMax", raw, keepdims=True)
    relative = graph.reduced("ReduceMean", graph.add("Sub", raw, largest))
    mean = graph.add("Add", _flat(graph, largest), relative)
    mean = graph.add("Sub", mean, graph.constant(openmax.mean_logit_))
    return graph.add("Mul", mean, graph.constant(openmax.settings_.kept_mean))


def _score_of_logits(graph: GraphBuilder, method: Method, raw: str) -> tuple[str, str, str]:
    """Softmax (N, C), score (N,) and prediction (N,) of float64 logits."""
    if method.name not in SCORES:
        raise OpenMaxError(f"the method '{method.name}' cannot be written as ONNX")
    powers, total = graph.exponentials(raw)
    score = SCORES[method.name](graph, method, raw, powers, total)
    prediction = graph.add("ArgMax", raw, axis=1, keepdims=0)
    return graph.add("Div", powers, total), score, prediction


def _msp(graph: GraphBuilder, method: Method, raw: str, powers: str, total: str) -> str:
    return _flat(graph, graph.add("Div", graph.constant(1.0), total))


def _max_logit(graph: GraphBuilder, method: Method, raw: str, powers: str, total: str) -> str:
    return graph.reduced("ReduceMax", raw)


def _energy(graph: GraphBuilder, method: Method, raw: str, powers: str, total: str) -> str:
    largest = graph.reduced("ReduceMax", raw)
    return graph.add("Add", largest, graph.add("Log", _flat(graph, total)))


def _gen(graph: GraphBuilder, method: Method, raw: str, powers: str, total: str) -> str:
    first = graph.add("ArgMax", raw, axis=1, keepdims=1)
    nothing = graph.add("Mul", graph.reduced("ReduceMax", raw, keepdims=True), graph.constant(0.0))
    others = graph.add("ScatterElements", powers, first, nothing, axis=1)
    rest = graph.reduced("ReduceSum", others, keepdims=True)
    one = graph.constant(1.0)
    total = graph.add("Add", one, rest)
    n_others = min(method.n_classes, GEN_MOST) - 1
    if n_others < method.n_classes - 1:
        others = graph.largest(others, n_others)
    p = graph.add("Div", others, total)
    gamma = graph.constant(GEN_GAMMA)
    first_part = graph.add("Mul", graph.add("Div", one, total), graph.add("Div", rest, total))
    parts = graph.add("Pow", graph.add("Mul", p, graph.add("Sub", one, p)), gamma)
    spread = graph.add(
        "Add",
        _flat(graph, graph.add("Pow", first_part, gamma)),
        graph.reduced("ReduceSum", parts),
    )
    return graph.add("Neg", spread)


def _flat(graph: GraphBuilder, value: str) -> str:
    """(N,) of (N, 1)."""
    return graph.add("Squeeze", value, graph.constant([1], np.int64))


# Each does what the function of the same name in openmax_core.methods.scores does.
SCORES: dict[str, Callable[[GraphBuilder, Method, str, str, str], str]] = {
    "msp": _msp,
    "max_logit": _max_logit,
    "energy": _energy,
    "gen": _gen,
}


def method_model(method: Method, limits: Float) -> onnx.ModelProto:
    """:func:`method_graph` as a model of its own."""
    import onnx

    graph = method_graph(method, limits)
    opset = onnx.helper.make_opsetid("", AXES_AS_INPUT)
    return onnx.helper.make_model_gen_version(graph, opset_imports=[opset])


def compose(network: bytes, transform: Transform, method: Method, limits: Float) -> onnx.ModelProto:
    """Normalisation, network and method in one model: uint8 'pictures' to the outputs.

    Parameters
    ----------
    network : content of an ONNX file: (N, 3, H, W) 'pictures', normalised float32 or uint8 as they
        are, to (N, C) float32 'logits', and (N, D) 'features' where the method needs them
    transform : with the pictures' size, mean and std
    method : fitted
    limits : (C,) thresholds of pictures predicted as a class
    """
    import onnx
    from onnx import TensorProto

    middle = onnx.compose.add_prefix(onnx.load_from_string(network), "network/")
    middle.graph.ClearField("value_info")
    versions = {item.domain: item.version for item in middle.opset_import}
    opset = max(versions.get("", 0), versions.get("ai.onnx", 0))
    if opset < OLDEST_OPSET:
        raise ValueError(f"the network is of opset {opset}, before {OLDEST_OPSET}")
    takes_bytes = middle.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    alike = {"ir_version": middle.ir_version, "opset_imports": middle.opset_import}
    first = onnx.helper.make_model(_normalisation_graph(transform, takes_bytes), **alike)
    last = onnx.helper.make_model(method_graph(method, limits, opset), **alike)
    model = onnx.compose.merge_models(first, middle, [("normalised", "network/pictures")])
    taken = [("network/logits", LOGITS_INPUT)]
    if method.needs_features:
        taken.append(("network/features", FEATURES_INPUT))
    model = onnx.compose.merge_models(model, last, taken)
    model.graph.name = "openmax"
    return model


def _normalisation_graph(transform: Transform, takes_bytes: bool) -> onnx.GraphProto:
    """Bit-identical to :func:`openmax_core.network.engines.normalised`; nothing for uint8."""
    from onnx import TensorProto

    graph = GraphBuilder("normalisation")
    shape: list[str | int] = ["N", 3, *transform.crop]
    if takes_bytes:
        graph.add("Identity", "pictures", output="normalised")
        same = (TensorProto.UINT8, shape)
        return graph.graph({"pictures": same}, {"normalised": same})
    value = graph.add("Cast", "pictures", to=TensorProto.FLOAT)
    value = graph.add("Div", value, graph.constant(255.0, np.float32))
    mean, std = (
        graph.constant(np.reshape(numbers, (3, 1, 1)), np.float32)
        for numbers in (transform.mean, transform.std)
    )
    graph.add("Div", graph.add("Sub", value, mean), std, output="normalised")
    return graph.graph(
        {"pictures": (TensorProto.UINT8, shape)}, {"normalised": (TensorProto.FLOAT, shape)}
    )


def _centred(graph: GraphBuilder, logits: str, centring: str) -> str:
    if centring == "none":
        return logits
    relative = graph.add("Sub", logits, graph.reduced("ReduceMax", logits, keepdims=True))
    reduction = {"mean": "ReduceMean", "minimum": "ReduceMin"}[centring]
    return graph.add("Sub", relative, graph.reduced(reduction, relative, keepdims=True))


def _distances(graph: GraphBuilder, openmax: OpenMax, v: str, ranked: str) -> str:
    """(N, α) distances to the MAVs of the ranked classes, a rank after the other."""
    from onnx import TensorProto

    means = graph.constant(openmax.means_)
    body = GraphBuilder("openmax/rank", graph.opset)
    mean = body.add("Gather", means, "openmax/rank/classes", axis=0)
    distance = _distance(body, openmax, v, mean)
    body.add("Identity", distance, output="openmax/rank/distance")
    scanned = body.graph(
        {"openmax/rank/classes": (TensorProto.INT64, ["N"])},
        {"openmax/rank/distance": (TensorProto.DOUBLE, ["N"])},
    )
    ranks = graph.add("Transpose", ranked, perm=[1, 0])
    distances = graph.add("Scan", ranks, body=scanned, num_scan_inputs=1)
    return graph.add("Transpose", distances, perm=[1, 0])


def _distance(graph: GraphBuilder, openmax: OpenMax, a: str, b: str) -> str:
    """(N,) distances between the rows of two (N, C), see :mod:`openmax_core.methods.distances`."""
    name = openmax.settings_.distance
    parts: list[tuple[str, float]] = []
    if name != "cosine":
        difference = graph.add("Sub", a, b)
        squared = graph.reduced("ReduceSum", graph.add("Mul", difference, difference))
        if name == "squared_euclidean":
            return squared
        euclidean = graph.add("Sqrt", squared)
        if name == "euclidean":
            return euclidean
        if name in {"eucos", "euchord"}:
            euclidean = graph.add("Div", euclidean, graph.constant(EUCOS_SCALE))
        if name == "euchord":
            return graph.add("Add", euclidean, _chord(graph, a, b))
        parts.append((euclidean, float(openmax.distance_factors_[0])))
    dot, length = (graph.reduced("ReduceSum", graph.add("Mul", x, y)) for x, y in ((a, b), (a, a)))
    length = graph.add("Mul", length, graph.reduced("ReduceSum", graph.add("Mul", b, b)))
    length = graph.add("Sqrt", length)
    zero = graph.constant(0.0)
    has_length = graph.add("Greater", length, zero)
    cosine = graph.add("Where", has_length, graph.add("Div", dot, length), zero)
    cosine = graph.add("Sub", graph.constant(1.0), cosine)
    if name == "cosine":
        return cosine
    parts.append((cosine, float(openmax.distance_factors_[1])))
    if name == SCALED_EUCOS:
        parts = [(graph.add("Mul", x, graph.constant(factor)), factor) for x, factor in parts]
    return graph.add("Add", parts[0][0], parts[1][0])


def _chord(graph: GraphBuilder, a: str, b: str) -> str:
    """(N,) distances between the directions of the rows of two (N, C)."""
    zero = graph.constant(0.0)
    directions = []
    for value in (a, b):
        squared = graph.reduced("ReduceSum", graph.add("Mul", value, value), keepdims=True)
        length = graph.add("Sqrt", squared)
        has_length = graph.add("Greater", length, zero)
        directions.append(graph.add("Where", has_length, graph.add("Div", value, length), zero))
    apart = graph.add("Sub", *directions)
    return graph.add("Sqrt", graph.reduced("ReduceSum", graph.add("Mul", apart, apart)))


def _cdf(graph: GraphBuilder, openmax: OpenMax, distances: str, ranked: str) -> str:
    """(N, α) CDFs of distances in the tails of the ranked classes."""
    tail = openmax.weibull_

    def own(values: Float) -> str:
        return graph.add("Gather", graph.constant(values), ranked)

    if isinstance(tail, TailFit):
        offset = own(tail.translate - tail.smallest_tail_value)
        beyond = graph.add("Add", distances, offset)
    elif isinstance(tail, WeibullMaxFit):
        beyond = graph.add("Sub", own(tail.loc), distances)
    else:
        beyond = graph.add("Sub", distances, own(tail.threshold))
    beyond = graph.add("Max", beyond, graph.constant(0.0))
    power = graph.add("Pow", graph.add("Div", beyond, own(tail.scale)), own(tail.shape))
    survival = graph.add("Exp", graph.add("Neg", power))
    if isinstance(tail, WeibullMaxFit):
        return survival
    return graph.add("Sub", graph.constant(1.0), survival)
