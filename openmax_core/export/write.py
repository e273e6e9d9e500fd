"""Classifier, method and threshold of a workspace as one ONNX file for production.

The file (:mod:`openmax_core.export.graph`) takes uint8 pictures of the network's size,
(N, 3, H, W) RGB for any N, and gives

    logits         (N, C) float32
    probabilities  (N, C + 1) float64, 'unknown' last; of other methods than OpenMax (N, C), softmax
    decision       (N,) int64, the class's index, −1 where the picture is rejected
    score          (N,) float64, what was compared with the threshold; NaN where logits are not
                   finite

Of a workspace of tables it has no network, and takes (N, C) float32 'network_logits'. Where the
method needs features, these come from within the network; without one the file takes (N, D)
float32 'network_features' too. What such a method learned is at most about 25 MB of the file for
'knn', and 4 bytes for each of D² numbers (for 'rmds' twice) for the others.

Every setting of the product can be exported. What could differ from the library is checked before
the file takes its name, see :func:`export_workspace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.activations.activations import Activations
from openmax_core.errors import PictureError
from openmax_core.export.description import (
    FEATURES_INPUT,
    LOGITS_INPUT,
    METADATA_KEY,
    OUTPUTS,
    REJECTED_INDEX,
    ExportDescription,
)
from openmax_core.export.graph import compose, method_model
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.reweighting import softmax
from openmax_core.network.onnx_export import TOLERANCE, ExportError
from openmax_core.pictures.images import Pixels
from openmax_core.prediction.choice import Choice
from openmax_core.prediction.verdicts import own_limits
from openmax_core.support.files import write_bytes_atomically
from openmax_core.workspace.workspace import Workspace

if TYPE_CHECKING:
    import onnx
    from onnxruntime import InferenceSession

ONLY_THE_LIBRARY = (
    "no file can be written of it, only 'openmax predict' and the library decide with it"
)
# Largest content of a protocol buffer, which an ONNX file is.
MOST_ONNX_BYTES = (1 << 31) - 1
# Of probabilities, between two ways of the same sums in float64.
PROBABILITY_TOLERANCE = 1e-9
# Of the test set and of the reject set, those nearest to the threshold.
MOST_STORED = 5_000
ROWS_AT_ONCE = 256
N_PICTURES, N_NOISE = 6, 3

Outputs = Mapping[str, NDArray[Any]]


def export_workspace(workspace: Workspace, choice: Choice, path: Path) -> ExportDescription:
    """Write a workspace's classifier with a method and a threshold as one ONNX file.

    Before it takes its name the file is opened and run: on noise and on pictures of the test and
    of the reject set its logits must be those of the library's network, up to the rounding of
    float32; its decisions on them, and those of its method on the stored logits nearest to the
    threshold, must be the library's for the same logits.

    Parameters
    ----------
    choice : method and threshold, see :func:`openmax_core.prediction.choice.choose_method`
    path : what is there is replaced

    Raises
    ------
    ExportError
        The network cannot be exported, or the file would decide otherwise than the library.
    OpenMaxError
        The file cannot be written.
    """
    evaluation, point = choice.evaluation, choice.present_point
    description = ExportDescription(
        workspace=workspace.settings.name,
        architecture=workspace.settings.classifier.name,
        weights=workspace.classifier.weights_key,
        classes=evaluation.method.class_names_,
        transform=workspace.settings.transform,
        calibrated_on=evaluation.calibrated_on,
        operating_point=point,
        borrowed=tuple(evaluation.method.borrowed_names),
    )
    alone = method_model(evaluation.method, choice.limits)
    if workspace.settings.tables:
        _export_alone(alone, description, choice, path)
        return description
    pictures = _pictures(workspace, description, [evaluation.test, evaluation.reject])
    method = evaluation.method
    engine = workspace.classifier.load_engine("cpu", has_features=method.needs_features)
    made = engine.start(np.ascontiguousarray(pictures.transpose(0, 2, 3, 1)))()
    expected, features = made[:, : method.n_classes], made[:, method.n_classes :]
    content = _content(workspace, choice, description)
    _check_alone(alone.SerializeToString(), choice)

    def check(temporary: Path) -> None:
        # Its bytes: not every build opens a name with other characters than those of ASCII.
        session = _session(temporary.read_bytes())
        parts = [_run(session, pictures=part) for part in (pictures[:1], pictures[1:])]
        found = {name: np.concatenate([part[name] for part in parts]) for name in OUTPUTS}
        _check_logits(found["logits"], expected)
        _check_decisions(found, found["logits"], features, choice)

    write_bytes_atomically(path, content, check)
    return description


def _export_alone(
    model: onnx.ModelProto, description: ExportDescription, choice: Choice, path: Path
) -> None:
    """Write a file that takes logits."""
    content = _finished(model, description)
    write_bytes_atomically(
        path, content, lambda temporary: _check_alone(temporary.read_bytes(), choice)
    )


def _check_alone(content: bytes, choice: Choice) -> None:
    session = _session(content)
    for logits, features in _nearest_stored(choice):
        given = {LOGITS_INPUT: logits}
        if choice.evaluation.method.needs_features:
            given[FEATURES_INPUT] = features
        _check_decisions(_run(session, **given), logits, features, choice)


def _content(workspace: Workspace, choice: Choice, description: ExportDescription) -> bytes:
    """Content of a file that takes pictures."""
    try:
        has_features = choice.evaluation.method.needs_features
        network = workspace.classifier.load_exported_network(has_features=has_features)
    except ExportError as error:
        raise ExportError(f"{error}; {ONLY_THE_LIBRARY}") from error
    model = compose(network, description.transform, choice.evaluation.method, choice.limits)
    return _finished(model, description)


def _finished(model: onnx.ModelProto, description: ExportDescription) -> bytes:
    """Content of a model's file, with what it says of itself."""
    import onnx

    onnx.helper.set_model_props(model, {METADATA_KEY: description.to_json()})
    model.doc_string = description.in_words
    if model.ByteSize() > MOST_ONNX_BYTES:
        raise ExportError(
            f"{description.architecture} is larger than the 2 GB that an ONNX file can have; "
            f"{ONLY_THE_LIBRARY}"
        )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _session(content: bytes) -> InferenceSession:
    import onnxruntime

    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _run(session: InferenceSession, **given: NDArray[Any]) -> Outputs:
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), given), strict=True))


