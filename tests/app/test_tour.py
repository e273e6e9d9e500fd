"""The guided tour as the server draws it; what the browser remembers is tested there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.demos.catalogue import GARAGES
from openmax_core.demos.demo import open_demo
from openmax_core.workspace.sets import StoredSets
from openmax_core.workspace.workspace import Workspace
from pages._shared.registry import PAGES
from pages._shell.tour import STEPS
from tests.app.conftest import APP, SECONDS
from tests.app.visitor import given, send_event, texts


@pytest.fixture
def garages(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The first demo, extracted: a visitor lands on it."""
    monkeypatch.delenv("OPENMAX_WORKSPACE", raising=False)
    workspace = open_demo(GARAGES)
    if not all(workspace.stored.has(split) for split in workspace.pictures.splits):
        workspace.extract("cpu")
    return workspace


@pytest.fixture
def visit(garages: Workspace) -> Callable[..., AppTest]:
    def opened(**address: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=SECONDS)
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return opened


def has_tour(app: AppTest) -> bool:
    return any(item.key == "tour" for item in app.get("bidi_component"))


def test_the_tour_has_five_steps_on_pages_that_there_are():
    assert len(STEPS) == 5
    assert {step.page for step in STEPS} <= {entry.name for entry in PAGES}


def test_a_first_visit_is_offered_the_tour_from_its_first_step(visit, garages):
    app = visit()
    data = given(app, "tour")
    assert (data["step"], data["is_here"], data["run"], data["move"]) == (0, True, None, None)
    evaluation = garages.evaluate()
    assert f"{evaluation.curve.n_reject:,} others" in data["text"]
    assert f"{100 * evaluation.accuracy_before_rejection:.1f} %" in data["text"]


def test_every_step_is_on_its_page_and_a_move_of_its_own(visit):
    app = visit()
    moves = []
    for number in range(1, len(STEPS)):
        send_event(app, "tour", "step", number)
        assert not app.exception, app.exception
        data = given(app, "tour")
        assert (data["step"], data["is_here"]) == (number, True)
        assert data["text"].startswith(STEPS[number].text)
        moves.append(data["move"])
    assert len(set(moves)) == len(STEPS) - 1
    assert app.title[0].value == "Upload"


def test_the_step_about_the_curves_names_the_tail_that_they_are_fitted_to(visit):
    app = visit(method="notebook")
    send_event(app, "tour", "step", 3)
    assert "that the curve was fitted to (η 100)." in given(app, "tour")["text"]


def test_after_a_reload_it_goes_on_at_the_step_that_the_browser_remembers(visit):
    app = visit()
    send_event(app, "tour", "resume", 3)
    data = given(app, "tour")
    assert (data["step"], data["is_here"], data["move"]) == (3, False, None)
    assert app.title[0].value == GARAGES.settings.name


@pytest.mark.parametrize(("address", "by_link"), [({"threshold": "0.5"}, True), ({}, False)])
def test_the_browser_is_told_whether_a_link_to_a_threshold_led_here(visit, address, by_link):
    app = visit(**address)
    app.run()
    assert given(app, "tour")["by_link"] is by_link


def test_another_workspace_has_no_tour(open_app, trees, visit):
    assert not has_tour(open_app(trees.folder))
    assert not [item for item in open_app(trees.folder).button if "Tour" in item.label]
    digits = visit(workspace="Handwritten digits")
    assert not has_tour(digits)


def test_on_a_page_that_the_step_is_not_about_it_leads_back(visit):
    app = visit()
    app.switch_page("pages/method.py").run()
    data = given(app, "tour")
    assert (data["step"], data["is_here"], data["text"]) == (0, False, "")
    send_event(app, "tour", "step", 0)
    assert app.title[0].value == GARAGES.settings.name


def test_it_can_be_started_again_from_the_sidebar(visit):
    app = visit(threshold="0.5")
    (link,) = [item for item in app.sidebar.button if item.label == "Tour of this demo"]
    link.click().run()
    first = given(app, "tour")
    assert first["step"] == 0
    assert first["run"]
    send_event(app, "tour", "step", 3)
    (link,) = [item for item in app.sidebar.button if item.label == "Tour of this demo"]
    link.click().run()
    again = given(app, "tour")
    assert again["step"] == 0
    assert again["run"] not in {None, first["run"]}
    assert app.title[0].value == GARAGES.settings.name


@pytest.mark.parametrize("asked", [-1, 5, "1", 1.0, True, None, [1]])
def test_a_step_that_there_is_not_is_not_gone_to(visit, asked):
    app = visit()
    send_event(app, "tour", "step", asked)
    assert not app.exception
    assert given(app, "tour")["step"] == 0


def test_before_the_extraction_a_step_has_no_figures(visit, monkeypatch):
    monkeypatch.setattr(StoredSets, "has", lambda sets, split: False)
    monkeypatch.setattr("pages._shared.guards.state.is_demo", lambda workspace: False)
    monkeypatch.setattr("pages._shell.tour.state.has_tour", lambda workspace: True)
    app = visit()
    assert "have not been through the network yet" in texts(app.info)
    assert given(app, "tour")["text"] == STEPS[0].text
