"""The network as an ONNX file beside its weights, so that a CPU runs it without torch.

Exported once, under a name that covers the weights, the architecture, the class count and the
size of the pictures; checked against torch's logits before it is kept. Its last bytes are a seal:
the fingerprint of all the others and of the weights that they were made of. A file without the
right seal is not used.

A user's own ONNX file gets the same inputs and outputs, see :func:`like_exported`, and is not
stored.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from openmax_core.errors import ClassifierError, OpenMaxError, first_line
from openmax_core.network.engines import OnnxEngine
from openmax_core.network.features import OUTPUT
from openmax_core.support.files import fingerprint, write_bytes_atomically

if TYPE_CHECKING:
    import onnx

    from openmax_core.network.classifier import Classifier

LOG = logging.getLogger(__name__)
# Counts up when files of before must not be used any more.
VERSION = 1
TOLERANCE = 1e-4
N_CHECKED = 3
# Where a probability is 0 its logarithm is that of the smallest float32 that is exact.
SMALLEST = float(np.finfo(np.float32).tiny)
# An entry of the ONNX file's metadata, as protobuf writes it; a SHA-256 in hexadecimal follows.
SEAL = b"\x72\x50\x0a\x0copenmax_seal\x12\x40"
SEAL_LENGTH = len(SEAL) + 64


class ExportError(ClassifierError):
    """A network that cannot be exported, or whose export does not agree with torch."""


def export_identity(
    weights_key: str,
    architecture: str,
    n_classes: int,
    crop: tuple[int, int],
    of_network: Mapping[str, Any] | None = None,
) -> str:
    """Fingerprint of the weights, and of all else that decides over an export.

    Parameters
    ----------
    weights_key : SHA-256 of the weights file
    crop : height and width of the pictures
    of_network : ``ClassifierSettings.of_network``
    """
    further = [dict(of_network)] if of_network else []
    rest = fingerprint(VERSION, architecture, n_classes, list(crop), *further)
    return f"{weights_key}-{rest}"


def export_paths(
    weights: Path,
    weights_key: str,
    architecture: str,
    n_classes: int,
    crop: tuple[int, int],
    of_network: Mapping[str, Any] | None = None,
) -> tuple[Path, Path]:
    """Where a network's export lies or would lie: beside the weights, or else in the user's cache.

    Parameters
    ----------
    weights : the weights file
    weights_key, architecture, n_classes, crop, of_network : as for :func:`export_identity`
    """
    identity = export_identity(weights_key, architecture, n_classes, crop, of_network)
    key, _, rest = identity.rpartition("-")
    name = f"{weights.stem}-{key[:12]}-{rest[:6]}.onnx"
    return weights.with_name(name), platformdirs.user_cache_path("openmax") / "networks" / name


def sealed(content: bytes, identity: str) -> bytes:
    """Content of an ONNX file with its seal, which ONNX Runtime takes for metadata."""
    digest = hashlib.sha256(identity.encode() + content)
    return content + SEAL + digest.hexdigest().encode()


def is_sealed(path: Path, identity: str) -> bool:
    """Tell whether a file is as :func:`sealed` made it, for the same weights and network."""
    try:
        with path.open("rb") as stream:
            left = path.stat().st_size - SEAL_LENGTH
            digest = hashlib.sha256(identity.encode())
            while left > 0 and (part := stream.read(min(left, 1 << 20))):
                digest.update(part)
                left -= len(part)
            return not left and stream.read() == SEAL + digest.hexdigest().encode()
    except OSError:
        return False


def export(classifier: Classifier) -> bytes:
    """Content of an ONNX file of a network, checked.

    Raises
    ------
    ExportError
        The network cannot be exported, or gives other logits than torch.
    """
    try:
        content = _onnx_bytes(classifier)
        difference, largest = _difference(classifier, content)
    # Exporter and ONNX Runtime have errors of many kinds; what they cannot do, torch does.
    except Exception as error:
        raise ExportError(
            f"{classifier.architecture} cannot be exported to ONNX ({type(error).__name__}: "
            f"{first_line(error)})"
        ) from error
    if not difference <= TOLERANCE * largest:
        raise ExportError(
            f"the export of {classifier.architecture} to ONNX differs from torch by "
            f"{difference:.2g} where logits reach {largest:.2g}"
        )
    return content


def keep(content: bytes, paths: tuple[Path, ...], weights: Path) -> None:
    """Write an export to the first of the paths that can be written.

    Those of earlier weights of the same file are removed beside it.
    """
    for path in paths:
        try:
            write_bytes_atomically(path, content)
        except OpenMaxError as error:
            LOG.warning("%s", error)
            continue
        break
    pattern = re.compile(rf"{re.escape(weights.stem)}-([0-9a-f]{{12}})-[0-9a-f]{{6}}\.onnx")
    for other in weights.parent.glob("*.onnx"):
        match = pattern.fullmatch(other.name)
        if match and f"-{match[1]}-" not in paths[0].name:
            with suppress(OSError):
                other.unlink()


def _onnx_bytes(classifier: Classifier) -> bytes:
    import torch

    height, width = classifier.transform.crop
    example = torch.zeros(2, 3, height, width)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            classifier.network.cpu().eval(),
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            input_names=["pictures"],
            output_names=["logits"],
            verbose=False,
        )
        if program is None:
            raise RuntimeError("there is no program")
        return _without_traces(program.model_proto)


def _without_traces(model: onnx.ModelProto) -> bytes:
    """Take out where in whose source code each node comes from: a quarter of a small file."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString())


