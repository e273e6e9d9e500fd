"""The Threshold page's stand-ins: known classes left out in turn, on request."""

from __future__ import annotations

import time

from streamlit.testing.v1 import AppTest

from openmax_core.analysis.stand_ins import CAVEAT, measure_stand_ins
from openmax_core.tradeoff.objectives import FewestKnownRejected, MostRejected
from pages._shared.format import plain
from tests.app.visitor import button, texts
from tests.support.workspaces import make_workspace

SECONDS = 60


def shown_after(app: AppTest) -> AppTest:
    """The page when the job has ended."""
    end = time.monotonic() + SECONDS
    while any("Leaving out" in (item.proto.text or "") for item in app.get("progress")):
        assert time.monotonic() < end
        app.run()
    assert not app.exception, app.exception
    return app


def test_stand_ins_are_measured_when_asked_for(open_app, trees):
    app = open_app(trees.folder, "threshold")
    assert CAVEAT not in texts(app.warning)
    button(app, "Leave out each class").click().run()
    app = shown_after(app)
    evaluation = trees.evaluate("bendale")
    choices = measure_stand_ins(evaluation).choose(MostRejected(0.85))
    real = choices.beside(evaluation)
    assert real is not None
    shown = texts(app.markdown)
    for sentence in (*choices.sentences, *real.sentences):
        assert plain(sentence) in shown
    assert CAVEAT in texts(app.warning)
    table = next(item.value for item in app.dataframe if "auroc" in item.value)
    assert list(table["class"]) == list(choices.table["class"])
    # Another objective chooses anew, without another fit.
    app.selectbox(key="objective").set_value("max_rejected_known").run()
    other = measure_stand_ins(evaluation).choose(FewestKnownRejected(0.05))
    assert plain(other.sentences[1]) in texts(app.markdown)


def test_without_a_reject_set_the_stand_ins_stand_alone(open_app, tmp_path):
    alone = make_workspace(tmp_path / "alone", n_reject=0)
    app = open_app(alone.folder, "threshold")
    button(app, "Leave out each class").click().run()
    app = shown_after(app)
    choices = measure_stand_ins(alone.evaluate("bendale")).choose(MostRejected(0.85))
    assert plain(choices.sentences[0]) in texts(app.markdown)
    assert "With the reject set" not in texts(app.markdown)


def test_two_classes_have_no_button(open_app, tmp_path):
    two = make_workspace(tmp_path / "two", classes=("ash", "elm"))
    app = open_app(two.folder, "threshold")
    assert not [item for item in app.button if item.label == "Leave out each class"]
    assert "at least 3 known classes" in texts(app.caption)


def test_a_failure_is_said_and_can_be_tried_again(open_app, trees, monkeypatch):
    def fail(*arguments: object, **named: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr("pages._threshold.stand_ins.measure_stand_ins", fail)
    app = open_app(trees.folder, "threshold")
    button(app, "Leave out each class").click().run()
    app = shown_after(app)
    assert "unexpected MemoryError: no memory" in texts(app.error)
    assert button(app, "Leave out each class")
