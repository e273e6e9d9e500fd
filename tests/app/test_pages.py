"""Every page, run as Streamlit runs it, against the core's own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.errors import NoFeasibleThresholdError
from openmax_core.inference import Progress
from openmax_core.tables import sweep_table
from openmax_core.workspace import Workspace
from tests.helpers import make_workspace


def metric(app, label: str) -> str:
    return next(item.value for item in app.metric if item.label == label)


def metric_note(app, label: str) -> str:
    return next(item.delta for item in app.metric if item.label == label)


def texts(items) -> str:
    """What a visitor reads: a backslash only keeps Markdown from changing the sign after it."""
    return "\n".join(str(item.value) for item in items).replace("\\", "")


def shown_threshold(app: AppTest) -> float:
    """Threshold in the address, which the page keeps in step with what it shows."""
    value = app.query_params["threshold"]
    return float(value[0] if isinstance(value, list) else value)


def press(app: AppTest, label: str) -> None:
    next(item for item in app.button if item.label.startswith(label)).click().run()


def save(app: AppTest, name: str) -> None:
    next(item for item in app.text_input if item.label == "Name").set_value(name)
    press(app, "Save threshold")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def test_overview_shows_the_counts_and_the_accuracy_before_rejection(open_app, trees):
    app = open_app(trees.folder)
    evaluation = trees.evaluate("bendale")
    assert metric(app, "Accuracy before rejection") == percent(evaluation.accuracy_before_rejection)
    assert metric(app, "Test pictures") == "89"
    assert metric_note(app, "Test pictures") == "1 unreadable"
    assert metric(app, "Reject pictures") == "60"
    assert metric(app, "Known against unknown (AUROC)") == f"{evaluation.curve.auroc:.3f}"
    assert "damaged picture (made up)" in app.dataframe[1].value["error"].tolist()


def test_overview_recommends_until_a_point_is_chosen(open_app, trees):
    recommended = trees.evaluate("bendale").recommend(0.85)
    assert f"threshold {recommended.threshold:g}" in texts(open_app(trees.folder).info)
    trees.choose(trees.evaluate("notebook").point_at(0.3))
    app = open_app(trees.folder, method="bendale")
    assert "method notebook, threshold 0.3" in texts(app.success)
    app.sidebar.selectbox(key="method").set_value("bendale").run()
    assert "another method" in texts(app.success)


def test_a_visit_begins_with_the_method_and_threshold_of_the_operating_point(open_app, trees):
    trees.choose(trees.evaluate("notebook", tail_size=30).point_at(0.3))
    app = open_app(trees.folder, "upload")
    assert app.sidebar.selectbox(key="method").value == "notebook"
    assert app.sidebar.number_input(key="tail_size").value == 30
    assert "η 30" in texts(app.caption)
    app = open_app(trees.folder, "threshold")
    assert shown_threshold(app) == 0.3


def test_another_workspace_brings_its_own_defaults(open_app, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    make_workspace(tmp_path / "other", preset="notebook", name="Other", n_test=5)
    app = open_app(trees.folder, "threshold", tail_size="30")
    app.sidebar.selectbox(key="workspace").set_value("Other").run()
    assert app.sidebar.selectbox(key="method").value == "notebook"
    assert app.sidebar.number_input(key="tail_size").value is None
    assert "η 100" in texts(app.caption)


def test_a_link_to_a_workspace_that_is_not_here_says_so(open_app, trees):
    app = open_app(trees.folder, "threshold", workspace="Elsewhere", threshold="0.4321")
    assert "The link asks for the workspace 'Elsewhere'" in texts(app.warning)
    assert shown_threshold(app) != 0.4321


def test_alpha_of_another_method_does_not_reach_the_notebook(open_app, trees):
    app = open_app(trees.folder, "threshold", alpha_rank="2")
    assert "α 2" in texts(app.caption)
    app.sidebar.selectbox(key="method").set_value("notebook").run()
    assert "all classes" in texts(app.caption)
    save(app, "all classes")
    (saved,) = trees.saved_points.load()
    assert saved.point.settings == trees.evaluate("notebook").openmax.settings_


def test_names_are_shown_as_they_are_and_not_as_markdown(open_app, tmp_path):
    classes = ("![ash](http:--example.org-x)", "*birch*", "cedar")
    workspace = make_workspace(tmp_path / "trees", classes=classes, name="$x$ _trees_")
    app = open_app(workspace.folder)
    assert app.title[0].value == "\\$x\\$ \\_trees\\_"
    app = open_app(workspace.folder, "weibull")
    assert "**Class \\*birch\\***" in [item.value for item in app.markdown]
    assert "**Class \\!\\[ash\\](http\\:--example.org-x)**" in [item.value for item in app.markdown]


def test_the_demo_is_left_out_where_no_cache_can_be_written(open_app, trees, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    app = open_app(trees.folder)
    assert app.sidebar.selectbox(key="workspace").options == ["Trees"]
    assert metric(app, "Test pictures") == "89"


def test_many_classes_have_a_page_as_well(open_app, tmp_path):
    classes = tuple(f"class_{number:02d}" for number in range(45))
    workspace = make_workspace(tmp_path / "many", classes=classes, n_train=4, n_test=1, n_reject=3)
    app = open_app(workspace.folder, "threshold", tail_size="3", threshold="0.9999")
    rejected = workspace.evaluate(tail_size=3).curve.outcome(0.9999).rejected_known
    app.segmented_control(key="mistakes").set_value("Rejected knowns").run()
    assert f"**{rejected}** of 44 knowns are rejected" in texts(app.caption)


CONTROL = """
import streamlit as st
from openmax_core.workspace import Workspace
from pages._shared.threshold_control import threshold_control

