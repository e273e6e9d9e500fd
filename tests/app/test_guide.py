"""The guide that makes a workspace: each step is checked before the next opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.pictures.images import Transform
from openmax_core.workspace.settings import HELP
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs
from tests.app.visitor import field, given, press, texts, under
from tests.support.onnx_graphs import SIDE, save_colour_model
from tests.support.shell import CLASSES, put
from tests.support.tables import of_sets, write, write_sets
from tests.support.workspaces import make_workspace

ON = "Continue"


def fill(app: AppTest, **values: Any) -> None:
    """Type into the guide's fields, by their names."""
    for name, value in values.items():
        app.text_input(key=f"guide_{name}").set_value(str(value))


def choose(app: AppTest, name: str, option: Any) -> None:
    """Choose one of a few ways."""
    app.segmented_control(key=f"guide_{name}").set_value(option).run()


def changes(app: AppTest) -> list[str]:
    """Labels of the buttons that open a step again."""
    return [item.label for item in app.button if item.label.startswith("Change the")]


@pytest.fixture
def guide(open_app, trees, tmp_path, monkeypatch) -> AppTest:
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    app = open_app(trees.folder, "workspace")
    assert isinstance(app, AppTest)
    return app


@pytest.fixture
def to_classes(guide, trees) -> AppTest:
    """The guide at its second step."""
    fill(guide, **{split: trees.folder / split for split in ("train", "test", "reject")})
    press(guide, ON)
    assert changes(guide) == ["Change the data"], texts(guide.error)
    return guide


@pytest.fixture
def to_classifier(to_classes, tmp_path) -> AppTest:
    """The guide at its third step, with a weights file."""
    import torch
    import torchvision

    network = torchvision.models.shufflenet_v2_x0_5(weights=None, num_classes=3)
    torch.save({"model": network.state_dict(), "ema": network.state_dict()}, tmp_path / "w.pth")
    press(to_classes, ON)
    choose(to_classes, "classifier", "weights")
    fill(to_classes, architecture="shufflenet_v2_x0_5", weights=tmp_path / "w.pth")
    return to_classes


# --- data ----------------------------------------------------------------------------------------


def test_the_first_step_says_below_each_field_what_is_left_empty(guide):
    press(guide, ON)
    assert under(guide, "Train folder") == "Fill this in."
    assert under(guide, "Test folder") == "Fill this in."
    assert under(guide, "Reject folder") == ""
    assert changes(guide) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("train", "/elsewhere", "is not under an allowed folder"),
        ("test", "gone", "there is no folder"),
        ("reject", "s3://bucket/folder", "is not under an allowed address"),
        ("test", "trees/train", "This is the train folder already."),
        ("train", "trees", "trees holds the folders 'train', 'test', 'reject': choose these"),
        ("train", "trees/weights.safetensors", "is a file, not a folder"),
    ],
)
def test_a_wrong_folder_is_told_below_it(guide, trees, tmp_path, name, value, words):
    folders = {split: trees.folder / split for split in ("train", "test", "reject")}
    wrong = value if value.startswith(("/", "s3")) else tmp_path / value
    fill(guide, **folders | {name: wrong})
    press(guide, ON)
    assert words in under(guide, f"{name.capitalize()} folder")
    assert len(guide.error) == 1
    fill(guide, **{name: trees.folder / name})
    press(guide, ON)
    assert changes(guide) == ["Change the data"]


def test_folders_are_chosen_in_the_browser_all_at_once(guide, trees):
    guide.button(key="guide_train_browse").click().run()
    press(guide, "trees")
    assert "4 folders · 270 pictures in it and below" in texts(guide.caption)
    press(guide, "Take train, test and reject")
    for split in ("train", "test", "reject"):
        assert guide.text_input(key=f"guide_{split}").value == str(trees.folder / split)
    press(guide, ON)
    assert changes(guide) == ["Change the data"]


def test_folders_are_chosen_one_by_one_and_the_next_needed_one_is_asked_for(guide, trees):
    guide.button(key="guide_train_browse").click().run()
    press(guide, "trees")
    press(guide, "train")
    press(guide, "Choose this folder")
    assert guide.text_input(key="guide_train").value == str(trees.folder / "train")
    press(guide, "Up")
    press(guide, "test")
    press(guide, "Choose this folder")
    assert guide.text_input(key="guide_test").value == str(trees.folder / "test")
    assert not [item for item in guide.button if item.label in {"Up", "Close"}]


def test_pictures_without_a_test_folder_are_divided(guide, trees, tmp_path):
    app = guide
    fill(app, train=trees.folder / "train")
    press(app, ON)
    assert "tick the box below, or move some" in under(app, "Test folder")
    app.checkbox(key="guide_divide").check().run()
    press(app, ON)
    assert "test: every 5th picture of it · no reject set" in texts(app.markdown)
    press(app, ON)
    assert "3 classes · 96 train, 24 test pictures" in texts(app.markdown)
    made = to_the_end(app, tmp_path / "made")
    assert {split: len(made.pictures.find(split)) for split in made.pictures.splits} == {
        "train": 96,
        "test": 24,
    }
    assert len(list((trees.folder / "train").rglob("*.png"))) == 120


