"""workspace.toml: what is read, what is refused and in which words, what survives writing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit

from openmax_core.errors import WorkspaceError
from openmax_core.methods.settings import DEFAULT_PRESET
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.support.files import write_text_atomically
from openmax_core.workspace.settings import (
    Defaults,
    WorkspaceSettings,
    read_settings,
    write_settings,
)

CLASSIFIER = '[classifier]\narchitecture = "resnet50"\nclasses = ["daisy", "tulip"]\n'

COMMENTED = """\
# The parking study.
name = "parking"

[folders]
train = "train"        # 2,000 pictures
test = "/data/test"

[classifier]
# in the order of training, not of the alphabet
classes = [
    "tulip",  # first
    "daisy",
]
architecture = "resnet50"
precision = "float32"

[defaults]
min_test_accuracy = 0.9
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "workspace.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_left_out_has_the_notebooks_values(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, CLASSIFIER)) == WorkspaceSettings(
        name=tmp_path.name,
        classifier=ClassifierSettings("resnet50", ("daisy", "tulip"), weights=None),
        folders={"train": "train", "test": "test"},
        transform=Transform((320, 320), (224, 224), "nearest"),
        train_transform=TrainTransform(True, 0.5, 0.0),
        defaults=Defaults(DEFAULT_PRESET, 0.85),
    )


FULL = WorkspaceSettings(
    name='Größe "L" \\ 日本',
    classifier=ClassifierSettings("vit_b_16", ("b", "a", "ü ö"), "models/best.safetensors"),
    folders={
        "train": "../train",
        "test": "/data/test",
        "reject": "reject",
        "calibration": "held out",
    },
    transform=Transform((31, 45), (17, 19), "bicubic", (0.1, 0.2, 1 / 3), (1.0, 0.5, 1e-3)),
    train_transform=TrainTransform(False, 0.0, 0.25),
    defaults=Defaults("notebook", 0.123456789012345),
    description='What "it" is about.\n\nIn two paragraphs: 日本',
    notice="Rendered pictures",
)


@pytest.mark.parametrize(
    "settings",
    [
        FULL,
        replace(FULL, transform=replace(FULL.transform, resize=256)),
        replace(FULL, transform=replace(FULL.transform, exif=False, alpha="drop")),
        replace(FULL, classifier=replace(FULL.classifier, weights=None)),
        replace(
            FULL,
            classifier=replace(FULL.classifier, transform_input=True, weights_entry="model_ema"),
        ),
        replace(
            FULL,
            classifier=ClassifierSettings(
                None, ("b", "a"), model="net.onnx", features=True, features_output="pooled"
            ),
        ),
        replace(FULL, folders={"train": "train", "test": "test"}),
        replace(FULL, description=None, notice=None),
    ],
    ids=[
        "everything",
        "shorter side",
        "as ImageFolder decodes",
        "no weights",
        "transform_input and an entry",
        "features of an ONNX file",
        "no reject set",
        "nothing to say",
    ],
)
def test_what_is_written_is_read_back_exactly(tmp_path: Path, settings: WorkspaceSettings) -> None:
    path = tmp_path / "new" / "workspace.toml"
    write_settings(path, settings)
    assert read_settings(path) == settings
    assert [item.name for item in path.parent.iterdir()] == ["workspace.toml"]


def test_changes_keep_comments_and_order(tmp_path: Path) -> None:
    path = written(tmp_path, COMMENTED)
    settings = read_settings(path)
    write_settings(
        path, replace(settings, defaults=replace(settings.defaults, min_test_accuracy=0.8))
    )
    text = path.read_text(encoding="utf-8")
    unchanged = COMMENTED.replace("min_test_accuracy = 0.9\n", "min_test_accuracy = 0.8\n")
    assert text.startswith(unchanged)
    assert read_settings(path).defaults.min_test_accuracy == 0.8