st.session_state["method"] = "{preset}"
workspace = Workspace.open(r"{folder}")
st.text(str(threshold_control(workspace, workspace.evaluate("{preset}"))))
"""


def control(workspace: Workspace, preset: str = "bendale") -> AppTest:
    """The threshold control of the Upload page, alone."""
    source = CONTROL.format(folder=workspace.folder, preset=preset)
    return AppTest.from_string(source, default_timeout=60).run()


@pytest.mark.parametrize(
    ("preset", "ends"),
    [("bendale", (0.25, 1.0)), ("notebook", (0.25, 0.476))],  # 1/4 and e/(e + 3) for 3 classes
)
def test_the_range_of_the_slider_is_what_the_method_can_score(trees, preset, ends):
    app = control(trees, preset)
    slider = app.slider(key="threshold_slider")
    assert (slider.min, slider.max) == ends
    for share in (0.0, 0.4, 0.9, 1.0):
        threshold = round(ends[0] + share * (ends[1] - ends[0]), 3)
        app.slider(key="threshold_slider").set_value(threshold).run()
        assert app.number_input(key="threshold_number").value == threshold
        assert app.text[0].value == str(threshold)


def test_the_exact_threshold_moves_the_slider(trees):
    app = control(trees)
    app.number_input(key="threshold_number").set_value(0.612345).run()
    assert app.slider(key="threshold_slider").value == pytest.approx(0.612345)
    app.number_input(key="threshold_number").set_value(0.01).run()
    assert app.slider(key="threshold_slider").value == 0.25
    assert app.text[0].value == "0.01"


def test_a_number_that_lags_behind_a_fast_slider_does_not_pull_it_back(trees):
    app = control(trees)
    app.number_input(key="threshold_number").set_value(0.5).run()
    # The browser sends the number that it still shows beside the slider's newest value.
    app.number_input(key="threshold_number").set_value(0.49)
    app.slider(key="threshold_slider").set_value(0.505).run()
    assert app.slider(key="threshold_slider").value == 0.505
    assert app.number_input(key="threshold_number").value == 0.505


def test_a_link_reproduces_method_and_threshold(open_app, trees):
    app = open_app(trees.folder, "threshold", method="notebook", threshold="0.3125", tail_size="30")
    outcome = trees.evaluate("notebook", tail_size=30).curve.outcome(0.3125)
    assert shown_threshold(app) == 0.3125
    assert f"**{outcome.accepted_unknown}** of 60 unknowns are accepted" in texts(app.caption)
    assert "η 30" in texts(app.caption)


@pytest.mark.parametrize("given", ["nonsense", "nan", "7", "-1"])
def test_a_link_with_a_wrong_threshold_shows_the_recommended_one(open_app, trees, given):
    app = open_app(trees.folder, "threshold", threshold=given)
    recommended = trees.evaluate("bendale").recommend(0.85).threshold
    assert shown_threshold(app) == recommended


def test_each_method_keeps_its_own_threshold(open_app, trees):
    app = open_app(trees.folder, "threshold", threshold="0.7")
    app.sidebar.selectbox(key="method").set_value("notebook").run()
    recommended = trees.evaluate("notebook").recommend(0.85).threshold
    assert shown_threshold(app) == recommended
    app.sidebar.selectbox(key="method").set_value("bendale").run()
    assert shown_threshold(app) == 0.7


def test_use_recommended_sets_the_best_threshold_under_the_floor(open_app, trees):
    app = open_app(trees.folder, "threshold")
    app.number_input(key="floor").set_value(0.6).run()
    best = trees.evaluate("bendale").curve.best(0.6)
    assert f"threshold {best.threshold:g}" in texts(app.markdown)
    next(item for item in app.button if item.label == "Use recommended").click().run()
    assert shown_threshold(app) == best.threshold


def test_a_floor_that_nothing_reaches_is_said_in_words(open_app, trees):
    app = open_app(trees.folder, "threshold", threshold="0.9")
    app.number_input(key="floor").set_value(1.0).run()
    assert "no threshold reaches Test accuracy ≥ 1" in texts(app.markdown)
    with pytest.raises(NoFeasibleThresholdError) as error:
        trees.evaluate("bendale").recommend(1.0)
    next(item for item in app.button if item.label == "Use nearest").click().run()
    assert error.value.nearest is not None
    assert shown_threshold(app) == error.value.nearest.threshold


def test_a_saved_point_can_be_made_the_default_and_deleted(open_app, trees):
    app = open_app(trees.folder, "threshold", method="notebook", threshold="0.33")
    save(app, "night")
    (saved,) = trees.saved_points.load()
    assert saved.point == trees.evaluate("notebook").point_at(0.33)
    save(app, "night")
    assert "there is a point 'night' already" in texts(app.error)
    press(app, "Make it the default")
    assert trees.operating_point() == saved.point
    press(app, "Delete")
    assert trees.saved_points.load() == ()


def test_damaged_saved_points_are_named_and_the_page_goes_on(open_app, trees):
    trees.saved_points.path.write_text("{")
    app = open_app(trees.folder, "threshold")
    assert "cannot read the saved points" in texts(app.error)
    assert "Recommended: threshold" in texts(app.markdown)


def test_the_table_of_thresholds_is_the_sweep(open_app, trees):
    app = open_app(trees.folder, "threshold", method="notebook")
    box = next(item for item in app.text_input if item.label == "Thresholds")
    assert box.value == "0.30:0.40:0.01"
    shown = app.dataframe[0].value
    expected = sweep_table(trees.evaluate("notebook").curve, [0.3 + 0.01 * i for i in range(11)])
    assert shown["threshold"].tolist() == pytest.approx(expected["threshold"].tolist())
    assert shown["reject_accuracy"].tolist() == expected["reject_accuracy"].tolist()
    box.set_value("0.2:0.1:0.5").run()
    assert "write start:stop:step" in texts(app.error)


def test_without_a_reject_set_the_pages_work_and_say_what_is_missing(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_reject=0)
    app = open_app(workspace.folder, "threshold")
    assert "no reject set" in texts(app.info)
    assert "Reject accuracy not measured" in texts(app.markdown)
    app.selectbox(key="objective").set_value("balanced").run()
    assert "there is no reject set, which this objective is counted on" in texts(app.markdown)
    assert "no reject set" in texts(open_app(workspace.folder).info)


def test_few_pictures_are_said_to_be_few(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_test=5, n_reject=9)
    shown = texts(open_app(workspace.folder, "threshold").warning)
    assert "Only 14 test pictures" in shown
    assert "Only 9 reject pictures" in shown


def test_weibull_shows_one_plot_a_class_and_its_parameters(open_app, trees):
    app = open_app(trees.folder, "weibull")
    assert len(app.get("plotly_chart")) == 3
    table = app.dataframe[0].value
    assert table["class"].tolist() == ["ash", "birch", "cedar"]
    assert table["shape"].tolist() == trees.evaluate("bendale").openmax.weibull_.shape.tolist()


def test_weibull_warns_of_the_degenerate_fits_of_the_notebook(open_app, trees):
    app = open_app(trees.folder, "weibull", method="notebook")
    assert "3 of 3 fits need a look" in texts(app.warning)
    assert texts(app.caption).count("degenerate fit") == 3


def test_weibull_shows_the_first_classes_of_many_and_any_that_are_asked_for(open_app, tmp_path):
    classes = tuple(f"class_{number:02d}" for number in range(14))
    workspace = make_workspace(tmp_path / "many", classes=classes, n_train=4, n_test=1, n_reject=3)
    app = open_app(workspace.folder, "weibull", tail_size="3")
    assert len(app.get("plotly_chart")) == 4
    app.multiselect(key="classes").set_value(["class_13"]).run()
    assert len(app.get("plotly_chart")) == 1
    assert len(app.dataframe[0].value) == 14


def test_upload_without_pictures_says_what_to_do(open_app, trees):
    app = open_app(trees.folder, "upload")
    assert "Drop pictures here" in texts(app.info)
    assert not app.metric


def test_pages_without_activations_lead_to_the_extraction(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", stored=False)
    for page in ("overview", "threshold", "weibull", "upload"):
        app = open_app(workspace.folder, page)
        assert "have not been through the network yet" in texts(app.info)
        assert not app.metric
    app = open_app(workspace.folder, "workspace")
    assert app.dataframe[0].value["state"].tolist() == ["to be run"] * 3
    assert app.dataframe[0].value["files in the folder"].tolist() == [120, 90, 60]


def test_pictures_that_changed_since_the_extraction_are_announced(open_app, trees):
    (trees.folder / "reject" / "oak" / "000.png").unlink()
    app = open_app(trees.folder)
    assert "The pictures in reject (59 files now, 60 then) have changed since" in (
        texts(app.warning)
    )
    assert metric(app, "Reject pictures") == "60"


def test_a_typo_in_the_workspace_file_is_named_on_every_page(open_app, trees):
    path = trees.folder / "workspace.toml"
    path.write_text(path.read_text().replace("architecture", "archtecture"))
    for page in ("overview", "threshold", "weibull", "upload", "workspace"):
        shown = texts(open_app(trees.folder, page).error)
        assert "classifier.archtecture is no setting; did you mean 'architecture'?" in shown


def test_a_damaged_operating_point_is_named_and_the_page_goes_on(open_app, trees):
    trees.operating_point_path.write_text("{")
    app = open_app(trees.folder)
    assert "cannot read the operating point" in texts(app.error)
    assert metric(app, "Test pictures") == "89"


def test_a_class_that_gives_no_weibull_is_named(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_train=1)
    app = open_app(workspace.folder, "threshold")
    assert "class 'ash' has 1 correctly classified pictures" in texts(app.error)


def test_a_folder_outside_the_allowed_roots_is_not_opened(open_app, trees, tmp_path):
    other = make_workspace(tmp_path / "other", n_train=2, n_test=1, n_reject=1, name="Other")
    app = open_app(trees.folder, "workspace")
    app.text_input[0].set_value(str(other.folder))
    next(item for item in app.button if item.label == "Open").click().run()
    assert "is not under an allowed folder" in texts(app.error)
    assert f"OPENMAX_ROOTS={tmp_path}" in texts(app.error)
    assert app.sidebar.selectbox(key="workspace").value == "Trees"


def test_another_workspace_under_a_root_is_opened(open_app, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    other = make_workspace(tmp_path / "a" / "b" / "deep", n_train=3, n_test=2, name="Deep")
    app = open_app(trees.folder, "workspace")
    assert "Deep" not in app.sidebar.selectbox(key="workspace").options
    app.text_input[0].set_value(str(other.folder))
    next(item for item in app.button if item.label == "Open").click().run()
    assert app.sidebar.selectbox(key="workspace").value == "Deep"
    assert str(other.folder) in texts(app.markdown)


def test_a_workspace_that_names_a_folder_outside_the_roots_is_refused(
    open_app, trees, tmp_path, monkeypatch
):
    allowed = tmp_path / "allowed"
    monkeypatch.setenv("OPENMAX_ROOTS", str(allowed))
    sly = make_workspace(allowed / "sly", n_train=2, n_test=1, name="Sly")
    folders = {**sly.settings.folders, "reject": str(Path(tmp_path / "trees" / "reject"))}
    sly.save_settings(replace(sly.settings, folders=folders))
    app = open_app(trees.folder)
    app.sidebar.selectbox(key="workspace").set_value("Sly").run()
    # The workspace that the server was started with is allowed, with its folders.
    assert not app.error
    folders["reject"] = str(tmp_path)
    sly.save_settings(replace(sly.settings, folders=folders))
    app.run()
    assert "is not under an allowed folder" in texts(app.error)


def test_creating_says_what_is_left_empty(open_app, trees):
    app = open_app(trees.folder, "workspace")
    next(item for item in app.button if item.label == "Create").click().run()
    assert "Fill in folder and weights and train and test." in texts(app.error)


def test_a_workspace_is_created_from_folders_and_weights(open_app, trees, tmp_path, monkeypatch):
    import torch
    import torchvision

    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    network = torchvision.models.shufflenet_v2_x0_5(weights=None, num_classes=3)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    app = open_app(trees.folder, "workspace")
    values = {
        "Folder of the new workspace": tmp_path / "made",
        "Architecture": "shufflenet_v2_x0_5",
        "Weights file": tmp_path / "weights.pth",
        "Train folder": trees.folder / "train",
        "Test folder": trees.folder / "test",
        "Reject folder": trees.folder / "reject",
    }
    for label, value in values.items():
        next(item for item in app.text_input if item.label == label).set_value(str(value))
    next(item for item in app.button if item.label == "Create").click().run()
    assert not app.error, texts(app.error)
    made = Workspace.open(tmp_path / "made")
    assert made.classes == ("ash", "birch", "cedar")
    assert app.sidebar.selectbox(key="workspace").value == "made"


# --- an extraction under way -------------------------------------------------------------------


class Running:
    """A job as pages see it, in the middle of its work."""

    is_running, is_cancelled, has_result, problem = True, False, False, None
    progress = ("test", Progress(3, 10, 0, 1.5))


class Ended(Running):
    is_running = False


class Stopped(Ended):
    is_cancelled = True


def with_job(monkeypatch: pytest.MonkeyPatch, job: type[Running]) -> None:
    monkeypatch.setattr("pages._shared.state.extraction", lambda workspace: job())


@pytest.mark.parametrize("page", ["overview", "threshold", "weibull", "upload"])
def test_figures_stay_while_changed_pictures_are_extracted(open_app, trees, monkeypatch, page):
    with_job(monkeypatch, Running)
    app = open_app(trees.folder, page)
    assert "the figures are those from before" in texts(app.info)
    assert not [button for button in app.button if button.label == "Stop"]
    assert app.caption


@pytest.mark.parametrize("page", ["overview", "threshold", "weibull", "upload"])
def test_without_figures_the_progress_stands_alone(open_app, tmp_path, monkeypatch, page):
    bare = make_workspace(tmp_path / "bare", n_train=2, n_test=2, n_reject=2, stored=False)
    with_job(monkeypatch, Running)
    app = open_app(bare.folder, page)
    assert "going through the network, once" in texts(app.info)
    assert not app.metric


def test_the_workspace_page_can_stop_an_extraction(open_app, trees, monkeypatch):
    with_job(monkeypatch, Running)
    app = open_app(trees.folder, "workspace")
    assert [button.label for button in app.button if button.label == "Stop"] == ["Stop"]


def test_an_interrupted_extraction_tells_how_much_is_done(open_app, trees, monkeypatch):
    trees.store.shards("reject").write([("a", 1, 1), ("b", 1, 1)], ["damaged", "damaged"], 3)
    (trees.picture_folder("reject") / "oak" / "000.png").touch()
    with_job(monkeypatch, Stopped)
    app = open_app(trees.folder, "workspace")
    assert "What was done is kept" in texts(app.warning)
    states = dict(app.dataframe[0].value[["set", "state"]].to_numpy().tolist())
    assert states["reject"] == "unfinished: 2 pictures are done"
    assert states["train"] == "stored"


def test_what_is_stored_is_not_called_unfinished(open_app, trees):
    trees.store.shards("reject").write([("a", 1, 1)], ["damaged"], 3)
    app = open_app(trees.folder, "workspace")
    states = dict(app.dataframe[0].value[["set", "state"]].to_numpy().tolist())
    assert states["reject"] == "stored"
