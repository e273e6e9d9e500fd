"""The shell: what every command prints, writes and returns, run for real on a tiny workspace."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from PIL import Image

from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.cli.commands import EXIT_INFEASIBLE, EXIT_UNREADABLE
from openmax_core.cli.main import main
from openmax_core.network.classifier import build_network
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import Balanced, MostRejected
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import divide_reject_set, make_workspace

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

ARCHITECTURE = "shufflenet_v2_x0_5"
CLASSES = ("blue", "red")
TRAIN, TEST, REJECT = 40, 12, 10
SIDE = 32
REPOSITORY = Path(__file__).resolve().parents[3]
OPTIONS = {
    "init": ("DIR --architecture --weights --train --test --reject --calibration --classes --name"),
    "train": (
        "WORKSPACE --backbone-weights --epochs --head-epochs --batch-size --learning-rate "
        "--patience --seed --device"
    ),
    "extract": "WORKSPACE --device --batch-size --engine --address --workers --patience",
    "evaluate": "WORKSPACE --preset --thresholds --min-test-accuracy --json",
    "predict": "WORKSPACE PATH --preset --threshold --csv --json --device",
    "report": "WORKSPACE --preset --threshold --thresholds --output",
    "export": "WORKSPACE --preset --threshold --output",
    "monitor": (
        "WORKSPACE BATCH --preset --threshold --level --compare --record --name --time "
        "--fail-on-drift --json --device"
    ),
}


@dataclass(frozen=True)
class Ran:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error, progress bars of work begun before it left out."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if "pictures" not in line[-30:]]
        assert [line for line in lines if line.startswith("openmax: ")] == lines[-1:]
        return lines[-1].removeprefix("openmax: ")


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def shell(*arguments: str | Path, terminal: bool = False) -> Ran:
    """Run the command in this process, as the shell would."""
    out, err = io.StringIO(), Terminal() if terminal else io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's way of ending
            code = int(stop.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def buffered_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "openmax_core", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        timeout=120,
        env={**buffered_environment(), **environment},
    )


def put(folder: Path, colour: str, count: int, first_seed: int) -> None:
    """Write dark noise, bright in the channel of its class; unknowns are green."""
    folder.mkdir(parents=True)
    for index in range(count):
        rng = np.random.default_rng([first_seed + index, *colour.encode()])
        pixels = rng.integers(0, 90, (SIDE, SIDE, 3))
        pixels[..., ("red", "green", "blue").index(colour)] += rng.integers(100, 160)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:02d}.png")


def put_all(folder: Path) -> None:
    for name in CLASSES:
        put(folder / "train" / name, name, TRAIN, 0)
        put(folder / "test" / name, name, TEST, 100)
    put(folder / "reject", "green", REJECT, 200)


def save_backbone(path: Path, n_classes: int = 7) -> None:
    """Save random weights whose batch normalisation has seen noise: training starts at once."""
    torch.manual_seed(1)
    network = build_network(ARCHITECTURE, n_classes).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(20):
            colour = 1.5 * torch.randn(24, 3, 1, 1, generator=generator)
            network(colour + 0.3 * torch.randn(24, 3, SIDE, SIDE, generator=generator))
    safetensors.torch.save_file(network.state_dict(), path)


def use_small_pictures(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    text = text.replace("resize = [320, 320]", f"resize = [{SIDE}, {SIDE}]")
    text = text.replace("crop = [224, 224]", f"crop = [{SIDE}, {SIDE}]  # as they are")
    assert "as they are" in text
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Story:
    """A workspace made by the shell alone, and what each command said."""

    folder: Path
    init: Ran
    train: Ran
    extract: Ran


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story") / "colours"
    put_all(folder)
    save_backbone(folder / "backbone.safetensors")
    init = shell("init", folder, "--architecture", ARCHITECTURE, "--reject", "reject")
    use_small_pictures(folder)
    train = shell(
        *("train", folder, "--backbone-weights", folder / "backbone.safetensors"),
        *("--head-epochs", "1", "--epochs", "6", "--learning-rate", "0.003"),
        *("--batch-size", "8", "--device", "cpu"),
    )
    extract = shell("extract", folder, "--device", "cpu")
    return Story(folder, init, train, extract)


@pytest.fixture
def folder(story: Story, tmp_path: Path) -> Path:
    """The story's workspace, extracted, to be changed by a test."""
    return Path(shutil.copytree(story.folder, tmp_path / "colours"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Folders of pictures that are no workspace yet."""
    put_all(tmp_path / "new")
    return tmp_path / "new"


def accepted(story: Story, name: str) -> Path:
    """Return a test picture of a class that 'unknown' does not win."""
    evaluation = Workspace.open(story.folder).evaluate()
    margins = evaluation.openmax.predict_proba(evaluation.test.logits)
    label = CLASSES.index(name)
    best = np.argmax(margins[:, label] - np.delete(margins, label, axis=1).max(axis=1))
    path = story.folder / "test" / str(evaluation.test.readable["path"].iloc[int(best)])
    assert path.parent.name == name
    return path


# --- help ------------------------------------------------------------------------------------


def test_help_names_all_commands_a_first_run_and_the_exit_codes() -> None:
    ran = shell("--help")
    assert (ran.code, ran.err) == (0, "")
    for name in OPTIONS:
        assert f"\n    {name} " in ran.out
    assert "openmax init garages --architecture resnet50" in ran.out
    for code in range(6):
        assert f"\n  {code}  " in ran.out


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_names_its_options_and_the_exit_codes(command: str) -> None:
    ran = shell(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    for option in OPTIONS[command].split():
        assert option in ran.out
    assert "exit codes:\n  0  done\n" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("explain",),
        ("init", "folder"),
        ("predict", "folder"),
        ("evaluate", "folder", "--preset", "magic"),
        ("evaluate", "folder", "--min-test-accuracy", "much"),
        ("extract", "folder", "--device", "tpu"),
        ("train", "folder", "--epochs", "1.5"),
        ("predict", "folder", "picture.jpg", "--threshold", "half"),
        ("report",),
        ("report", "folder", "--threshold", "inf"),
        ("report", "folder", "--preset", "magic"),
        ("export", "folder", "--format", "tflite"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_end_with_2_and_the_usage(arguments: tuple[str, ...]) -> None:
    ran = shell(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("usage: openmax")
    assert "error: " in ran.err


@pytest.mark.parametrize("option", ["--threshold", "--min-test-accuracy"])
def test_nan_is_a_wrong_argument(story: Story, option: str) -> None:
    commands: dict[str, tuple[str | Path, ...]] = {
        "--threshold": ("predict", story.folder, story.folder / "reject"),
        "--min-test-accuracy": ("evaluate", story.folder, "--json"),
    }
    ran = shell(*commands[option], option, "nan")
    assert (ran.code, ran.out) == (2, "")
    assert option in ran.err


def test_picture_folders_of_a_new_workspace_may_be_addresses() -> None:
    ran = shell("init", "--help")
    for option in ("train", "test", "reject", "calibration"):
        assert f"--{option} DIR|ADDRESS" in ran.out
    assert "An ADDRESS is s3://bucket/folder or file:///folder." in ran.out


# --- one whole run ---------------------------------------------------------------------------


def test_init_says_what_it_found_and_what_comes_next(story: Story) -> None:
    assert (story.init.code, story.init.err) == (0, "")
    assert story.init.out.splitlines() == [
        f"made {story.folder}/{FILE_NAME}",
        "  train             80 files",
        "  test              24 files",
        "  reject            10 files",
        "  classes      blue, red",
        f"next: openmax train {story.folder}",
    ]


def test_train_reports_epochs_and_sets_the_weights(story: Story) -> None:
    assert story.train.code == 0
    assert "Traceback" not in story.train.err
    lines = story.train.out.splitlines()
    assert lines[0].startswith("head epoch   1   loss ")
    assert [line[:14] for line in lines[1:-2]] == [f"all  epoch   {i}" for i in range(1, 7)]
    weights = Workspace.open(story.folder).settings.classifier.weights
    assert weights == f"{ARCHITECTURE}-1.0000.safetensors"
    assert lines[-2:] == [
        f"wrote {story.folder}/{weights}: accuracy 1.0000 on 12 held-out pictures, trained on 68",
        f"next: openmax extract {story.folder}",
    ]
    assert "# as they are" in (story.folder / FILE_NAME).read_text(encoding="utf-8")


def test_train_from_random_weights_for_one_epoch(folder: Path) -> None:
    ran = shell("train", folder, "--epochs", "1", "--device", "cpu", "--batch-size", "16")
    assert ran.code == 0
    assert ran.out.startswith("all  epoch   1   loss ")  # no phase of the last layer alone
    assert len(ran.out.splitlines()) == 3


def test_extract_counts_every_split(story: Story) -> None:
    assert story.extract.code == 0
    assert story.extract.out.splitlines()[:3] == [
        "train            80 run         0 already stored   0 unreadable",
        "test             24 run         0 already stored   0 unreadable",
        "reject           10 run         0 already stored   0 unreadable",
    ]
    assert "pictures/s" in story.extract.out.splitlines()[3]


def test_a_second_extract_runs_nothing(story: Story) -> None:
    ran = shell("extract", story.folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[:3] == [
        "train             0 run        80 already stored   0 unreadable",
        "test              0 run        24 already stored   0 unreadable",
        "reject            0 run        10 already stored   0 unreadable",
    ]


def test_extract_lists_what_cannot_be_read_and_ends_with_3(folder: Path) -> None:
    (folder / "test" / "red" / "broken.jpg").write_bytes(b"no picture")
    ran = shell("extract", folder, "--device", "cpu")
    assert ran.code == EXIT_UNREADABLE
    assert "test              1 run        24 already stored   1 unreadable" in ran.out
    assert (
        "unreadable: test/red/broken.jpg: the content is not a picture of a known format" in ran.err
    )
    text = shell("evaluate", folder, "--min-test-accuracy", "0").out
    assert "80 train, 24 test (1 unreadable), 10 reject" in text


# --- evaluate --------------------------------------------------------------------------------


def test_json_agrees_with_the_curve(story: Story) -> None:
    ran = shell(
        *("evaluate", story.folder, "--json", "--thresholds", "0.30:0.40:0.01"),
        *("--min-test-accuracy", "0.5"),
    )
    assert (ran.code, ran.err) == (0, "")
    values = json.loads(ran.out)
    evaluation = Workspace.open(story.folder).evaluate()
    curve = evaluation.curve
    assert [row["threshold"] for row in values["table"]] == [
        *(0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36, 0.37, 0.38, 0.39, 0.40)
    ]
    for row in values["table"]:
        outcome = curve.outcome(row["threshold"])
        assert row["test_accuracy"] == curve.test_accuracy(row["threshold"])
        assert row["reject_accuracy"] == curve.reject_accuracy(row["threshold"])
        assert row["test_low"] == outcome.test_interval.low
        assert row["reject_high"] == outcome.reject_interval.high
        assert row["correct"] + row["wrong"] + row["rejected_known"] == 2 * TEST
        assert row["rejected_unknown"] + row["accepted_unknown"] == REJECT
    point = evaluation.recommend(0.5)
    assert values["recommended"]["threshold"] == point.threshold
    assert values["recommended"]["reject_accuracy"] == point.reject_accuracy
    assert values["problem"] is None
    assert values["auroc"] == curve.auroc
    assert values["classes"] == ["blue", "red"]
    assert values["pictures"] == {"train": 80, "test": 24, "reject": 10}
    assert values["preset"] == "robust"
    assert values["accuracy_before_rejection"] == evaluation.accuracy_before_rejection
    assert values["data"] == evaluation.data
    # One folder of unknowns says nothing by folder.
    assert values["reject_folders"] == []


def test_evaluate_says_which_kind_of_unknown_slips_through(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "trees")
    divide_reject_set(workspace, {"elm": 20})
    evaluation = workspace.evaluate()
    outcomes = reject_folders(evaluation).at(evaluation.recommend(0.85).threshold)
    assert {item.folder: item.n for item in outcomes} == {"elm": 20, "oak": 40}
    values = json.loads(shell("evaluate", workspace.folder, "--json").out)
    assert values["reject_folders"] == [item.to_dict() for item in outcomes]
    text = shell("evaluate", workspace.folder).out
    for item in outcomes:
        assert f"{item.rejected:6} of {item.n:6}  {item.folder}" in text


def test_text_has_a_row_a_threshold_with_the_curve_s_values(story: Story) -> None:
    ran = shell(
        "evaluate", story.folder, "--thresholds", "0.30:0.40:0.01", "--min-test-accuracy", "0.5"
    )
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(" threshold"))
    rows = [line.split() for line in lines[start + 1 : start + 12]]
    curve = Workspace.open(story.folder).evaluate().curve
    for row, threshold in zip(rows, np.arange(30, 41) / 100, strict=True):
        assert row[0] == f"{threshold:g}"
        assert row[1] == f"{curve.test_accuracy(threshold):.4f}"
        assert row[4] == f"{curve.reject_accuracy(threshold):.4f}"
    assert lines[start + 12] == ""
    assert lines[start + 13].startswith("recommended: threshold ")


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_preset_sets_the_method(story: Story, preset: str) -> None:
    ran = shell("evaluate", story.folder, "--preset", preset, "--min-test-accuracy", "0", "--json")
    values = json.loads(ran.out)
    assert (ran.code, values["preset"]) == (0, preset)
    assert values["settings"]["second_softmax"] is (preset == "notebook")


@pytest.mark.parametrize("command", ["evaluate", "predict", "report", "export", "monitor"])
def test_where_pictures_are_counted_every_command_shows_how_far_it_is(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    given: dict[str, list[str | Path]] = {
        "evaluate": ["--json"],
        "predict": [folder / "reject" / "00.png", "--device", "cpu"],
        "monitor": [folder / "test", "--device", "cpu", "--json"],
    }
    more = given.get(command, [])
    ran = shell(command, folder, *more, terminal=True)
    assert ran.code == 0
    n_to_count = 2 * len(CLASSES) * TRAIN + len(CLASSES) * TEST + REJECT
    assert re.search(rf"counting: .*/{n_to_count} \[", ran.err)
    assert "counting" not in ran.out
    if "--json" in more:
        assert json.loads(ran.out)["workspace"] == "colours"


def test_what_is_counted_already_and_what_no_terminal_shows_is_counted_silently(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    assert shell("evaluate", folder).err == ""
    assert shell("evaluate", folder, terminal=True).err == ""
    shutil.rmtree(folder / "activations" / "counts")
    assert "counting" in shell("evaluate", folder, terminal=True).err


def test_an_unreachable_floor_ends_with_4_and_prints_the_table(story: Story) -> None:
    ran = shell("evaluate", story.folder, "--min-test-accuracy", "1.01")
    assert (ran.code, ran.err) == (EXIT_INFEASIBLE, "")
    assert "recommended: no threshold reaches Test accuracy ≥ 1.01" in ran.out
    assert "\n       0.5  " in ran.out


def test_an_unreachable_floor_in_json(story: Story) -> None:
    ran = shell("evaluate", story.folder, "--min-test-accuracy", "1.01", "--json")
    values = json.loads(ran.out)
    assert (ran.code, values["recommended"]) == (EXIT_INFEASIBLE, None)
    assert "no threshold reaches Test accuracy" in values["problem"]


def test_without_a_reject_set_reject_accuracy_is_not_measured(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('reject = "reject"\n', ""), encoding="utf-8")
    ran = shell("evaluate", folder, "--min-test-accuracy", "0.5")
    assert (ran.code, ran.err) == (0, "")
    assert "reject set  none: Reject accuracy cannot be measured" in ran.out
    assert "with Reject accuracy not measured" in ran.out
    assert ran.out.count("not measured") == 1 + 7  # and in each of the rows 0.4 … 1.0
    values = json.loads(shell("evaluate", folder, "--min-test-accuracy", "0.5", "--json").out)
    assert values["auroc"] is None
    assert values["recommended"]["reject_accuracy"] is None
    assert {row["reject_accuracy"] for row in values["table"]} == {None}
    assert "NaN" not in json.dumps(values)


# --- predict ---------------------------------------------------------------------------------


def test_a_low_threshold_names_the_class_of_a_known_picture(story: Story) -> None:
    path = accepted(story, "red")
    ran = shell("predict", story.folder, path, "--threshold", "0", "--device", "cpu")
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first == "method robust, threshold 0 (given)"
    assert second.split()[:2] == ["red", str(path)]
    assert "reaches the threshold 0; its distance to" in second


def test_a_threshold_above_every_score_rejects_all(story: Story) -> None:
    ran = shell("predict", story.folder, story.folder / "train", "--threshold", "1.5")
    assert ran.code == 0
    lines = ran.out.splitlines()[1:]
    assert len(lines) == 2 * TRAIN
    assert {line.split()[0] for line in lines} == {"rejected"}


def test_a_folder_with_a_damaged_picture_ends_with_3_and_says_why(
    story: Story, tmp_path: Path
) -> None:
    good = shutil.copy(accepted(story, "blue"), tmp_path / "good.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not more than a beginning")
    ran = shell("predict", story.folder, tmp_path, "--threshold", "0")
    assert (ran.code, ran.err) == (EXIT_UNREADABLE, "")
    lines = ran.out.splitlines()
    assert lines[1].split()[:2] == ["unreadable", str(tmp_path / "broken.jpg")]
    assert len(lines[1].split("   ")[-1]) > 10
    assert lines[2].split()[:2] == ["blue", str(good)]


def test_csv_holds_every_figure(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "out" / "verdicts.csv"
    paths = (story.folder / "test" / "red" / "00.png", story.folder / "reject" / "00.png")
    ran = shell("predict", story.folder, *paths, "--threshold", "0.5", "--csv", file)
    assert ran.out.splitlines()[-1] == f"wrote {file}"
    table = pd.read_csv(file)
    assert table["file"].tolist() == [str(path) for path in paths]
    assert list(table.columns) == [
        *("file", "verdict", "decision", "score", "nearest_class", "reason"),
        *("p_blue", "p_red", "p_unknown", "distance_blue", "distance_red", "cdf_blue", "cdf_red"),
    ]
    sums = table[["p_blue", "p_red", "p_unknown"]].sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-12)
    # One network, one picture: the batch alone differs from what was stored.
    workspace = Workspace.open(story.folder)
    evaluation = workspace.evaluate()
    row = evaluation.test.readable["path"].tolist().index("red/00.png")
    stored = evaluation.openmax.predict_proba(evaluation.test.logits[[row]])[0]
    written = table[["p_blue", "p_red", "p_unknown"]].to_numpy()[0]
    np.testing.assert_allclose(written, stored, atol=1e-3)


def test_json_holds_method_threshold_and_every_figure(story: Story, tmp_path: Path) -> None:
    files = [tmp_path / "verdicts.csv", tmp_path / "verdicts.json"]
    paths = (story.folder / "test" / "red" / "00.png", story.folder / "reject" / "00.png")
    ran = shell(
        *("predict", story.folder, *paths, "--threshold", "0.5"),
        *("--csv", files[0], "--json", files[1]),
    )
    assert ran.out.splitlines()[-1] == f"wrote {files[1]}"
    values = json.loads(files[1].read_text(encoding="utf-8"))
    evaluation = Workspace.open(story.folder).evaluate()
    assert (values["method"], values["threshold"]) == ("robust", 0.5)
    assert values["data"] == evaluation.data
    table = pd.read_csv(files[0])
    for name in ("file", "verdict", "decision", "reason"):
        assert [item[name] for item in values["pictures"]] == table[name].tolist()
    after = np.array([item["after"] for item in values["pictures"]])
    np.testing.assert_allclose(after, table[["p_blue", "p_red", "p_unknown"]], rtol=1e-12)
    logits = np.array([item["logits"] for item in values["pictures"]])
    np.testing.assert_array_equal(evaluation.openmax.predict_proba(logits), after)


def test_the_stored_operating_point_decides(folder: Path) -> None:
    workspace = Workspace.open(folder)
    workspace.choose(workspace.evaluate("notebook").point_at(0.4321))
    ran = shell("predict", folder, folder / "reject" / "00.png")
    assert ran.code == 0
    assert ran.out.startswith(
        "method notebook, threshold 0.4321 (the workspace's operating point)\n"
    )


def test_without_an_operating_point_the_recommended_threshold_decides(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("min_test_accuracy = 0.85", "min_test_accuracy = 0.5"), encoding="utf-8"
    )
    threshold = Workspace.open(folder).evaluate().recommend(0.5).threshold
    text = repr(threshold).removesuffix(".0")  # exactly this threshold, as one would type it
    ran = shell("predict", folder, folder / "reject" / "00.png")
    assert ran.code == 0
    assert ran.out.startswith(
        f"method robust, threshold {text} (recommended under Test accuracy ≥ 0.5)\n"
    )


def test_thresholds_per_class_of_the_stored_point_decide(folder: Path, tmp_path: Path) -> None:
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate()
    thresholds = {"red": 1.5}  # no red one reaches it; 'blue' keeps the single one
    workspace.choose(replace(evaluation.point_at(0.25), class_thresholds=thresholds))
    file = tmp_path / "verdicts.csv"
    ran = shell("predict", folder, folder / "test", "--csv", file)
    assert ran.out.startswith(
        "method robust, threshold 0.25 (the workspace's operating point, with thresholds per "
        "class)\n"
    )
    table = pd.read_csv(file)
    probabilities = table[["p_blue", "p_red", "p_unknown"]].to_numpy()
    expected = [("blue", "rejected", "rejected")[best] for best in probabilities.argmax(axis=1)]
    assert table["decision"].tolist() == expected
    reds = table[probabilities.argmax(axis=1) == 1]
    assert len(reds) > 0
    assert all("is under the threshold 1.5;" in reason for reason in reds["reason"])
    # A threshold that is given is one for all.
    ran = shell("predict", folder, folder / "test", "--threshold", "0.25", "--csv", file)
    assert ran.out.startswith("method robust, threshold 0.25 (given)\n")
    decided = pd.read_csv(file)["decision"].tolist()
    assert decided == [("blue", "red", "rejected")[best] for best in probabilities.argmax(axis=1)]


def test_a_file_name_that_is_no_text_is_listed_and_written(story: Story, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    name = os.fsencode(tmp_path / "new") + b"/caf\xe9.png"
    shutil.copy(os.fsencode(story.folder / "test" / "blue" / "00.png"), name)
    file = tmp_path / "verdicts.csv"
    ran = process(
        *("predict", story.folder, tmp_path / "new", "--threshold", "0", "--csv", file),
        PYTHONIOENCODING="utf-8",
    )
    assert b"Traceback" not in ran.stderr
    assert ran.returncode == 0
    assert b"caf" in ran.stdout.splitlines()[1]
    assert "/caf" in pd.read_csv(file)["file"][0]


# --- report ----------------------------------------------------------------------------------

NAMES = ("report.html", "thresholds.csv", "operating-point.json")


def test_a_report_is_three_files_of_the_workspace_s_operating_point(folder: Path) -> None:
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate("notebook", tail_size=15)
    workspace.choose(evaluation.choose(Balanced()))
    point = evaluation.choose(Balanced())
    ran = shell("report", folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"method notebook, threshold {threshold_text(point.threshold)} (the workspace's operating "
        "point)",
        *(f"wrote {folder / 'report' / name}" for name in NAMES),
    ]
    assert sorted(path.name for path in (folder / "report").iterdir()) == sorted(NAMES)
    assert OperatingPoint.load(folder / "report" / NAMES[2]) == point
    expected = sweep_table(
        evaluation.curve, parse_thresholds(default_thresholds(evaluation.openmax))
    )
    with (folder / "report" / NAMES[1]).open(encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == expected.columns.tolist()
    assert [list(map(float, row)) for row in rows] == expected.to_numpy().tolist()
    html = (folder / "report" / NAMES[0]).read_text(encoding="utf-8")
    assert "Open-set recognition: colours" in html
    assert f"At the threshold <b>{threshold_text(point.threshold)}</b>" in html
    share = f"({point.counts['correct']} of {2 * TEST}; 95 % "
    assert f"Test accuracy is <b>{100 * point.test_accuracy:.1f} %</b> {share}" in html
    assert "It was chosen for the best mean of Test accuracy and Reject accuracy." in html


def test_a_second_report_replaces_the_first(folder: Path) -> None:
    for threshold in ("0.5", "0.75"):
        assert shell("report", folder, "--threshold", threshold).code == 0
        assert OperatingPoint.load(folder / "report" / NAMES[2]).threshold == float(threshold)
    assert len(list((folder / "report").iterdir())) == len(NAMES)


def test_method_threshold_rows_and_folder_of_a_report_can_be_given(
    story: Story, tmp_path: Path
) -> None:
    output = tmp_path / "for" / "the board"
    ran = shell(
        *("report", story.folder, "--preset", "notebook", "--threshold", "0.4321"),
        *("--thresholds", "0.5,0.25", "--output", output),
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "method notebook, threshold 0.4321 (given)",
        *(f"wrote {output / name}" for name in NAMES),
    ]
    assert OperatingPoint.load(output / NAMES[2]) == (
        Workspace.open(story.folder).evaluate("notebook").point_at(0.4321)
    )
    assert pd.read_csv(output / NAMES[1])["threshold"].tolist() == [0.5, 0.25]
    html = (output / NAMES[0]).read_text(encoding="utf-8")
    rows = re.findall(r"<tr[^>]*><th scope='row'>([\d.]+)</th>", html)
    assert rows == ["0.5", "0.25"]
    assert not (story.folder / "report").exists()


def test_a_report_of_thresholds_per_class_has_their_figures_on_the_present_pictures(
    folder: Path,
) -> None:
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate()
    old = replace(
        evaluation.point_at(0.25), class_thresholds={"red": 1.5}, test_accuracy=0.5, data="of then"
    )
    workspace.choose(old)
    ran = shell("report", folder)
    assert ran.out.startswith(
        "method robust, threshold 0.25 (the workspace's operating point, with thresholds per "
        "class, on activations that have changed since)\n"
    )
    point = OperatingPoint.load(folder / "report" / NAMES[2])
    curve = evaluation.curve
    blue = (curve.test_predictions == 0) & (curve.test_scores >= 0.25)
    assert point.class_thresholds == {"red": 1.5}
    assert point.counts["correct"] == int((blue & (curve.test_labels == 0)).sum()) > 0
    assert point.data == evaluation.data
    assert "With a threshold per class Test accuracy is" in (
        (folder / "report" / NAMES[0]).read_text(encoding="utf-8")
    )


def test_without_an_operating_point_the_report_is_of_the_recommended_one(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("min_test_accuracy = 0.85", "min_test_accuracy = 0.5"), encoding="utf-8"
    )
    ran = shell("report", folder)
    assert ran.code == 0
    assert "(recommended under Test accuracy ≥ 0.5)\n" in ran.out
    written = OperatingPoint.load(folder / "report" / NAMES[2])
    assert written == Workspace.open(folder).evaluate().recommend(0.5)
    assert written.chosen_for == MostRejected(0.5)


def test_where_no_threshold_keeps_the_floor_the_report_says_the_way_out(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    text = text.replace("min_test_accuracy = 0.85", "min_test_accuracy = 1.0")
    path.write_text(text.replace('preset = "robust"', 'preset = "bendale"'), encoding="utf-8")
    ran = shell("report", folder)
    assert (ran.code, ran.out) == (1, "")
    assert ran.error.startswith("no threshold reaches Test accuracy ≥ 1; the nearest, threshold ")
    assert ran.error.endswith(
        f"Give a threshold (--threshold), or lower min_test_accuracy under [defaults] in {path}"
    )
    assert not (folder / "report").exists()
    assert shell("report", folder, "--threshold", "0.5").code == 0


def test_a_report_into_a_place_that_is_no_folder_is_an_error(story: Story, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    ran = shell("report", story.folder, "--threshold", "0.5", "--output", tmp_path / "taken")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error.startswith(f"cannot write {tmp_path / 'taken' / NAMES[0]}: ")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "a file"


def test_a_report_where_nothing_can_be_written_is_an_error(story: Story) -> None:
    ran = shell("report", story.folder, "--threshold", "0.5", "--output", "/proc/nowhere")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error.startswith(f"cannot write /proc/nowhere/{NAMES[0]}: ")


# --- errors ----------------------------------------------------------------------------------


def test_a_folder_that_is_no_workspace(tmp_path: Path) -> None:
    for command in ("train", "extract", "evaluate", "report"):
        ran = shell(command, tmp_path / "gone")
        assert (ran.code, ran.out) == (1, "")
        assert "is no workspace" in ran.error
        assert "openmax init" in ran.error
        assert ran.err.count("\n") == 1


def test_a_misspelt_setting_is_named_with_its_likely_name(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("min_test_accuracy", "min_test_acuracy"), encoding="utf-8")
    ran = shell("evaluate", folder)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"openmax: {path}: defaults.min_test_acuracy is no setting; "
        "did you mean 'min_test_accuracy'?\n"
    )


def test_an_unknown_architecture_has_suggestions_and_writes_nothing(pictures: Path) -> None:
    ran = shell("init", pictures, "--architecture", "shufflenet_v2_x05")
    assert (ran.code, ran.out) == (1, "")
    assert "no classification architecture 'shufflenet_v2_x05'; did you mean" in ran.error
    assert ARCHITECTURE in ran.error
    assert not (pictures / FILE_NAME).exists()


def test_weights_of_another_class_count(pictures: Path, story: Story) -> None:
    weights = story.folder / "backbone.safetensors"
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, "--weights", weights)
    assert (ran.code, ran.out) == (1, "")
    assert f"{weights} are of {ARCHITECTURE} with 7 classes, but the workspace has 2" in ran.error


def test_weights_with_nan(pictures: Path) -> None:
    state = build_network(ARCHITECTURE, 2).state_dict()
    state["fc.bias"][0] = float("nan")
    weights = pictures / "nan.safetensors"
    safetensors.torch.save_file(state, weights)
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, "--weights", weights)
    assert ran.code == 1
    assert ran.error == f"the weights in {weights} hold NaN or Inf; train again"


@pytest.mark.parametrize("split", ["train", "test", "reject", "calibration"])
def test_a_missing_picture_folder_is_named(pictures: Path, split: str) -> None:
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, f"--{split}", "gone")
    assert (ran.code, ran.out) == (1, "")
    assert f"{pictures}/gone does not exist" in ran.error


def test_spaces_after_the_commas_of_classes_are_no_part_of_the_names(pictures: Path) -> None:
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, "--classes", "red, blue")
    assert (ran.code, ran.err) == (0, "")
    assert Workspace.open(pictures).classes == ("red", "blue")


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_before_extract_it_says_what_to_run(folder: Path, command: str) -> None:
    shutil.rmtree(folder / "activations")
    ran = shell(command, folder)
    assert ran.code == 1
    assert f"run 'openmax extract {folder}'" in ran.error
    assert not (folder / "report").exists()


def test_a_picture_that_does_not_exist(story: Story) -> None:
    ran = shell("predict", story.folder, "gone.png")
    assert (ran.code, ran.error) == (1, "there is no file or folder gone.png")


@pytest.mark.parametrize("thresholds", ["0.3:0.4", "0.3:0.4:0", "high", "nan", "0.3:0.4:inf"])
def test_thresholds_that_are_none_say_the_form(
    story: Story, tmp_path: Path, thresholds: str
) -> None:
    report = ("report", story.folder, "--threshold", "0.5", "--output", tmp_path / "report")
    for command in (("evaluate", story.folder), report):
        ran = shell(*command, "--thresholds", thresholds)
        assert (ran.code, ran.out) == (1, "")
        assert "write start:stop:step as in 0.30:0.40:0.01" in ran.error
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [
        ("--epochs", "-1", "epochs"),
        ("--head-epochs", "-1", "head_epochs"),
        ("--batch-size", "0", "batch_size"),
        ("--learning-rate", "-0.1", "learning_rate"),
        ("--learning-rate", "nan", "learning_rate"),
        ("--seed", "-1", "seed"),
    ],
)
def test_training_settings_out_of_range_are_named(
    folder: Path, option: str, value: str, setting: str
) -> None:
    ran = shell("train", folder, option, value)
    assert (ran.code, ran.out) == (1, "")
    assert setting in ran.error


def test_an_operating_point_with_a_setting_that_is_none_is_an_error_not_a_traceback(
    folder: Path,
) -> None:
    workspace = Workspace.open(folder)
    workspace.choose(workspace.evaluate().point_at(0.5))
    path = workspace.operating_point_path
    path.write_text(path.read_text().replace('"tail_size"', '"tail_length"'), encoding="utf-8")
    ran = shell("predict", folder, folder / "reject" / "00.png")
    assert ran.code == 1
    assert "operating_point.json" in ran.error
    assert "choose the threshold again" in ran.error


# --- as a program ----------------------------------------------------------------------------


def test_the_module_runs_as_a_program(story: Story) -> None:
    ran = process("evaluate", story.folder, "--min-test-accuracy", "1.01", "--json")
    assert ran.returncode == EXIT_INFEASIBLE
    assert ran.stderr == b""
    assert json.loads(ran.stdout)["workspace"] == "colours"


def test_a_program_s_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    ran = process("extract", tmp_path)
    assert ran.returncode == 1
    assert ran.stdout == b""
    assert ran.stderr.startswith(b"openmax: ")
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_the_sign_of_at_least_is_no_error(story: Story, encoding: str) -> None:
    ran = process("evaluate", story.folder, "--min-test-accuracy", "0.5", PYTHONIOENCODING=encoding)
    assert ran.stderr == b""
    assert ran.returncode == 0
    assert b"recommended: threshold" in ran.stdout


def test_a_reader_that_has_gone_is_no_traceback(story: Story) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "openmax_core", "evaluate", str(story.folder)],
            cwd=REPOSITORY,
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
            env=buffered_environment(),
        )
    finally:
        os.close(write)
    assert ran.stderr == b""
    assert ran.returncode == 1