def test_the_browser_lists_nothing_outside_the_allowed_folders(guide, tmp_path):
    (tmp_path / "out").symlink_to("/etc")
    guide.button(key="guide_train_browse").click().run()
    labels = [item.label for item in guide.button]
    assert "trees" in labels
    assert "out" not in labels
    assert not {"Up", "Allowed folders"} & set(labels)  # the only allowed folder is open


def test_answers_survive_a_visit_to_another_page(to_classes):
    app = to_classes
    app.switch_page("pages/overview.py").run()
    app.switch_page("pages/workspace.py").run()
    assert changes(app) == ["Change the data"]
    press(app, "Change the data")
    assert app.text_input(key="guide_test").value.endswith("test")
    fill(app, reject="/elsewhere")
    press(app, ON)
    app.switch_page("pages/overview.py").run()
    app.switch_page("pages/workspace.py").run()
    assert "is not under an allowed folder" in under(app, "Reject folder")


# --- classes -------------------------------------------------------------------------------------


def test_the_second_step_shows_counts_and_samples_at_once(to_classes):
    table = to_classes.dataframe[-1].value
    assert table["class"].tolist() == ["ash", "birch", "cedar", "unknown: oak"]
    assert table["train"].tolist() == ["40", "40", "40", ""]
    assert table["reject"].tolist() == ["", "", "", "60"]
    samples = table.filter(like="sample").to_numpy()
    assert samples.shape == (4, 3)
    assert all(url.startswith("data:image/jpeg") for url in samples.ravel())


def test_problems_are_listed_and_hold_the_guide_until_they_are_mended(to_classes, trees):
    (trees.folder / "test" / "fir").mkdir()
    press(to_classes, ON)
    assert "the folder 'fir', which is none of the classes" in texts(to_classes.error)
    assert changes(to_classes) == ["Change the data"]
    (trees.folder / "test" / "fir").rmdir()
    press(to_classes, ON)
    assert changes(to_classes) == ["Change the data", "Change the classes"]
    assert "3 classes · 120 train, 90 test, 60 reject pictures" in texts(to_classes.markdown)


def test_class_names_that_do_not_fit_the_folders_are_told(to_classes, tmp_path):
    app = to_classes
    field(app.selectbox, "Class names and their order").set_value("typed").run()
    press(app, ON)
    assert under(app, "Class names") == "Fill this in."
    fill(app, classes="ash, birch")
    press(app, ON)
    assert "the folder 'cedar', which is none of the classes 'ash', 'birch'" in texts(app.error)
    assert changes(app) == ["Change the data"]
    assert not (tmp_path / "made").exists()


def test_class_names_come_from_a_labels_file(to_classes, tmp_path):
    app = to_classes
    (tmp_path / "labels.txt").write_text("cedar\nash\nbirch\n", encoding="utf-8")
    field(app.selectbox, "Class names and their order").set_value("labels").run()
    fill(app, labels=tmp_path / "none.txt")
    press(app, ON)
    assert "cannot read the labels file" in under(app, "Labels file")
    app.button(key="guide_labels_browse").click().run()
    press(app, "labels.txt")
    assert app.dataframe[-1].value["class"].tolist()[:3] == ["cedar", "ash", "birch"]
    press(app, ON)
    assert changes(app) == ["Change the data", "Change the classes"]


# --- classifier ----------------------------------------------------------------------------------


def test_the_third_step_says_below_each_field_what_is_left_empty(to_classifier):
    fill(to_classifier, architecture="", weights="")
    press(to_classifier, ON)
    assert under(to_classifier, "Architecture") == "Fill this in."
    assert under(to_classifier, "Weights file") == "Fill this in."
    choose(to_classifier, "classifier", "model")
    press(to_classifier, ON)
    assert under(to_classifier, "ONNX file") == "Fill this in."
    fill(to_classifier, features_output="pooled")
    press(to_classifier, ON)
    assert "tick Store features" in under(to_classifier, "Features of an ONNX file")