def test_what_is_seldom_needed_is_written_where_it_says_something(tmp_path: Path) -> None:
    path = tmp_path / "workspace.toml"
    write_settings(path, FULL)
    assert "transform_input" not in path.read_text(encoding="utf-8")
    by_hand = CLASSIFIER + "transform_input = false  # trained from scratch\n"
    settings = read_settings(written(tmp_path, by_hand))
    write_settings(path, replace(settings, notice="Rendered"))
    assert "transform_input = false  # trained from scratch" in path.read_text(encoding="utf-8")


def test_a_description_that_is_added_stands_above_the_tables(tmp_path: Path) -> None:
    path = written(tmp_path, COMMENTED)
    settings = replace(read_settings(path), description="About trees", notice="Rendered")
    write_settings(path, settings)
    assert read_settings(path) == settings
    text = path.read_text(encoding="utf-8")
    assert text.index("description =") < text.index("[classifier]")


@pytest.mark.parametrize("text", ['description = ""\n', 'notice = "  "\n'])
def test_an_empty_description_or_notice_is_none(tmp_path: Path, text: str) -> None:
    settings = read_settings(written(tmp_path, text + CLASSIFIER))
    assert (settings.description, settings.notice) == (None, None)


def test_a_folder_that_is_taken_out_goes_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, CLASSIFIER + '[folders]\nreject = "reject"  # strangers\n')
    settings = read_settings(path)
    without = {name: value for name, value in settings.folders.items() if name != "reject"}
    write_settings(path, replace(settings, folders=without))
    assert "reject" not in path.read_text(encoding="utf-8")
    assert read_settings(path).folders == {"train": "train", "test": "test"}


def test_one_number_is_the_shorter_side_to_resize_and_a_square_to_crop(tmp_path: Path) -> None:
    path = written(tmp_path, CLASSIFIER + "[transform]\nresize = 256\ncrop = 224\n")
    transform = read_settings(path).transform
    assert (transform.resize, transform.crop) == (256, (224, 224))


def test_a_byte_order_mark_of_a_windows_editor_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "workspace.toml"
    path.write_text(CLASSIFIER, encoding="utf-8-sig")
    assert read_settings(path).classifier.architecture == "resnet50"


