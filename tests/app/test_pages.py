"""Every page, run as Streamlit runs it, against the core's own numbers."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openmax_core.network.inference import Progress
from openmax_core.workspace.settings import Defaults
from openmax_core.workspace.workspace import Workspace
from pages._shared.format import plain
from tests.app.visitor import explorer, field, metric, metric_note, percent, texts, walk
from tests.support.workspaces import made_up_logits, make_workspace


def test_overview_shows_the_counts_and_the_accuracy_before_rejection(open_app, trees):
    app = open_app(trees.folder)
    evaluation = trees.evaluate("bendale")
    assert metric(app, "Accuracy before rejection") == percent(evaluation.accuracy_before_rejection)
    assert metric(app, "Test pictures") == "89"
    assert metric_note(app, "Test pictures") == "1 unreadable"
    assert metric(app, "Reject pictures") == "60"
    assert metric(app, "Known or unknown (AUROC)") == percent(evaluation.curve.auroc)
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
    assert explorer(app)["value"] == 0.3
    assert app.query_params["threshold"] == "0.3"


def test_another_workspace_brings_its_own_defaults(open_app, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    make_workspace(tmp_path / "other", preset="notebook", name="Other", n_test=5)
    app = open_app(trees.folder, "threshold", tail_size="30")
    app.sidebar.selectbox(key="workspace").set_value("Other").run()
    assert app.sidebar.selectbox(key="method").value == "notebook"
    assert app.sidebar.number_input(key="tail_size").value is None
    assert "η 100" in texts(app.caption)


def test_names_are_shown_as_they_are_and_not_as_markdown(open_app, tmp_path):
    classes = ("![ash](http:--example.org-x)", "*birch*", "cedar")
    workspace = make_workspace(tmp_path / "trees", classes=classes, name="$x$ _trees_")
    app = open_app(workspace.folder)
    assert app.title[0].value == "\\$x\\$ \\_trees\\_"


def test_the_demo_is_left_out_where_no_cache_can_be_written(open_app, trees, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    app = open_app(trees.folder)
    assert app.sidebar.selectbox(key="workspace").options == ["Trees"]
    assert metric(app, "Test pictures") == "89"


def test_both_demos_are_offered_and_none_is_made_before_it_is_chosen(
    open_app, trees, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    app = open_app(trees.folder)
    offered = app.sidebar.selectbox(key="workspace").options
    assert offered == ["Trees", "Car-sharing garages", "Handwritten digits"]
    assert list((tmp_path / "cache" / "openmax").iterdir()) == []


def test_what_a_workspace_is_about_is_said_as_it_is_written(open_app, trees):
    about = {"description": "About *trees*: $5", "notice": "Rendered [pictures]"}
    trees.save_settings(replace(trees.settings, **about))
    for page in ("overview", "workspace"):
        app = open_app(trees.folder, page)
        assert "About \\*trees\\*\\: \\$5" in [str(item.value) for item in app.markdown] + [
            str(item.value) for item in app.caption
        ]
    for page in ("overview", "threshold", "weibull", "methods", "upload", "monitor", "workspace"):
        badges = [str(item.value) for item in open_app(trees.folder, page).markdown]
        assert any("Rendered \\[pictures\\]" in text for text in badges), page


def test_a_workspace_that_says_nothing_shows_no_badge(open_app, trees):
    for page in ("overview", "threshold", "weibull", "methods", "upload", "monitor", "workspace"):
        assert "-badge[" not in texts(open_app(trees.folder, page).markdown)


def test_pages_without_activations_lead_to_the_extraction(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", stored=False)
    for page in ("overview", "threshold", "weibull", "methods", "upload", "monitor"):
        app = open_app(workspace.folder, page)
        assert "have not been through the network yet" in texts(app.info)
        assert not app.metric
    app = open_app(workspace.folder, "workspace")
    assert app.dataframe[0].value["state"].tolist() == ["to be run"] * 3
    assert app.dataframe[0].value["files in the folder"].tolist() == [120, 90, 60]


def test_folders_that_are_passed_over_are_named(trees, open_app):
    (trees.folder / "test" / "@eaDir").mkdir()
    app = open_app(trees.folder, "workspace")
    assert "the folder '@eaDir' is passed over" in texts(app.caption)


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
    for page in ("overview", "threshold", "weibull", "methods", "upload", "monitor", "workspace"):
        shown = texts(open_app(trees.folder, page).error)
        assert "classifier.archtecture is no setting; did you mean 'architecture'?" in shown


def test_a_damaged_operating_point_is_named_and_the_page_goes_on(open_app, trees):
    trees.operating_point_path.write_text("{")
    app = open_app(trees.folder)
    assert "cannot read the operating point" in texts(app.error)
    assert metric(app, "Test pictures") == "89"


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("preset", ["robust"], "no method"),
        ("alpha_rank", 0, "alpha_rank must be at least 1, not 0"),
        ("tail_size", 10**30, "tail_size must be at most 1,000,000,000"),
        ("tail_size", [[20]], "tail_size must be a whole number, not"),
    ],
)
@pytest.mark.parametrize("page", ["overview", "monitor"])
def test_a_damaged_setting_of_the_operating_point_is_named(
    open_app, trees, page, entry, value, message
):
    values = trees.evaluate().point_at(0.4).to_dict()
    (values if entry == "preset" else values["settings"])[entry] = value
    trees.operating_point_path.write_text(json.dumps(values))
    assert message in texts(open_app(trees.folder, page).error)


def test_the_largest_settings_that_a_file_may_hold_are_shown(open_app, trees):
    trees.choose(trees.evaluate("robust", tail_size=10**9, alpha_rank=10**9).point_at(0.4))
    app = open_app(trees.folder)
    assert "threshold 0.4" in texts(app.success)
    assert app.sidebar.number_input(key="tail_size").value == 10**9


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
    assert "can add it to OPENMAX_ROOTS" in texts(app.error)
    allowed = Path(os.environ["OPENMAX_ROOTS"])
    assert f"Allowed are the folders under {allowed}." in texts(app.error)
    assert app.sidebar.selectbox(key="workspace").value == "Trees"


def test_a_mistyped_folder_is_answered_with_the_nearest_name(
    open_app, trees, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    app = open_app(trees.folder, "workspace")
    field(app.text_input, "Folder of the workspace").set_value(str(tmp_path / "tres"))
    field(app.button, "Open").click().run()
    assert "the folder tres does not exist; did you mean trees?" in texts(app.error)
    assert "workspace.toml" not in texts(app.error)


def test_a_server_that_was_started_with_a_mistyped_folder_says_so(
    open_app, trees, tmp_path, caplog
):
    app = open_app(tmp_path / "tres")
    assert "the folder tres does not exist; 'openmax init' and the page" in texts(app.error)
    assert "trees" not in texts(app.error)  # what lies beside it is for who started the server
    assert f"OPENMAX_WORKSPACE: the folder {tmp_path / 'tres'} does not exist; did you mean " in (
        caplog.text
    )


def test_another_workspace_under_a_root_is_opened(open_app, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    other = make_workspace(tmp_path / "a" / "b" / "deep", n_train=3, n_test=2, name="Deep")
    app = open_app(trees.folder, "workspace")
    assert "Deep" not in app.sidebar.selectbox(key="workspace").options
    app.text_input[0].set_value(str(other.folder))
    next(item for item in app.button if item.label == "Open").click().run()
    assert app.sidebar.selectbox(key="workspace").value == "Deep"
    assert "a/b/deep" in texts(app.markdown)
    assert str(tmp_path) not in texts(app.markdown)


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


# --- what figures rest on ----------------------------------------------------------------------


@pytest.fixture
def without_cedar(trees) -> Workspace:
    """No training picture of the class cedar is right; and 'unknown' wins now and then."""
    files = trees.pictures.find("train")
    logits = made_up_logits(files.labels, 3, seed=0)
    cedar = files.labels == 2
    logits[cedar] = np.roll(logits[cedar], 1, axis=1)
    store = trees.stored.store
    shutil.rmtree(store.folder_of("train", files))
    store.save("train", files, dict(enumerate(logits)), 3)
    lenient = Defaults(trees.settings.defaults.preset, min_test_accuracy=0.2)
    trees.save_settings(replace(trees.settings, defaults=lenient))
    return trees


@pytest.mark.parametrize(
    "page", ["overview", "threshold", "weibull", "methods", "upload", "monitor"]
)
def test_every_page_with_figures_names_the_classes_that_borrow(open_app, without_cedar, page):
    app = open_app(without_cedar.folder, page)
    assert not app.exception
    assert (
        "1 of 3 classes has too few correctly classified pictures and borrows its tail from the "
        "other classes: 'cedar'."
    ) in texts(app.caption)


def test_no_page_speaks_of_borrowing_where_no_class_does(open_app, trees):
    for page in ("overview", "weibull"):
        assert "from the other classes" not in texts(open_app(trees.folder, page).caption)


@pytest.mark.parametrize("page", ["overview", "threshold"])
def test_both_accuracies_are_said_where_they_differ(open_app, without_cedar, page):
    evaluation = without_cedar.evaluate("bendale")
    before = evaluation.n_right_before_rejection
    lowest = evaluation.overall.outcome(evaluation.openmax.score_range()[0]).correct
    n = evaluation.overall.n_test
    assert before != lowest
    words = (
        f"The network alone is right on {percent(before / n)} ({before} of {n}) test pictures, and "
        f"Test accuracy at the lowest threshold is {percent(lowest / n)} ({lowest} of {n})"
    )
    assert words in texts(open_app(without_cedar.folder, page, method="bendale").caption)


@pytest.mark.parametrize("page", ["overview", "threshold"])
def test_one_accuracy_is_said_once(open_app, trees, page):
    evaluation = trees.evaluate("robust")
    assert evaluation.accuracy_before_rejection == evaluation.accuracy_without_threshold
    app = open_app(trees.folder, page, method="robust")
    assert "at the lowest threshold" not in texts(app.caption)


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
    found = {"extraction": job()}
    monkeypatch.setattr("pages._shared.jobs.find", lambda kind, workspace: found.get(kind))


@pytest.mark.parametrize(
    "page", ["overview", "threshold", "weibull", "methods", "upload", "monitor"]
)
def test_figures_stay_while_changed_pictures_are_extracted(open_app, trees, monkeypatch, page):
    with_job(monkeypatch, Running)
    app = open_app(trees.folder, page)
    assert "the figures are those from before" in texts(app.info)
    assert not [button for button in app.button if button.label == "Stop"]
    assert app.caption


@pytest.mark.parametrize(
    "page", ["overview", "threshold", "weibull", "methods", "upload", "monitor"]
)
def test_without_figures_the_progress_stands_alone(open_app, tmp_path, monkeypatch, page):
    bare = make_workspace(tmp_path / "bare", n_train=2, n_test=2, n_reject=2, stored=False)
    with_job(monkeypatch, Running)
    app = open_app(bare.folder, page)
    assert "going through the network, once" in texts(app.info)
    assert not app.metric


def test_the_overview_shows_pictures_while_they_go_through_the_network(
    open_app, tmp_path, monkeypatch
):
    bare = make_workspace(tmp_path / "bare", n_train=2, n_test=4, n_reject=6, stored=False)
    with_job(monkeypatch, Running)
    app = open_app(bare.folder)
    captions = [item.proto.imgs[0].caption for item in app.get("image")]
    assert sorted(set(captions)) == ["ash", "birch", "cedar", "oak"]
    assert captions.count("oak") == 6
    # The progress comes first: on a small screen the pictures would hide it.
    kinds = [item.type for item in walk(app.main)]
    assert kinds.index("info") < kinds.index("image")


def test_the_workspace_page_can_stop_an_extraction(open_app, trees, monkeypatch):
    with_job(monkeypatch, Running)
    app = open_app(trees.folder, "workspace")
    assert [button.label for button in app.button if button.label == "Stop"] == ["Stop"]


def test_an_interrupted_extraction_tells_how_much_is_done(open_app, trees, monkeypatch):
    trees.stored.store.shards("reject").write([("a", 1, 1), ("b", 1, 1)], ["damaged", "damaged"], 3)
    (trees.pictures.folder("reject") / "oak" / "000.png").touch()
    with_job(monkeypatch, Stopped)
    app = open_app(trees.folder, "workspace")
    assert "The finished part is kept" in texts(app.warning)
    states = dict(app.dataframe[0].value[["set", "state"]].to_numpy().tolist())
    assert states["reject"] == "unfinished: 2 pictures are done"
    assert states["train"] == "stored"


def test_what_is_stored_is_not_called_unfinished(open_app, trees):
    trees.stored.store.shards("reject").write([("a", 1, 1)], ["damaged"], 3)
    app = open_app(trees.folder, "workspace")
    states = dict(app.dataframe[0].value[["set", "state"]].to_numpy().tolist())
    assert states["reject"] == "stored"


@pytest.mark.parametrize("given", ["inf", "-inf", "nan", "1e999", "9" * 400, "-5", "0", "many"])
@pytest.mark.parametrize("name", ["tail_size", "alpha_rank"])
def test_an_odd_setting_in_the_address_is_left_out(open_app, trees, name, given):
    standard = texts(open_app(trees.folder).metric)
    assert texts(open_app(trees.folder, **{name: given}).metric) == standard


@pytest.mark.parametrize("given", ["inf", "nan", "1e999", "9" * 400, "185", "most"])
def test_an_odd_floor_in_the_address_is_left_out(open_app, trees, given):
    app = open_app(trees.folder, "threshold", floor=given)
    assert explorer(app)["floors"][0]["share"] == trees.settings.defaults.min_test_accuracy


def test_an_architecture_is_shown_as_text(open_app, trees):
    """An image in Markdown would make every visitor's browser ask the host that it names."""
    path = trees.folder / "workspace.toml"
    odd = "![x](http://elsewhere.example/x.png)"
    path.write_text(path.read_text().replace(trees.settings.classifier.architecture, odd))
    for page in ("overview", "workspace"):
        app = open_app(trees.folder, page)
        shown = "".join(item.value for item in (*app.caption, *app.markdown))
        assert odd not in shown
    assert plain(odd) in shown  # on the Workspace page