def _difference(classifier: Classifier, content: bytes) -> tuple[float, float]:
    """Largest difference from torch's logits over pictures of noise, and the largest of those."""
    import torch

    height, width = classifier.transform.crop
    generator = np.random.default_rng(0)
    batch = generator.normal(size=(N_CHECKED, 3, height, width)).astype(np.float32)
    with torch.inference_mode():
        expected = classifier.network(torch.from_numpy(batch)).numpy()
    engine = OnnxEngine(content, classifier.transform)
    parts = [engine.forward(part) for part in (batch[:1], batch[1:])]
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.concatenate(parts) - expected)
    return float(difference.max(initial=0.0)), float(np.abs(expected).max())


def like_exported(
    model: onnx.ModelProto,
    output: str,
    n_outputs: int,
    *,
    is_nhwc: bool = False,
    sides: Sequence[int | None] = (None, None),
    part: int | None = None,
    takes_bytes: bool = False,
    takes_logarithm: bool = False,
    features: tuple[str, int] | None = None,
) -> onnx.ModelProto:
    """Put nodes before and behind a user's graph that make it like an exported network.

    (N, 3, H, W) 'pictures', normalised float32 or uint8 as they are, to (N, C) float32 'logits',
    and to (N, D) float32 'features' where these are asked for.

    Parameters
    ----------
    model : of opset 13 or newer, with pictures as its one input
    output : name of the output that holds the logits
    n_outputs : C
    is_nhwc : it takes (N, H, W, 3)
    sides : height and width that it asks for, if it does
    part : pictures that it takes at a time; any number without
    takes_logarithm : its outputs are probabilities
    features : name of the tensor that holds them, and D
    """
    import onnx
    from onnx import TensorProto
    from onnx.helper import make_graph, make_node, make_tensor_value_info

    model = onnx.compose.add_prefix(model, "model/")
    graph = model.graph
    graph.ClearField("value_info")
    given, given_type = "openmax/part", TensorProto.FLOAT
    if takes_bytes:
        given_type = TensorProto.UINT8
    first = []
    last_name = given
    if is_nhwc:
        first.append(make_node("Transpose", [last_name], ["openmax/nhwc"], perm=[0, 2, 3, 1]))
        last_name = "openmax/nhwc"
    wanted = graph.input[0].type.tensor_type.elem_type
    if wanted != given_type:
        first.append(make_node("Cast", [last_name], ["openmax/cast"], to=wanted))
        last_name = "openmax/cast"
    first.append(make_node("Identity", [last_name], [graph.input[0].name]))

    found = f"model/{output}"
    last = [
        make_node("Cast", [found], ["openmax/float"], to=TensorProto.FLOAT),
        make_node("Flatten", ["openmax/float"], ["openmax/flat"], axis=1),
    ]
    constants = []
    result = "openmax/flat"
    if takes_logarithm:
        constants.append(
            onnx.numpy_helper.from_array(np.array(SMALLEST, dtype=np.float32), "openmax/smallest")
        )
        last += [
            make_node("Max", [result, "openmax/smallest"], ["openmax/positive"]),
            make_node("Log", ["openmax/positive"], ["openmax/log"]),
        ]
        result = "openmax/log"
    results = [(result, "logits", n_outputs)]
    if features is not None:
        name, n_features = features
        last += [
            make_node("Cast", [f"model/{name}"], ["openmax/features"], to=TensorProto.FLOAT),
            make_node("Flatten", ["openmax/features"], ["openmax/flat_features"], axis=1),
        ]
        results.append(("openmax/flat_features", OUTPUT, n_features))
    nodes = [*first, *graph.node, *last]
    named: list[Any] = [own or name for own, name in zip(sides, "HW", strict=True)]
    pictures = make_tensor_value_info("pictures", given_type, ["N", 3, *named])
    outputs = [
        make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for _, name, width in results
    ]
    if part is not None:
        body = make_graph(
            nodes,
            "openmax/parts",
            [make_tensor_value_info(given, given_type, [part, 3, *named])],
            [
                make_tensor_value_info(inner, TensorProto.FLOAT, [part, width])
                for inner, _, width in results
            ],
            [*graph.initializer, *constants],
            sparse_initializer=list(graph.sparse_initializer),
        )
        widths = {name: width for _, name, width in results}
        nodes, constants = _in_parts(body, part, given_type, widths)
        whole = make_graph(nodes, "classifier", [pictures], outputs, constants)
    else:
        nodes = [
            make_node("Identity", ["pictures"], [given]),
            *nodes,
            *(make_node("Identity", [inner], [name]) for inner, name, _ in results),
        ]
        whole = make_graph(
            nodes,
            "classifier",
            [pictures],
            outputs,
            [*graph.initializer, *constants],
            sparse_initializer=list(graph.sparse_initializer),
        )
    made = onnx.helper.make_model(
        whole, opset_imports=model.opset_import, functions=list(model.functions)
    )
    made.ir_version = model.ir_version
    return made


