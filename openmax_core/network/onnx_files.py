"""An ONNX file as the classifier: what its graph takes and gives, found without torch.

Layout (NCHW, NHWC), numbers (float, uint8), batch and size of the pictures stand in the graph, or
are tried. A graph is then put between a few nodes that make it like an exported network: (N, 3, H,
W) 'pictures' to (N, C) float32 'logits'. So the engines, the cluster and the export know one kind
of file alone. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import ClassifierError, first_line
from openmax_core.network.class_names import class_names, names_in
from openmax_core.network.engines import OnnxEngine, normalised, open_session
from openmax_core.network.features import features_tensor
from openmax_core.network.onnx_export import like_exported
from openmax_core.pictures.images import Transform
from openmax_core.support.files import listed, modified

if TYPE_CHECKING:
    import onnx

SUFFIX = ".onnx"
# What ONNX Runtime itself computes; 'EPContext' alone names a file that it opens.
DOMAINS = frozenset(["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])
OPENS_FILES = frozenset(["EPContext"])
# Opset that the nodes around a graph are written for; older graphs are converted.
OLDEST_OPSET, OLDEST_IR = 13, 8
FLOATS = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64}
BYTES = "tensor(uint8)"
LAYOUTS = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}  # places of channels, height, width
# Pictures of noise that a graph is tried on, and how near its answers must be to one another.
N_TRIED, TOLERANCE = 3, 1e-3
# Of the sum of a picture's probabilities: float32 rounds less, float16 more.
SUM_TOLERANCE = {"tensor(float16)": 1e-2}
IN_ONE_FILE = "save it as one file: onnx.save(onnx.load(FILE), 'one.onnx')"
GUIDE = "the guide 'ONNX files' shows how to put the missing step before the graph"

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file, read but not run.

    Attributes
    ----------
    path : Path
    model : onnx.ModelProto
        Of opset 13 or newer.
    shape : tuple of int or None
        Of its one input; None where a side is left open.
    classes : tuple of str or None
        Names in the order of the outputs, where its metadata say them.
    """

    path: Path
    model: onnx.ModelProto = field(repr=False)
    shape: Shape
    classes: tuple[str, ...] | None

    def layouts(self, crop: tuple[int, int] | None = None) -> list[str]:
        """Layouts that the input's shape allows for RGB pictures of a size, or of any."""
        wanted = (3, *(crop or (None, None)))
        return [
            name
            for name, places in LAYOUTS.items()
            if all(
                None in {self.shape[place], side} or self.shape[place] == side
                for place, side in zip(places, wanted, strict=True)
            )
        ]

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width that it asks for; None where it takes any, or where that is open."""
        found = {tuple(self.shape[place] for place in LAYOUTS[name][1:]) for name in self.layouts()}
        height, width = found.pop() if len(found) == 1 else (None, None)
        return height, width


@dataclass(frozen=True)
class OnnxClassifier:
    """An ONNX file that runs on a workspace's pictures.

    Attributes
    ----------
    name : str
        Of the file.
    classes : tuple of C str
    transform : Transform
    content : bytes
        Of an ONNX file: (N, 3, H, W) 'pictures', normalised float32 or uint8 as they are, to
        (N, C) float32 'logits', and (N, D) 'features' where these are asked for.
    size : tuple of two int or None
        Height and width that the graph asks for, where it does.
    takes_bytes : bool
        It takes uint8 pixels as they are: mean and std are not used.
    takes_logarithm : bool
        The graph gives probabilities, and their logarithm is taken.
    notes : tuple of str
        What was found in the file, in sentences.
    n_features : int
        D; 0 where features are not asked for.
    """

    name: str
    classes: tuple[str, ...]
    transform: Transform
    content: bytes = field(repr=False)
    size: tuple[int | None, int | None] = (None, None)
    takes_bytes: bool = False
    takes_logarithm: bool = False
    notes: tuple[str, ...] = ()
    n_features: int = 0

    def engine(
        self,
        device: str = "cpu",
        batch_size: int | None = None,
        transform: Transform | None = None,
    ) -> OnnxEngine:
        """Make it ready to run, under another transform if one is given.

        Raises
        ------
        ClassifierError
            The device fails.
        """
        return OnnxEngine(self.content, transform or self.transform, batch_size, device)


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file, and refuse what could not run or would open other files.

    Raises
    ------
    ClassifierError
        The file is missing or none, keeps tensors in other files, has custom operators, or takes
        something else than RGB pictures; the message names it, and the way out.
    """
    import onnx

    if not path.is_file():
        raise ClassifierError(f"the ONNX file {path} does not exist")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise ClassifierError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # protobuf's own, of several kinds
        raise ClassifierError(f"{path} is no ONNX file: {first_line(error)}") from error
    if not model.graph.node:
        raise ClassifierError(f"{path} is no ONNX file: it holds no graph")
    _refuse_other_files(model, path)
    _refuse_custom_operators(model, path)
    inside = {tensor.name for tensor in model.graph.initializer}
    inside |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = [item for item in model.graph.input if item.name not in inside]
    if len(inputs) != 1:
        raise ClassifierError(
            f"{path} takes {len(inputs)} inputs ({listed([item.name for item in inputs])}), not "
            "pictures alone; export the graph with one input"
        )
    model = _modern(model, path)
    return OnnxFile(path, model, _picture_shape(inputs[0], path), _noted_classes(model))