def _pictures(
    workspace: Workspace, description: ExportDescription, sets: list[Activations | None]
) -> Pixels:
    """Noise, and pictures of the sets that are still there, (N, 3, H, W)."""
    generator = np.random.default_rng(0)
    shape = (N_NOISE, 3, *description.transform.crop)
    found = list(generator.integers(0, 256, shape, dtype=np.uint8))
    for split, activations in zip(("test", "reject"), sets, strict=True):
        if activations is None or not len(activations):
            continue
        rows = np.linspace(0, len(activations) - 1, N_PICTURES).round().astype(int)
        for name in activations.readable["path"].iloc[np.unique(rows)]:
            try:
                found.append(description.prepare(workspace.pictures.picture(split, name)))
            except PictureError:  # moved away since its logits were stored
                continue
    return np.stack(found)


def _nearest_stored(choice: Choice) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Stored logits of the pictures nearest to their threshold, in parts, and their features."""
    curve, evaluation = choice.evaluation.curve, choice.evaluation
    parts = []
    for activations, scores, predictions in (
        (evaluation.test, curve.test_scores, curve.test_predictions),
        (evaluation.reject, curve.reject_scores, curve.reject_predictions),
    ):
        if activations is not None:
            margins = np.abs(scores - own_limits(predictions, choice.limits))
            rows = np.sort(np.argsort(margins, kind="stable")[:MOST_STORED])
            for first in range(0, len(rows), ROWS_AT_ONCE):
                chunk = rows[first : first + ROWS_AT_ONCE]
                logits = np.array(activations.logits[chunk], dtype=np.float32)
                features = np.empty((len(chunk), 0), dtype=np.float32)
                if evaluation.method.needs_features and activations.features is not None:
                    features = np.array(activations.features[chunk], dtype=np.float32)
                parts.append((logits, features))
    return parts


def _check_logits(logits: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    with np.errstate(invalid="ignore"):
        difference = float(np.abs(logits - expected).max(initial=0.0))
    largest = float(np.abs(expected).max(initial=0.0))
    if not difference <= TOLERANCE * largest:
        raise ExportError(
            f"the exported file's logits differ from the library's by {difference:.2g} where they "
            f"reach {largest:.2g}; nothing was written"
        )


def _check_decisions(
    found: Outputs, logits: NDArray[np.float32], features: NDArray[np.float32], choice: Choice
) -> None:
    method = choice.evaluation.method
    decided = method.decide(logits, features if method.needs_features else None)
    if isinstance(method, OpenMax):
        probabilities = method.predict_proba(logits)
    else:
        probabilities = softmax(logits.astype(np.float64))
    difference = float(np.abs(found["probabilities"] - probabilities).max(initial=0.0))
    if not difference <= PROBABILITY_TOLERANCE:
        raise ExportError(
            f"the exported file's probabilities differ from the library's by {difference:.2g}; "
            "nothing was written"
        )
    is_accepted = decided.scores >= own_limits(decided.predictions, choice.limits)
    expected = np.where(is_accepted, decided.predictions, REJECTED_INDEX)
    others = np.flatnonzero(found["decision"] != expected)
    if len(others):
        score = float(decided.scores[others[0]])
        raise ExportError(
            f"{len(others)} pictures lie so near to the threshold, with a score of {score!r}, that "
            "the exported file would decide otherwise than the library; nothing was written. "
            "Choose a threshold that is a little larger or smaller"
        )