def _in_parts(
    body: onnx.GraphProto, count: int, given_type: int, widths: Mapping[str, int]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes that run ``body`` on ``count`` pictures at a time; black ones fill the last part.

    Parameters
    ----------
    widths : of the outputs by name, in the order of those of ``body``
    """
    import onnx
    from onnx.helper import make_node, make_tensor

    constants: list[onnx.TensorProto] = []

    def numbers(*values: int) -> str:
        name = f"openmax/numbers_{len(constants)}"
        constants.append(onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    zero = make_tensor("zero", given_type, [1], [0])
    part, parts = numbers(count), "openmax/parts"
    nodes = [
        make_node("Shape", ["pictures"], ["openmax/shape"]),
        make_node("Slice", ["openmax/shape", numbers(0), numbers(1)], ["openmax/n"]),
        make_node("Slice", ["openmax/shape", numbers(1), numbers(4)], ["openmax/sides"]),
        make_node("Mod", ["openmax/n", part], ["openmax/over"]),
        make_node("Sub", [part, "openmax/over"], ["openmax/short"]),
        make_node("Mod", ["openmax/short", part], ["openmax/even"]),
        # One part at least: ONNX Runtime's Scan takes no empty sequence.
        make_node("Sub", [part, "openmax/n"], ["openmax/first"]),
        make_node("Max", ["openmax/even", "openmax/first"], ["openmax/missing"]),
        make_node("Concat", ["openmax/missing", "openmax/sides"], ["openmax/fill"], axis=0),
        make_node("ConstantOfShape", ["openmax/fill"], ["openmax/black"], value=zero),
        make_node("Concat", ["pictures", "openmax/black"], ["openmax/full"], axis=0),
        make_node("Concat", [numbers(-1, count), "openmax/sides"], ["openmax/cut"], axis=0),
        make_node("Reshape", ["openmax/full", "openmax/cut"], [parts]),
        make_node(
            "Scan",
            [parts],
            [f"openmax/scanned_{name}" for name in widths],
            body=body,
            num_scan_inputs=1,
        ),
    ]
    for name, width in widths.items():
        scanned, whole = f"openmax/scanned_{name}", f"openmax/all_{name}"
        nodes += [
            make_node("Reshape", [scanned, numbers(-1, width)], [whole]),
            make_node("Slice", [whole, numbers(0), "openmax/n"], [name]),
        ]
    return nodes, constants