def load_onnx(
    path: Path,
    classes: Sequence[str],
    transform: Transform | None = None,
    output: str | None = None,
    *,
    has_features: bool = False,
    features_output: str | None = None,
) -> OnnxClassifier:
    """Make an ONNX file ready to run, and find out what its graph does not say by trying it.

    Parameters
    ----------
    path : of the file
    classes : C names, in the order of the outputs
    transform : the notebook's evaluation transform without
    output : name of the output that holds the logits; needed where several could
    has_features : give the features behind the logits
    features_output : name of the tensor that holds them; without, the input of the last matrix
        product before the logits

    Raises
    ------
    ClassifierError
        As for :func:`read_onnx`; or the graph fails on pictures of the transform's size, has no
        such output, no features, or another count of classes; named.
    """
    return ready(
        read_onnx(path),
        classes,
        transform or Transform(),
        output,
        has_features=has_features,
        features_output=features_output,
    )


def ready(
    file: OnnxFile,
    classes: Sequence[str],
    transform: Transform,
    output: str | None = None,
    *,
    has_features: bool = False,
    features_output: str | None = None,
) -> OnnxClassifier:
    """As :func:`load_onnx`, of a file that was read."""
    trial = _Trial(file, transform, output)
    if has_features:
        trial.find_features(features_output)
    if trial.n_outputs != len(classes):
        raise ClassifierError(
            f"{file.path} gives {trial.n_outputs} numbers for a picture, but the workspace has "
            f"{len(classes)} classes; give the {trial.n_outputs} class names in the order of its "
            "outputs"
        )
    return OnnxClassifier(
        file.path.name,
        tuple(classes),
        transform,
        trial.content(),
        file.size,
        trial.takes_bytes,
        trial.takes_logarithm,
        trial.notes,
        trial.n_features,
    )


def fitted(transform: Transform, size: tuple[int | None, int | None]) -> Transform:
    """Transform with the crop that a graph asks for, its resize scaled in proportion.

    Parameters
    ----------
    size : height and width, see :attr:`OnnxFile.size`; None leaves a side as it is
    """
    height, width = (own or side for own, side in zip(size, transform.crop, strict=True))
    if (height, width) == transform.crop:
        return transform
    scales = height / transform.crop[0], width / transform.crop[1]
    resize = transform.resize
    if isinstance(resize, int) and scales[0] == scales[1]:
        return replace(transform, resize=round(resize * scales[0]), crop=(height, width))
    sides = (resize, resize) if isinstance(resize, int) else resize
    scaled = round(sides[0] * scales[0]), round(sides[1] * scales[1])
    return replace(transform, resize=scaled, crop=(height, width))