@pytest.mark.parametrize(
    ("label", "name", "value", "words"),
    [
        ("Weights file", "weights", "/elsewhere/w.pth", "is not under an allowed folder"),
        ("Architecture", "architecture", "shufflenet", "did you mean shufflenet_v2_x"),
        ("Resize", "resize", "wide", "wide is not one or two sides of 1 to 4096 pixels"),
        ("Crop", "crop", "1,2,3", "1,2,3 is not one or two sides"),
        ("Mean", "mean", "0.5", "0.5 is not three numbers, for red, green and blue"),
        ("Std", "std", "0.5,0,1", "0.5,0,1 is not larger than 0"),
        ("Mean", "mean", "124,116,104", "divide both by 255"),
        ("transform_input", "", True, "Only googlenet and inception_v3 have this"),
        ("Architecture", "architecture", "resnet18", ""),
    ],
)
def test_a_wrong_field_of_the_classifier_is_told_below_it(
    to_classifier, tmp_path, label, name, value, words
):
    app = to_classifier
    if name:
        fill(app, **{name: value})
    else:
        field(app.selectbox, label).set_value(value)
    press(app, ON)
    if words:
        assert words in under(app, label)
    else:  # weights of another network: their file is named
        assert "w.pth" in under(app, "Weights file")
    assert len(app.error) == 1
    assert "Change the classifier" not in changes(app)


def to_the_end(app: AppTest, folder: Path, **values: Any) -> Workspace:
    """Pass the third and fourth step."""
    press(app, ON)
    assert "Change the classifier" in changes(app), texts(app.error)
    fill(app, folder=folder, **values)
    press(app, "Create")
    assert not app.error, texts(app.error)
    assert changes(app) == []
    return Workspace.open(folder)


def test_a_workspace_is_made_from_folders_and_weights(to_classifier, tmp_path):
    app = to_classifier
    assert field(app.selectbox, "transform_input").index == 0  # it is found out
    field(app.selectbox, "Transform").set_value("imagenet")
    made = to_the_end(app, tmp_path / "made")
    assert made.settings.transform == Transform(resize=256, interpolation="bilinear")
    assert made.classes == ("ash", "birch", "cedar")
    assert made.settings.classifier.weights_entry is None
    assert app.sidebar.selectbox(key="workspace").value == "made"
    assert "the weights 'model' are taken; the file has 'ema' too" in texts(app.info)


def test_single_settings_of_the_guide_are_those_of_the_shell(to_classifier, tmp_path):
    app = to_classifier
    fill(app, resize="40,30", crop="20", mean="0.5, 0.4, 0.3", std="1,0.5,0.25")
    fill(app, weights_entry="ema")
    chosen = {"Interpolation": "bicubic", "EXIF orientation": False, "Transparent pixels": "drop"}
    for label, option in (chosen | {"transform_input": False}).items():
        field(app.selectbox, label).set_value(option)
    field(app.checkbox, "Store features").check()
    words = HELP["transform_input"]
    assert words[1:] in field(app.selectbox, "transform_input").help.replace("\\", "")
    made = to_the_end(app, tmp_path / "made").settings
    assert made.transform == Transform(
        (40, 30), (20, 20), "bicubic", (0.5, 0.4, 0.3), (1.0, 0.5, 0.25), False, "drop"
    )
    assert made.classifier.weights_entry == "ema"
    assert made.classifier.features
    assert "1,024 features × 2 bytes" in texts(app.info)


def test_a_network_to_train_is_chosen_from_a_short_list_or_by_name(to_classes, tmp_path):
    app = to_classes
    press(app, ON)
    architecture = field(app.selectbox, "Architecture")
    assert architecture.options[0].startswith("mobilenet_v3_small: 10 MB")
    architecture.set_value("other").run()
    fill(app, architecture="shufflenet_v2_x0_5")
    made = to_the_end(app, tmp_path / "made", name="My trees")
    assert (made.settings.classifier.architecture, made.settings.classifier.file) == (
        "shufflenet_v2_x0_5",
        None,
    )
    assert app.sidebar.selectbox(key="workspace").value == "My trees"


# --- name and folder -----------------------------------------------------------------------------


def test_a_folder_is_proposed_and_may_be_chosen(to_classifier, trees, tmp_path):
    app = to_classifier
    (tmp_path / "mine").mkdir()
    press(app, ON)
    # 'trees' is there already: the pictures lie in it.
    assert app.text_input(key="guide_folder").value == str(tmp_path / "trees-workspace")
    app.button(key="guide_folder_browse").click().run()
    press(app, "mine")
    press(app, "Make it in this folder")
    assert app.text_input(key="guide_folder").value == str(tmp_path / "mine" / "trees")
    press(app, "Create")
    assert not app.error, texts(app.error)
    assert Workspace.open(tmp_path / "mine" / "trees").classes == trees.classes


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("", "Fill this in."),
        ("/elsewhere", "is not under an allowed folder"),
        ("trees", "exists already; edit it, or choose another folder"),
    ],
)
def test_a_wrong_folder_of_the_workspace_is_told_below_it(to_classifier, tmp_path, folder, words):
    press(to_classifier, ON)
    wrong = folder if folder.startswith("/") or not folder else tmp_path / folder
    fill(to_classifier, folder=wrong)
    press(to_classifier, "Create")
    assert words in under(to_classifier, "Folder of the new workspace")


