"""``openmax compare``: the methods of a workspace beside softmax, as text and as JSON."""

from __future__ import annotations

import json

import pytest

from openmax_core.analysis.ranking import FIGURES, NAMES
from openmax_core.methods.registry import METHODS_OF_LOGITS
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.tradeoff.resampling import rest_in_words
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.tables import write_sets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    made = tmp_path_factory.mktemp("compare")
    return Workspace.create_from_tables(made / "scores", write_sets(made)).folder


def test_json_has_every_figure_of_every_method(folder):
    ran = shell("compare", folder, "--json", "--min-test-accuracy", "0.6")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert [row["method"] for row in found["methods"]] == list(METHODS_OF_LOGITS)
    for row in found["methods"]:
        for name in NAMES:
            assert row[f"{name}_low"] <= row[f"{name}_high"]
            assert isinstance(row[f"{name}_beyond_noise"], bool)
    assert found["min_test_accuracy"] == 0.6
    assert found["pictures"] == found["of_pictures"] == {"test": 45, "reject": 30}
    assert found["verdict"].startswith("On these pictures")


def test_text_names_every_figure_and_ends_with_the_verdict(folder):
    ran = shell("compare", folder, "--method", "max_logit")
    lines = ran.out.splitlines()
    assert ran.code == 0
    for name in NAMES:
        assert f"{FIGURES[name].label}: {FIGURES[name].in_words}" in lines
    assert sum(line.startswith("  gen ") for line in lines) == len(NAMES)
    assert "Maximum logit" in lines[-1]
    curve = Workspace.open(folder).evaluate("max_logit").overall
    assert lines[-2] == f"max_logit: {rest_in_words(curve, MostRejected(0.85))}"


def test_without_a_reject_set_it_says_what_to_add(tmp_path):
    files = write_sets(tmp_path)
    made = Workspace.create_from_tables(
        tmp_path / "scores", {name: files[name] for name in ("train", "test")}
    )
    ran = shell("compare", made.folder)
    assert ran.code == 1
    assert "has no reject set" in ran.err