def gives_probabilities(path: Path, transform: Transform, output: str | None) -> bool:
    """Tell whether the logarithm of a file's outputs is taken; tried once for each file.

    Raises
    ------
    ClassifierError
        As for :func:`load_onnx`.
    """
    size = path.stat().st_size if path.is_file() else -1
    return _gives_probabilities(path, size, modified(path), transform, output)


@lru_cache(maxsize=64)
def _gives_probabilities(
    path: Path, size: int, date: int | None, transform: Transform, output: str | None
) -> bool:
    return _Trial(read_onnx(path), transform, output).takes_logarithm


def n_features(
    path: Path, transform: Transform, output: str | None, features_output: str | None
) -> int:
    """D, the number of features that a file gives of a picture; tried once for each file.

    Raises
    ------
    ClassifierError
        As for :func:`load_onnx`.
    """
    size = path.stat().st_size if path.is_file() else -1
    return _n_features(path, size, modified(path), transform, output, features_output)


@lru_cache(maxsize=64)
def _n_features(
    path: Path,
    size: int,
    date: int | None,
    transform: Transform,
    output: str | None,
    features_output: str | None,
) -> int:
    trial = _Trial(read_onnx(path), transform, output)
    trial.find_features(features_output)
    return trial.n_features


def _noted_classes(model: onnx.ModelProto) -> tuple[str, ...] | None:
    """Class names in the metadata, or in a classifier of scikit-learn."""
    texts = {item.key: item.value for item in model.metadata_props}
    for other in ("names", "labels"):  # YOLO's, and others'
        if other in texts:
            texts.setdefault("classes", texts[other])
    noted = {key: names for key, text in texts.items() if (names := names_in(text)) is not None}
    if (found := class_names(noted)) is not None:
        return found
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and len(attribute.strings) > 1:
                return class_names({"classes": [item.decode() for item in attribute.strings]})
    return None


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        yield from _inner_graphs(node)


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _graphs(inner)


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node, also those in branches, loops and functions."""
    for graph in _graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        for node in function.node:
            yield node
            for graph in _inner_graphs(node):
                yield from graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor, wherever one may stand."""
    graphs = list(_graphs(model.graph))
    for function in model.functions:
        graphs += [graph for node in function.node for graph in _inner_graphs(node)]
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in _nodes(model):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _refuse_other_files(model: onnx.ModelProto, path: Path) -> None:
    from onnx import TensorProto

    found = [item for item in _tensors(model) if item.data_location == TensorProto.EXTERNAL]
    places = [
        next((entry.value for entry in item.external_data if entry.key == "location"), "")
        for item in found
    ]
    leads_out = [place for place in places if _leads_out(place)]
    if leads_out:
        raise ClassifierError(
            f"{path} names {leads_out[0]!r}, which leads out of its folder, as the place of "
            f"'{found[places.index(leads_out[0])].name}': such a file is never opened"
        )
    if found:
        raise ClassifierError(
            f"{path} keeps {len(found):,} of its tensors in another file ({places[0]!r} holds "
            f"'{found[0].name}'), which may change by itself; {IN_ONE_FILE}"
        )


def _leads_out(place: str) -> bool:
    kinds = (PurePosixPath(place), PureWindowsPath(place))
    return any(item.anchor or ".." in item.parts for item in kinds)


def _refuse_custom_operators(model: onnx.ModelProto, path: Path) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    custom = {
        f"{node.domain}:{node.op_type}" if node.domain else node.op_type
        for node in _nodes(model)
        if (node.domain, node.op_type) not in own
        and (node.domain not in DOMAINS or node.op_type in OPENS_FILES)
    }
    if custom:
        raise ClassifierError(
            f"{path} has custom operators, which ONNX Runtime does not compute by itself: "
            f"{listed(sorted(custom))}. Export the network with ONNX's own operators alone"
        )