# --- an ONNX file --------------------------------------------------------------------------------


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    for name in CLASSES:
        put(tmp_path / "train" / name, name, 12, 0)
        put(tmp_path / "test" / name, name, 4, 100)
    put(tmp_path / "reject", "green", 4, 200)
    return tmp_path


def test_a_workspace_is_made_from_an_onnx_file_and_answers(guide, colours):
    """Probabilities, as of Keras; crop comes from the graph, classes from a file."""
    app = guide
    save_colour_model(
        colours / "net.onnx",
        layout="NHWC",
        sides=(SIDE, SIDE),
        softmax=True,
        outputs=("features", "logits"),
    )
    (colours / "labels.txt").write_text("blue\nred\n", encoding="utf-8")
    fill(app, **{split: colours / split for split in ("train", "test", "reject")})
    press(app, ON)
    field(app.selectbox, "Class names and their order").set_value("labels").run()
    fill(app, labels=colours / "labels.txt")
    press(app, ON)
    choose(app, "classifier", "model")
    app.button(key="guide_model_browse").click().run()
    press(app, "net.onnx")
    press(app, ON)
    assert "has several outputs: 'features'" in under(app, "ONNX file")
    fill(app, output="logits")
    made = to_the_end(app, colours / "made")
    assert "are probabilities" in texts(app.caption)
    assert "net.onnx takes pictures as NHWC, floats" in texts(app.info)
    assert (made.settings.transform.crop, made.classes) == ((SIDE, SIDE), ("blue", "red"))
    press(app, "Run extraction")
    job = jobs.find("extraction", made)
    assert job is not None
    job.result(timeout=60)
    for page in ("overview", "threshold", "weibull"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception, app.exception
        assert not app.error, texts(app.error)
    app.switch_page("pages/upload.py").run()
    content = (colours / "test" / "red" / "00.png").read_bytes()
    app.file_uploader[0].set_value([("red.png", content, "")])
    app.run()
    assert not app.exception, app.exception
    (card,) = given(app, "cards")["board"]["cards"]
    assert (card["name"], made.classes[card["class"]]) == ("red.png", "red")


# --- tables --------------------------------------------------------------------------------------


def test_tables_need_no_classifier(guide, tmp_path):
    app = guide
    choose(app, "data", "tables")
    choose(app, "division", "several")
    fill(app, **{f"{split}_table": path for split, path in write_sets(tmp_path / "t").items()})
    press(app, ON)
    assert app.dataframe[-1].value["class"].tolist()[-1] == "unknown"
    press(app, ON)
    assert changes(app) == ["Change the data", "Change the classes"], texts(app.error)
    assert "3 classes · 60 train, 45 test, 30 reject rows" in texts(app.markdown)
    fill(app, folder=tmp_path / "scores")
    press(app, "Create")
    assert not app.error, texts(app.error)
    assert Workspace.open(tmp_path / "scores").stored.has("reject")


def test_one_file_with_all_sets_and_a_fault_in_it(guide, tmp_path):
    app = guide
    rows = pd.concat([table.assign(split=split) for split, table in of_sets().items()])
    write(tmp_path / "scores.csv", rows)
    write(tmp_path / "bad.csv", rows.assign(label=99))
    choose(app, "data", "tables")
    press(app, ON)
    assert under(app, "Table") == "Fill this in."
    fill(app, table=tmp_path / "bad.csv")
    press(app, ON)
    assert "bad.csv, row 1, column label: 99 is out of range" in under(app, "Table")
    app.button(key="guide_table_browse").click().run()
    press(app, "scores.csv")
    press(app, ON)
    press(app, ON)
    assert app.text_input(key="guide_folder").value == str(tmp_path / "scores")
    press(app, "Create")
    assert not app.error, texts(app.error)
    assert Workspace.open(tmp_path / "scores").settings.tables.keys() == {"train", "test", "reject"}


# --- opening one that is there -------------------------------------------------------------------


def test_a_workspace_is_opened_in_the_browser(guide, tmp_path):
    app = guide
    make_workspace(tmp_path / "a" / "b" / "deep", n_train=3, n_test=2, name="Deep")
    app.button(key="opening_folder_browse").click().run()
    for name in ("a", "b", "deep"):
        assert not [item for item in app.button if item.label == "Open this workspace"]
        press(app, name)
    press(app, "Open this workspace")
    assert app.sidebar.selectbox(key="workspace").value == "Deep"


Opened = Callable[..., AppTest]


def test_a_visitor_does_not_see_what_another_one_filled_in(to_classes, trees, open_app: Opened):
    other = open_app(trees.folder, "workspace")
    assert changes(other) == []
    assert other.text_input(key="guide_train").value == ""
    assert changes(to_classes) == ["Change the data"]
