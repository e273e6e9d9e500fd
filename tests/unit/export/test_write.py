"""What 'openmax export' writes decides as the library does, and says what it is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from openmax_core import OpenMax
from openmax_core.cli.main import main
from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import open_demo
from openmax_core.errors import OpenMaxError
from openmax_core.export.description import METADATA_KEY, OUTPUTS, REJECTED_INDEX, ExportDescription
from openmax_core.export.graph import compose, method_model
from openmax_core.export.write import export_workspace
from openmax_core.methods.method import Method
from openmax_core.methods.settings import PRESETS
from openmax_core.network.onnx_export import ExportError
from openmax_core.network.spec import NamedClassifier
from openmax_core.prediction.choice import Choice, choose_method
from openmax_core.support.arrays import Float
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import made_up_logits

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

N_COMPARED = 500
DATA = Path(__file__).parents[1] / "data" / "version_0_1"
Outputs = Mapping[str, NDArray[Any]]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = open_demo(DIGITS, folder=tmp_path_factory.mktemp("cache") / "digits")
    workspace.extract("cpu")
    return workspace


@pytest.fixture(scope="module")
def pictures(digits: Workspace) -> NDArray[np.uint8]:
    """(500, 3, H, W): as many of the test set as of the reject set."""
    description = describe(digits, choose_method(digits))
    return np.stack([description.prepare(path) for path in compared_paths(digits)])


@pytest.fixture(scope="module")
def stored(digits: Workspace) -> NDArray[np.float32]:
    """(500, C) logits of the same pictures, as the library has stored them."""
    parts = [digits.stored.activations(split) for split in ("test", "reject")]
    return np.concatenate([part.logits[: N_COMPARED // 2] for part in parts if part is not None])


def compared_paths(workspace: Workspace) -> list[Path]:
    paths = []
    for split in ("test", "reject"):
        activations = workspace.stored.activations(split)
        assert activations is not None
        names = activations.readable["path"].iloc[: N_COMPARED // 2]
        paths += [workspace.pictures.folder(split) / name for name in names]
    assert len(paths) == N_COMPARED
    return paths


def describe(workspace: Workspace, choice: Choice) -> ExportDescription:
    chosen = workspace.settings.classifier
    return ExportDescription(
        workspace.settings.name,
        chosen.name,
        workspace.classifier.weights_key,
        chosen.classes,
        workspace.settings.transform,
        choice.evaluation.calibrated_on,
        choice.present_point,
    )


def library_decisions(method: Method, logits: NDArray[np.float32], limits: Float) -> list[int]:
    """Decisions, a picture at a time, by what DESIGN says: argmax, then the threshold."""
    decisions = method.decide(logits)
    return [
        REJECTED_INDEX
        if prediction == method.n_classes or score < limits[prediction]
        else prediction
        for prediction, score in zip(
            decisions.predictions.tolist(), decisions.scores.tolist(), strict=True
        )
    ]


def run_onnx(openmax: OpenMax, limits: Float) -> Callable[[NDArray[np.float32]], Outputs]:
    model = method_model(openmax, limits)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda logits: dict(
        zip(OUTPUTS, session.run(None, {"network_logits": logits}), strict=True)
    )


def fitted(n_classes: int = 5, n_each: int = 30, signal: float = 9.0, **options: Any) -> OpenMax:
    labels = np.repeat(np.arange(n_classes), n_each)
    return OpenMax(**options).fit(made_up_logits(labels, n_classes, 0, signal), labels)


def logits_of(n_classes: int, n: int = 120, signal: float = 5.0) -> NDArray[np.float32]:
    """Logits of knowns and unknowns."""
    labels = np.append(np.arange(n) % n_classes, np.full(n, -1))
    return made_up_logits(labels, n_classes, 1, signal)


def middle_limits(openmax: OpenMax, logits: NDArray[np.float32]) -> Float:
    """Thresholds, another for each class, that reject about half."""
    scores = openmax.decision_scores(logits)
    return np.quantile(scores, np.linspace(0.4, 0.6, openmax.n_classes))


# --- OpenMax alone ---------------------------------------------------------------------------


SETTINGS: list[dict[str, Any]] = [
    *({"preset": preset} for preset in PRESETS),
    *({"distance": name} for name in ("euclidean", "squared_euclidean", "cosine", "scaled_eucos")),
    {"centring": "minimum"},
    {"weighting": "paper", "alpha_rank": 3, "strength": 0.7},
    {"weighting": "all"},
    {"preset": "bendale", "alpha_rank": 1, "unknown_from": "positive"},
    {"preset": "bendale", "alpha_rank": 99, "translate": 10000.0},
    {"preset": "notebook", "weibull": "libmr", "second_softmax": False},
    {"preset": "robust", "weibull": "weibull_max", "second_softmax": True},
    {"tail_size": 5, "tail_share": 0.5},
]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_every_setting_decides_as_the_library(options: dict[str, Any]) -> None:
    openmax, logits = fitted(**options), logits_of(5)
    limits = middle_limits(openmax, logits)
    found = run_onnx(openmax, limits)(logits)
    expected = library_decisions(openmax, logits, limits)
    assert found["decision"].tolist() == expected
    np.testing.assert_allclose(
        found["probabilities"], openmax.predict_proba(logits), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(found["score"], openmax.decision_scores(logits), rtol=1e-12)
    assert {name: found[name].dtype.str[1:] for name in OUTPUTS[1:]} == {
        "probabilities": "f8",
        "decision": "i8",
        "score": "f8",
    }


@settings(max_examples=12)
@given(
    preset=st.sampled_from(sorted(PRESETS)),
    n_classes=st.integers(2, 7),
    shift=st.sampled_from([0.0, 3.0, -3.0]),
    seed=st.integers(0, 10_000),
)
@example("notebook", 6, -3.0, 448)  # two scores that differ in their last bit
def test_the_nearest_logits_on_both_sides_of_the_threshold_are_told_apart(
    preset: str, n_classes: int, shift: float, seed: int
) -> None:
    openmax = fitted(n_classes, preset=preset)
    ends = made_up_logits(np.append(np.arange(40) % n_classes, np.full(40, -1)), n_classes, seed)
    ends = ends.astype(np.float32) + np.float32(shift)
    limits = np.full(n_classes, float(np.median(openmax.decision_scores(ends))))
    is_accepted = np.array(library_decisions(openmax, ends, limits)) != REJECTED_INDEX
    n = min(is_accepted.sum(), (~is_accepted).sum())
    above, below = ends[is_accepted][:n], ends[~is_accepted][:n]
    for _ in range(40):  # until the two are neighbours, or the same but for one bit
        middle = above + (below - above) / np.float32(2)
        inside = np.array(library_decisions(openmax, middle, limits)) != REJECTED_INDEX
        above, below = (
            np.where(inside[:, None], middle, above),
            np.where(inside[:, None], below, middle),
        )
    near = np.concatenate([above, below])
    expected = np.array(library_decisions(openmax, near, limits))
    differs = run_onnx(openmax, limits)(near)["decision"] != expected
    # ONNX Runtime rounds the last bit of an exponential otherwise than NumPy now and then.
    margins = np.abs(openmax.decision_scores(near) - limits[0])
    assert (margins[differs] <= 4 * np.finfo(np.float64).eps * limits[0]).all()
    assert differs.sum() <= 0.1 * len(near)


def test_of_equal_logits_the_lower_class_comes_first() -> None:
    # With α = 1 it matters which of the two largest is re-weighted.
    openmax = fitted(preset="bendale", alpha_rank=1)
    logits = np.array([[0, 6, 0, 6, 0], [2, 2, 2, 2, 2], [0, 0, 0, 0, 0]], dtype=np.float32)
    found = run_onnx(openmax, np.zeros(5))(logits)
    expected = openmax.predict_proba(logits)
    np.testing.assert_allclose(found["probabilities"], expected, rtol=0, atol=1e-12)
    assert found["decision"].tolist() == library_decisions(openmax, logits, np.zeros(5))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_rejected_without_a_score(preset: str, bad: float) -> None:
    openmax = fitted(preset=preset)
    logits = np.eye(5, dtype=np.float32)[[2, 2, 2]] * 9
    logits[1, 3] = bad
    found = run_onnx(openmax, np.zeros(5))(logits)
    assert found["decision"][1] == REJECTED_INDEX
    assert np.isnan(found["score"]).tolist() == [False, True, False]
    assert found["decision"][0] == found["decision"][2]
    assert found["decision"][0] == library_decisions(openmax, logits[:1], np.zeros(5))[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_no_pictures_are_no_error(preset: str) -> None:
    found = run_onnx(fitted(preset=preset), np.zeros(5))(np.empty((0, 5), dtype=np.float32))
    assert found["probabilities"].shape == (0, 6)
    assert found["decision"].shape == found["score"].shape == (0,)


@pytest.mark.parametrize(
    "options", [{}, {"weighting": "all", "strength": 0.01}], ids=["robust", "all classes"]
)
def test_a_thousand_classes(options: dict[str, Any]) -> None:
    openmax = fitted(1000, 3, signal=24.0, **options)
    logits = logits_of(1000, 20, signal=24.0)
    limits = middle_limits(openmax, logits)
    expected = library_decisions(openmax, logits, limits)
    assert run_onnx(openmax, limits)(logits)["decision"].tolist() == expected
    assert len(set(expected)) > 5


# --- the whole file --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PRESETS, "energy", "gen"])
def test_the_onnx_file_decides_on_pictures_as_the_library(
    digits: Workspace,
    pictures: NDArray[np.uint8],
    stored: NDArray[np.float32],
    tmp_path: Path,
    name: str,
) -> None:
    choice = choose_method(digits, name)
    path = tmp_path / "new" / "digits.onnx"
    written = export_workspace(digits, choice, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    assert ExportDescription.from_json(text) == written == describe(digits, choice)
    (given_,) = session.get_inputs()
    assert (given_.name, given_.type, given_.shape) == (
        "pictures",
        "tensor(uint8)",
        ["N", 3, 64, 64],
    )
    assert [item.name for item in session.get_outputs()] == list(OUTPUTS)
    method = choice.evaluation.method
    limits = np.full(method.n_classes, choice.threshold)
    expected = library_decisions(method, stored, limits)
    assert 0.2 < np.mean(np.array(expected) == REJECTED_INDEX) < 0.8
    # One batch, and batches of any size.
    for size in (N_COMPARED, 1 + N_COMPARED // 3):
        decisions: list[int] = []
        for first in range(0, N_COMPARED, size):
            batch = pictures[first : first + size]
            logits, probabilities, decision, _ = session.run(None, {"pictures": batch})
            assert probabilities.shape == (len(batch), 7 if name in PRESETS else 6)
            np.testing.assert_allclose(logits, stored[first : first + size], rtol=0, atol=1e-3)
            decisions += decision.tolist()
        assert decisions == expected
    one, none = (session.run(["decision"], {"pictures": pictures[:n]})[0] for n in (1, 0))
    assert one.tolist() == expected[:1]
    assert none.tolist() == []


def test_thresholds_per_class_are_in_the_file(
    digits: Workspace, stored: NDArray[np.float32], pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    choice = choose_method(digits)
    assert choice.point is not None
    own = {"0": 0.99, "3": 0.3}
    choice = replace(choice, point=replace(choice.point, class_thresholds=own))
    path = tmp_path / "digits.onnx"
    description = export_workspace(digits, choice, path)
    point = description.operating_point
    assert point.class_thresholds == own
    assert point.counts != choose_method(digits).present_point.counts  # counted anew
    openmax = choice.evaluation.openmax
    limits = class_limits(openmax.class_names_, choice.threshold, own)
    expected = library_decisions(openmax, stored, limits)
    assert expected != library_decisions(openmax, stored, np.full(6, choice.threshold))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.run(["decision"], {"pictures": pictures})[0].tolist() == expected
    unfit = replace(description, operating_point=replace(point, class_thresholds={"nine": 0.9}))
    with pytest.raises(OpenMaxError, match="a threshold for 'nine', but no class of this name"):
        ExportDescription.from_json(unfit.to_json())
    choice = replace(choice, point=unfit.operating_point)
    with pytest.raises(OpenMaxError, match="a threshold for 'nine', but no class of this name"):
        export_workspace(digits, choice, path)


def test_a_file_that_would_decide_otherwise_is_not_written(
    digits: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digits.onnx"
    path.write_bytes(b"of before")

    def with_other_thresholds(*given: Any) -> onnx.ModelProto:
        network, transform, openmax, limits = given
        return compose(network, transform, openmax, limits + 2.0)

    with monkeypatch.context() as patched:
        patched.setattr("openmax_core.export.write.compose", with_other_thresholds)
        with pytest.raises(ExportError, match=r"otherwise than the library; nothing was written"):
            export_workspace(digits, choose_method(digits), path)

    def with_other_mean(*given: Any) -> onnx.ModelProto:
        network, transform, *rest = given
        return compose(network, replace(transform, mean=(0.5, 0.5, 0.5)), *rest)

    with monkeypatch.context() as patched:
        patched.setattr("openmax_core.export.write.compose", with_other_mean)
        with pytest.raises(ExportError, match=r"logits differ from the library's by"):
            export_workspace(digits, choose_method(digits), path)
    assert path.read_bytes() == b"of before"
    assert [item.name for item in tmp_path.iterdir()] == ["digits.onnx"]


def test_pictures_that_were_moved_away_are_not_needed(digits: Workspace, tmp_path: Path) -> None:
    elsewhere = replace(digits.settings, folders={name: name for name in digits.pictures.splits})
    workspace = Workspace(digits.folder, elsewhere)
    hidden = digits.folder / "test-away"
    (digits.folder / "test").rename(hidden)
    try:
        export_workspace(workspace, choose_method(workspace), tmp_path / "digits.onnx")
    finally:
        hidden.rename(digits.folder / "test")
    assert (tmp_path / "digits.onnx").stat().st_size > 1_000_000


# --- networks that cannot be exported ----------------------------------------------------------


def test_a_network_that_onnx_cannot_hold_says_the_way_out(
    digits: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any, **named: Any) -> bytes:
        raise ExportError("resnet18 cannot be exported to ONNX (RuntimeError: no)")

    monkeypatch.setattr(NamedClassifier, "load_exported_network", refuse)
    told = r"cannot be exported to ONNX .*; no file can be written of it, only 'openmax predict'"
    with pytest.raises(ExportError, match=told):
        export_workspace(digits, choose_method(digits), tmp_path / "digits.onnx")


# --- what the file says ------------------------------------------------------------------------


def test_metadata_come_back_exactly(digits: Workspace) -> None:
    description = describe(digits, choose_method(digits, "notebook", 1 / 3))
    assert description.operating_point.threshold == 1 / 3
    assert ExportDescription.from_json(description.to_json()) == description
    assert "exif" not in description.to_dict()["transform"]  # as readers of before know it
    transform = replace(description.transform, resize=72, exif=False, alpha="drop")
    changed = replace(description, transform=transform)
    assert ExportDescription.from_json(changed.to_json()).transform == transform


def test_a_threshold_is_told_in_full(digits: Workspace) -> None:
    description = describe(digits, choose_method(digits, "notebook", 0.99999987))
    assert "threshold 0.99999987;" in description.in_words


def described(**changed: Any) -> str:
    """JSON of the description that an earlier version wrote, with entries changed."""
    text = (DATA / "export.json").read_text(encoding="utf-8")
    return json.dumps(json.loads(text) | changed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("null", "export the file again"),
        (described(classes="ab"), "classes must be a list, not 'ab'"),
        (described(classes=["a", 3]), r"classes\[1\] must be text, not 3"),
        (described(transform={"crop": [64]}), r"transform.crop must be a list of 2, not \[64\]"),
        (described(transform=None), "transform must be an object"),
        (described(operating_point={"version": 1}), "in operating_point, not of the format"),
        (described(colour="red"), "colour is unknown"),
        ("no JSON", "export the file again"),
        ('{"format": "openmax-calibration", "version": 1}', "not of the format openmax-export"),
        ('{"format": "openmax-export", "version": 99}', "version 99; this program reads version 1"),
        ('{"format": "openmax-export", "version": 1}', "export the file again"),
    ],
)
def test_metadata_of_other_files_are_refused(text: str, reason: str) -> None:
    with pytest.raises(OpenMaxError, match=reason):
        ExportDescription.from_json(text)


def test_pictures_are_prepared_as_the_library_prepares_them(digits: Workspace) -> None:
    from openmax_core.pictures.images import decode

    path = compared_paths(digits)[0]
    prepared = describe(digits, choose_method(digits)).prepare(path)
    expected = digits.settings.transform.pixels(decode(path))
    assert prepared.shape == (3, 64, 64)
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared, expected.transpose(2, 0, 1))
    assert prepared.flags.c_contiguous


# --- the shell ---------------------------------------------------------------------------------


def shell(*arguments: str | Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def test_the_shell_exports_the_operating_point_of_the_workspace(digits: Workspace) -> None:
    point = digits.evaluate("bendale").point_at(0.4)
    point.save(digits.operating_point_path)
    try:
        code, out, err = shell("export", digits.folder)
    finally:
        digits.operating_point_path.unlink()
    path = digits.folder / "export" / "openmax.onnx"
    assert (code, err) == (0, "")
    assert point.reject_accuracy is not None
    assert out.splitlines() == [
        "Handwritten digits: shufflenet_v2_x0_5 with OpenMax 'bendale', threshold 0.4; Test "
        f"accuracy {100 * point.test_accuracy:.1f} % (325 pictures), Reject accuracy "
        f"{100 * point.reject_accuracy:.1f} % (714 pictures) (the workspace's operating point)",
        "takes       uint8 RGB pictures (N, 3, 64, 64), resized and cropped",
        f"wrote {path}, checked against the library",
    ]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (text,) = [item.value for item in model.metadata_props if item.key == METADATA_KEY]
    assert ExportDescription.from_json(text).operating_point == point


def test_the_shell_takes_another_method_threshold_and_file(
    digits: Workspace, tmp_path: Path
) -> None:
    output = tmp_path / "mine.onnx"
    options = ("--preset", "notebook", "--threshold", "0.3", "--output", output)
    code, out, _ = shell("export", digits.folder, *options)
    assert code == 0
    assert "OpenMax 'notebook', threshold 0.3;" in out
    assert f"wrote {output}," in out
    assert output.is_file()


def test_the_shell_says_where_nothing_can_be_written(digits: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = shell("export", digits.folder, "--output", tmp_path / "file" / "a.onnx")
    assert code == 1
    assert err.startswith(f"openmax: cannot write {tmp_path / 'file' / 'a.onnx'}")