@pytest.mark.parametrize(
    ("text", "place", "suggestion"),
    [
        ('[classifier]\narchtecture = "r"\n', "classifier.archtecture", "architecture"),
        ('[classifer]\narchitecture = "r"\n', "classifer", "classifier"),
        (CLASSIFIER + "[transform]\nresise = 3\n", "transform.resise", "resize"),
        (CLASSIFIER + "[folders]\nrejects = 'r'\n", "folders.rejects", "reject"),
        (CLASSIFIER + "[defaults]\nmin_accuracy = 1\n", "defaults.min_accuracy", None),
        (CLASSIFIER + "[train_transform]\nflip = 1\n", "train_transform.flip", None),
        ("nmae = 'x'\n" + CLASSIFIER, "nmae", "name"),
    ],
)
def test_a_misspelt_setting_is_named_with_what_it_may_have_meant(
    tmp_path: Path, text: str, place: str, suggestion: str | None
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(WorkspaceError) as caught:
        read_settings(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {place} is no setting; ")
    if suggestion is not None:
        assert message.endswith(f"did you mean '{suggestion}'?")


def test_a_setting_like_no_other_is_answered_with_all_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, CLASSIFIER + "[folders]\nxyz = 'r'\n")
    with pytest.raises(WorkspaceError, match="there are train, test, reject, calibration"):
        read_settings(path)


WRONG = [
    ("name = 5\n" + CLASSIFIER, "name must be text in quotes, not 5"),
    ("classifier = 3\n", r"classifier must be a table: write it as \[classifier\]"),
    ("[[classifier]]\n", r"classifier must be a table: write it as \[classifier\]"),
    ("", "classifier.classes must be a list of two or more different names"),
    ('[classifier]\nclasses = ["a", "b"]\n', "classifier.architecture is missing"),
    (
        '[classifier]\narchitecture = 50\nclasses = ["a", "b"]\n',
        "classifier.architecture must be text in quotes, not 50",
    ),
    (CLASSIFIER + "weights = 1.5\n", "classifier.weights must be text in quotes, not 1.5"),
]
WRONG += [
    (CLASSIFIER + "transform_input = 1\n", "classifier.transform_input must be true or false"),
    (CLASSIFIER + "weights_entry = 2\n", "classifier.weights_entry must be text in quotes"),
    (CLASSIFIER + "features = 1\n", "classifier.features must be true or false"),
    (CLASSIFIER + 'features_output = "f"\n', "classifier.features_output is of an ONNX file"),
    (
        '[classifier]\nmodel = "net.onnx"\nfeatures_output = "f"\nclasses = ["a", "b"]\n',
        "classifier.features_output names what is not stored; write features = true too",
    ),
]
WRONG += [
    (
        f'[classifier]\narchitecture = "r"\nclasses = {classes}\n',
        "classifier.classes must be a list of two or more different names",
    )
    for classes in ('"a"', '["a"]', '["a", 1]', '["a", ""]', '["a", "a"]', "3")
]
WRONG += [
    (f"{CLASSIFIER}[transform]\nresize = {value}\n", "transform.resize")
    for value in ("0", "-1", "true", '"big"', "[320]", "[320, 0]", "[320, 4097]", "4097", "1.5")
]
WRONG += [
    (f"{CLASSIFIER}[transform]\ncrop = {value}\n", r"transform.crop must be \[height, width\]")
    for value in ("0", "true", '"big"', "[1, 2, 3]", "[224.0, 224]", "4097")
]
WRONG += [
    (
        CLASSIFIER + '[transform]\ninterpolation = "cubic"\n',
        "transform.interpolation must be one of nearest, bilinear, bicubic, lanczos",
    ),
    (CLASSIFIER + "[transform]\ninterpolation = 0\n", "transform.interpolation must be text"),
    (CLASSIFIER + "[transform]\nstd = [0.1, 0, 0.1]\n", "transform.std must be larger than 0"),
    (CLASSIFIER + "[transform]\nexif = 1\n", "transform.exif must be true or false"),
    (CLASSIFIER + '[transform]\nalpha = "black"\n', "transform.alpha must be one of white, drop"),
    (CLASSIFIER + "[transform]\nstd = [0.1, -1, 0.1]\n", "transform.std must be larger than 0"),
]
WRONG += [
    (f"{CLASSIFIER}[transform]\n{name} = {value}\n", f"transform.{name} ")
    for name in ("mean", "std")
    for value in ("0.5", "[0.5, 0.5]", '["a", "b", "c"]', "[true, true, true]", "[0.5, nan, 0.5]")
]
WRONG += [(CLASSIFIER + "[transform]\nstd = [0.5, inf, 0.5]\n", "transform.std ")]
WRONG += [
    (
        f"{CLASSIFIER}[train_transform]\nrandom_crop = {value}\n",
        "train_transform.random_crop must be true or false",
    )
    for value in ("1", '"yes"')
]
WRONG += [
    (f"{CLASSIFIER}[{table}]\n{name} = {value}\n", f"{table}.{name} must be a number from 0 to 1")
    for table, name in (
        ("train_transform", "horizontal_flip"),
        ("train_transform", "brightness"),
        ("defaults", "min_test_accuracy"),
    )
    for value in ("-0.1", "1.1", "85", "true", '"high"', "nan")
]
WRONG += [
    (f"{CLASSIFIER}[folders]\n{name} = {value}\n", f"folders.{name} ")
    for name in ("train", "test", "reject", "calibration")
    for value in ("1", "true", '["a"]', '""')
]
WRONG += [
    (
        CLASSIFIER + '[defaults]\npreset = "libmr"\n',
        "defaults.preset must be one of openmax, robust, bendale, ",
    ),
    (CLASSIFIER + "[defaults]\npreset = 1\n", "defaults.preset must be text in quotes, not 1"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=[text[-40:] for text, _ in WRONG])
def test_a_value_of_the_wrong_kind_is_named_with_file_and_setting(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(WorkspaceError, match=problem) as caught:
        read_settings(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "text", ["[classifier\n", "name = \n", "a = 1\na = 2\n", "\x00"], ids=["a", "b", "c", "d"]
)
def test_invalid_toml_is_named_with_its_place(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(WorkspaceError, match=r"is not valid TOML: .*line \d|already exists") as e:
        read_settings(path)
    assert str(e.value).startswith(str(path))


def test_bytes_that_are_no_text_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "workspace.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkspaceError, match=r"cannot read .*workspace\.toml"):
        read_settings(path)


def test_a_folder_without_the_file_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        read_settings(tmp_path / "workspace.toml")
    assert str(caught.value) == (
        f"{tmp_path} is no workspace: it has no workspace.toml; 'openmax init' and the page "
        "Workspace make a new one there"
    )


def test_a_file_broken_by_hand_is_not_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, "[classifier\n")
    with pytest.raises(WorkspaceError, match="is not valid TOML"):
        write_settings(path, FULL)
    assert path.read_text(encoding="utf-8") == "[classifier\n"


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "workspace.toml"
    wrong = replace(FULL, classifier=replace(FULL.classifier, classes=("a", "a")))
    with pytest.raises(WorkspaceError, match=r"classifier\.classes must be a list of two or more"):
        write_settings(path, wrong)
    assert not path.exists()


# --- backslashes -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [r"C:\Users\photos", r"D:\data", r"data\train", r"data\new\best"])
@pytest.mark.parametrize("place", ["train", "weights"])
def test_backslashes_in_double_quotes_say_what_to_write(
    tmp_path: Path, place: str, value: str
) -> None:
    line = f'{place} = "{value}"\n'
    text = CLASSIFIER + line if place == "weights" else f"{CLASSIFIER}[folders]\n{line}"
    with pytest.raises(WorkspaceError) as caught:
        read_settings(written(tmp_path, text))
    slashes = value.replace("\\", "/")
    assert f"write '{value}' in single quotes, or \"{slashes}\"" in str(caught.value)


def test_backslashes_in_single_quotes_are_read_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path, CLASSIFIER + "[folders]\ntrain = 'C:\\Users\\train'\n")
    assert read_settings(path).folders["train"] == r"C:\Users\train"


def test_a_folder_that_has_a_tab_in_its_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a\tb").mkdir()
    path = written(tmp_path, CLASSIFIER + '[folders]\ntrain = "a\\tb"\n')
    assert read_settings(path).folders["train"] == "a\tb"


def test_other_mistakes_of_toml_get_no_word_on_backslashes(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"not valid TOML: [^;]*$"):
        read_settings(written(tmp_path, 'name = "a\n'))


def test_a_file_is_parsed_again_only_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse, parsed = tomlkit.parse, []

    def counted(text: str) -> tomlkit.TOMLDocument:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(tomlkit, "parse", counted)
    path = written(tmp_path, f'name = "Oaks"\n{CLASSIFIER}')
    assert {read_settings(path).name for _ in range(5)} == {"Oaks"}
    assert len(parsed) == 1
    write_text_atomically(path, f'name = "Elms"\n{CLASSIFIER}')  # as many bytes
    assert read_settings(path).name == "Elms"
    path.unlink()
    with pytest.raises(WorkspaceError, match="is no workspace"):
        read_settings(path)


def test_a_path_with_nul_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, CLASSIFIER + 'weights = "a\\u0000b"\n')
    with pytest.raises(WorkspaceError, match=r"classifier\.weights must be a path"):
        read_settings(path)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "nan", "inf"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, number: str) -> None:
    path = written(tmp_path, f"{CLASSIFIER}[transform]\nmean = [{number}, 0.5, 0.5]\n")
    with pytest.raises(WorkspaceError, match=r"transform\.mean must be three numbers"):
        read_settings(path)