def _modern(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Convert a graph of an old opset: to the nodes around it, constants are no inputs."""
    import onnx

    versions = {item.domain: item.version for item in model.opset_import}
    version = max(versions.get("", 0), versions.get("ai.onnx", 0))
    if 0 < version < OLDEST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, OLDEST_OPSET)
        except Exception as error:
            raise ClassifierError(
                f"{path} is of opset {version}, which cannot be converted: {first_line(error)}. "
                f"Export the network again with opset {OLDEST_OPSET} or newer"
            ) from error
    versions = {item.domain: item.version for item in model.opset_import}
    versions[""] = max(versions.get("", 0), versions.pop("ai.onnx", 0)) or OLDEST_OPSET
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*item) for item in versions.items())
    inside = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in inside]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, OLDEST_IR)
    return model


def _picture_shape(given: onnx.ValueInfoProto, path: Path) -> Shape:
    tensor = given.type.tensor_type
    sides = [side.dim_value if side.dim_value > 0 else None for side in tensor.shape.dim]
    shape: Shape = tuple(sides) if tensor.HasField("shape") else (None,) * 4
    words = f"{path} takes '{given.name}' of the shape {_shape_in_words(shape)}"
    if len(shape) != 4:
        raise ClassifierError(
            f"{words}, not pictures: N × 3 × height × width, or N × height × width × 3; {GUIDE}"
        )
    file = OnnxFile(path, None, shape, None)  # type: ignore[arg-type]
    if not file.layouts():
        raise ClassifierError(
            f"{words}; pictures have 3 channels, red, green and blue, in the second or the last "
            f"place; {GUIDE}"
        )
    return shape


def _shape_in_words(shape: Sequence[Any]) -> str:
    return " × ".join(str(side) if isinstance(side, int) else "any" for side in shape)


class _Trial:
    """What a graph does with a few pictures of noise."""

    def __init__(self, file: OnnxFile, transform: Transform, output: str | None) -> None:
        self.file, self.transform, self.path = file, transform, file.path
        content = _serialized(file.model, file.path)
        self.session = open_session(content, file.path)
        self.outputs = self.session.get_outputs()
        self.features, self.n_features = "", 0
        (given,) = self.session.get_inputs()
        self.input, self.kind = given.name, given.type
        self.takes_bytes = self.kind == BYTES
        if not self.takes_bytes and self.kind not in FLOATS:
            raise ClassifierError(
                f"{self.path} takes '{self.input}' as {self.kind}; pictures are given as floats or "
                "as uint8"
            )
        self.batch = file.shape[0]
        self.layout, answers = self._tried()
        self.output = self._chosen(answers, output)
        values = answers[self.output]
        self.n_outputs = values.shape[1]
        self.is_alone = self.batch is not None or not self._is_each_by_itself(self.output, values)
        self.takes_logarithm = _are_probabilities(values, self._type_of(self.output))
        self.is_between = bool((values >= 0).all() and (values <= 1).all())

    def find_features(self, name: str | None) -> None:
        """Find the tensor of the features, and try it.

        Raises
        ------
        ClassifierError
            There is none, or it is no vector for each picture.
        """
        tensor = features_tensor(self.file.model, self.output, name, str(self.path))
        if tensor not in {item.name for item in self.outputs}:
            outputs = self.file.model.graph.output
            outputs.add().name = tensor
            self.session = open_session(_serialized(self.file.model, self.path), self.path)
            del outputs[-1]
        pictures = self._pictures()
        if self.batch is None and self.is_alone:
            pictures = pictures[:1]
        answer = self._run(pictures, self.layout)[tensor]
        values = _flat(answer)
        if values is None:
            found = _shape_in_words(answer.shape) if isinstance(answer, np.ndarray) else "a list"
            raise ClassifierError(
                f"{self.path}: the tensor '{tensor}' of the shape {found} is no vector of floats "
                "for each picture, as features are; name another one with features_output under "
                "[classifier] in workspace.toml, or --features-output"
            )
        self.features, self.n_features = tensor, values.shape[1]
        if not self.is_alone:
            self.is_alone = not self._is_each_by_itself(tensor, values)

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody who names this file should know."""
        taken = "uint8" if self.takes_bytes else "floats"
        found = [f"{self.path.name} takes pictures as {self.layout}, {taken}"]
        if self.takes_bytes:
            found[0] += " from 0 to 255; mean and std of the transform are not used"
        if self.batch is not None:
            found.append(
                f"its batch is fixed at {self.batch}, so pictures go through it "
                f"{'one by one' if self.batch == 1 else f'{self.batch} at a time'}"
            )
        elif self.is_alone:
            found.append("its batch cannot be changed, so pictures go through it one by one")
        if len(self.outputs) > 1:
            found.append(f"its output '{self.output}' is taken")
        if self.features:
            found.append(f"its tensor '{self.features}' holds the features")
        if self.takes_logarithm:
            found.append(probabilities_in_words(self.path.name))
        elif self.is_between:
            found.append(
                f"the outputs of {self.path.name} lie between 0 and 1, but do not sum to 1, as "
                "those of a sigmoid do: they are taken as they are. Logits are what stands before "
                "it in the graph"
            )
        return tuple(found)

    def content(self) -> bytes:
        """Content of the graph between the nodes that make it like an exported network."""
        return _serialized(
            like_exported(
                self.file.model,
                self.output,
                self.n_outputs,
                is_nhwc=self.layout == "NHWC",
                sides=self.file.size,
                part=(self.batch or 1) if self.is_alone else None,
                takes_bytes=self.takes_bytes,
                takes_logarithm=self.takes_logarithm,
                features=(self.features, self.n_features) if self.features else None,
            ),
            self.path,
        )

    def _pictures(self) -> NDArray[Any]:
        """Noise as the graph takes it, but for the layout: (K, 3, H, W)."""
        generator = np.random.default_rng(0)
        count = N_TRIED if self.batch is None else self.batch
        pixels = generator.integers(0, 256, (count, *self.transform.crop, 3), dtype=np.uint8)
        if self.takes_bytes:
            return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return normalised(pixels, self.transform).astype(FLOATS[self.kind])

    def _run(self, pictures: NDArray[Any], layout: str) -> dict[str, Any]:
        given = pictures if layout == "NCHW" else pictures.transpose(0, 2, 3, 1)
        answers = self.session.run(None, {self.input: np.ascontiguousarray(given)})
        names = [item.name for item in self.session.get_outputs()]
        return dict(zip(names, answers, strict=True))

    def _tried(self) -> tuple[str, dict[str, NDArray[np.float64]]]:
        """The layout under which the graph runs, and its outputs that may be logits."""
        height, width = self.transform.crop
        own = [side or given for side, given in zip(self.file.size, (height, width), strict=True)]
        if own != [height, width]:
            raise ClassifierError(
                f"{self.path} takes pictures of {own[0]} × {own[1]} pixels, but crop under "
                f"[transform] gives {height} × {width}; write crop = [{own[0]}, {own[1]}], and a "
                "resize that is not smaller, in workspace.toml"
            )
        pictures, worked, reasons = self._pictures(), {}, []
        for layout in self.file.layouts((height, width)):
            try:
                worked[layout] = self._run(pictures, layout)
            # ONNX Runtime's errors have no class in common but this one.
            except Exception as error:
                reasons.append(first_line(error))
                if self.batch is None:  # traced with one picture, whatever it says
                    with suppress(Exception):
                        worked[layout] = self._run(pictures[:1], layout)
        if not worked:
            raise ClassifierError(
                f"{self.path} failed on pictures of {height} × {width}: {reasons[0]}. Check "
                "[transform] crop in workspace.toml"
            )
        if len(worked) > 1:
            raise ClassifierError(
                f"{self.path} runs on pictures as N × 3 × height × width and as N × height × width "
                "× 3; write the 3 channels into the shape of its input, so that it says which"
            )
        layout, answers = worked.popitem()
        return layout, {name: flat for name, a in answers.items() if (flat := _flat(a)) is not None}

    def _chosen(self, answers: dict[str, NDArray[np.float64]], output: str | None) -> str:
        outputs = self.outputs
        described = quoted_outputs(outputs)
        if output is not None and output not in {item.name for item in outputs}:
            raise ClassifierError(
                f"{self.path} has no output '{output}'; it has {described}. Correct output under "
                "[classifier] in workspace.toml, or --output"
            )
        if output is not None and output in answers:
            return output
        if output is None and len(answers) == 1:
            return next(iter(answers))
        if output is None and answers:
            raise ClassifierError(
                f"{self.path} has several outputs: {described}. Say which one holds the logits: "
                "--output NAME, or output under [classifier] in workspace.toml"
            )
        which = f"the output '{output}'" if output else "no output"
        raise ClassifierError(
            f"{self.path}: {which} holds {'no' if output else ''} one number for each of two or "
            f"more classes; it has {described}".replace("holds no one", "does not hold one")
            + ". scikit-learn's converter needs options={'zipmap': False}"
            * any("seq(" in item.type for item in outputs)
        )

    def _type_of(self, output: str) -> str:
        return next(item.type for item in self.outputs if item.name == output)

    def _is_each_by_itself(self, name: str, together: NDArray[np.float64]) -> bool:
        """Tell whether pictures in one batch get of an output what each gets alone."""
        pictures = self._pictures()
        if len(together) != len(pictures):
            return False
        try:
            each = [self._run(pictures[row : row + 1], self.layout) for row in range(len(pictures))]
        except Exception:  # the graph has a batch of its own
            return True
        alone = [_flat(item[name]) for item in each]
        if any(item is None or item.shape != (1, together.shape[1]) for item in alone):
            return True
        difference = np.abs(np.concatenate(alone) - together)  # type: ignore[arg-type]
        largest = float(np.nanmax(np.abs(together), initial=0.0))
        return bool(np.nan_to_num(difference).max(initial=0.0) <= TOLERANCE * largest)


def _flat(answer: Any) -> NDArray[np.float64] | None:
    """(K, C) numbers of an output that may be logits of two classes or more."""
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f" or answer.ndim < 2:
        return None
    if max(answer.shape[1:]) != np.prod(answer.shape[1:]) or max(answer.shape[1:]) < 2:
        return None
    return answer.reshape(len(answer), -1).astype(np.float64)


def _are_probabilities(values: NDArray[np.float64], kind: str) -> bool:
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite) or finite.min() < 0:
        return False
    return bool(np.abs(finite.sum(axis=1) - 1).max() <= SUM_TOLERANCE.get(kind, TOLERANCE))


def probabilities_in_words(name: str) -> str:
    """What is said wherever figures rest on the logarithm of a file's outputs."""
    return (
        f"the outputs of {name} are probabilities: each picture's sum to 1. Their logarithm is "
        "taken for the logits; what was common to the logits of a picture is lost"
    )


def quoted_outputs(outputs: Sequence[Any]) -> str:
    """Names, kinds and shapes of a session's outputs."""
    return ", ".join(
        f"'{item.name}' ({item.type.removeprefix('tensor(').rstrip(')')}"
        + (f", {_shape_in_words(item.shape)})" if item.type.startswith("tensor") else "))")
        for item in outputs
    )


def _serialized(model: onnx.ModelProto, path: Path) -> bytes:
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:
        raise ClassifierError(f"{path} is larger than the 2 GB that one ONNX file can have") from (
            error
        )
