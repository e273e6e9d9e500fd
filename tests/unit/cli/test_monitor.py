"""``openmax monitor``, run for real on the digits."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmax_core.cli.commands import EXIT_UNREADABLE
from openmax_core.cli.monitor import EXIT_BROKEN, EXIT_DRIFT
from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import open_demo
from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import BatchRecords
from openmax_core.prediction.choice import choose_method
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.workspaces import make_large_workspace


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = open_demo(DIGITS, folder=tmp_path_factory.mktemp("digits") / "digits")
    workspace.extract(device="cpu")
    return workspace


@pytest.fixture(autouse=True)
def nothing_recorded(digits: Workspace) -> None:
    shutil.rmtree(digits.folder / "batches", ignore_errors=True)


def copy_test_pictures(workspace: Workspace, folder: Path, noise: float = 0.0) -> Path:
    """Half of the test pictures, with noise if asked for, under the same names."""
    generator = np.random.default_rng(0)
    source = workspace.pictures.folder("test")
    for path in sorted(source.rglob("*.png"))[::2]:
        copy = folder / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(path)).astype(float)
        noisy = np.clip(pixels + generator.normal(0, noise, pixels.shape), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(copy)
    return folder


@pytest.fixture(scope="module")
def alike(digits, tmp_path_factory) -> Path:
    return copy_test_pictures(digits, tmp_path_factory.mktemp("alike") / "monday")


@pytest.fixture(scope="module")
def noisy(digits, tmp_path_factory) -> Path:
    return copy_test_pictures(digits, tmp_path_factory.mktemp("noisy") / "tuesday", noise=40)


@pytest.fixture(scope="module")
def renamed(digits, tmp_path_factory) -> Path:
    """The other half of the test pictures under the names of the first, as a camera would."""
    folder = tmp_path_factory.mktemp("renamed") / "wednesday"
    source = digits.pictures.folder("test")
    for label in digits.classes:
        paths = sorted((source / label).iterdir())
        (folder / label).mkdir(parents=True)
        for named, other in zip(paths[::2], paths[1::2], strict=False):
            shutil.copy(other, folder / label / named.name)
    return folder


def test_help_names_the_options_and_the_exit_code():
    ran = shell("monitor", "--help")
    options = "WORKSPACE BATCH --preset --threshold --level --compare --record --name --time"
    for option in f"{options} --fail-on-drift --json --device".split():
        assert option in ran.out
    assert f"\n  {EXIT_DRIFT}  monitored with --fail-on-drift" in ran.out


def test_pictures_like_the_test_set_give_no_alarm_and_are_compared_with_it(digits, alike):
    ran = shell("monitor", digits.folder, alike, "--fail-on-drift", "--compare", "test")
    report = monitor(digits, alike, choose_method(digits)).report
    assert ran.code == 0
    assert f"rejections  {report.rate_in_words}" in ran.out
    assert "no drift: nothing differs from the test set beyond chance" in ran.out
    assert "of 163 pictures with the same path as in the test set none is decided" in ran.out
    assert "not recorded; --record keeps it" in ran.out
    assert not (digits.folder / "batches").exists()


def test_drift_is_told_recorded_and_fails_where_asked_to(digits, alike, noisy):
    assert shell("monitor", digits.folder, alike, "--record", "--time", "2026-03-30").code == 0
    compared = ("--compare", "monday")
    ran = shell("monitor", digits.folder, noisy, "--record", "--name", "a night", *compared)
    assert ran.code == 0
    assert "\nDRIFT, BROKEN CONSTRAINT: the constraint" in ran.out
    assert " and more pictures are rejected than chance explains and the distances" in ran.out
    assert "The test set holds known pictures only" in ran.out
    assert "with the same path as in the batch 'monday' of 2026-03-" in ran.out
    found, _ = BatchRecords.of(digits).load()
    assert [item.name for item in found] == ["monday", "a night"]
    assert f"recorded as 'a night' in {found[1].path}" in ran.out
    again = shell("monitor", digits.folder, noisy, "--record", "--fail-on-drift")
    assert again.code == EXIT_BROKEN
    assert "recorded already, as 'a night'" in again.out
    assert len(BatchRecords.of(digits).load()[0]) == 2


def test_class_folders_are_labels_unless_told(digits, noisy, alike):
    ran = shell("monitor", digits.folder, noisy)
    report = monitor(digits, noisy, choose_method(digits)).report
    assert report.is_promise_broken
    assert f"labels      {report.labels_in_words}\n            {report.promise_in_words}" in ran.out
    assert "\nDRIFT, BROKEN CONSTRAINT: the constraint Test accuracy ≥ 85.0 % is broken" in ran.out
    values = json.loads(shell("monitor", digits.folder, noisy, "--json").out)
    assert values["is_promise_broken"] is values["is_alarm"] is True
    assert values["labelled"]["requirement"]["bound"] == 0.85
    ran = shell("monitor", digits.folder, noisy, "--no-labels", "--fail-on-drift")
    assert ran.code == EXIT_DRIFT
    assert "labels      " not in ran.out
    assert "is not broken beyond chance" in shell("monitor", digits.folder, alike).out


def test_pictures_are_compared_by_path_where_that_is_asked_for(digits, renamed):
    ran = shell("monitor", digits.folder, renamed)
    assert ran.code == 0
    assert "pictures    those farthest out are listed: " in ran.out
    assert " → " not in ran.out
    values = json.loads(shell("monitor", digits.folder, renamed, "--json").out)
    assert (values["compared_with"], values["not_compared"]) == (None, None)
    ran = shell("monitor", digits.folder, renamed, "--compare", "test")
    assert "pictures with the same path as in the test set" in ran.out
    assert " → " in ran.out
    values = json.loads(shell("monitor", digits.folder, renamed, "--compare", "test", "--json").out)
    assert (values["compared_with"], values["not_compared"]) == ("the test set", None)
    ran = shell("monitor", digits.folder, renamed, "--compare", "reject")
    assert "pictures    no picture has the same path as in the reject set\n" in ran.out
    assert "\n            those farthest out are listed: " in ran.out


@pytest.mark.parametrize("name", ["test", "-x", "incoming"])
def test_a_batch_of_any_name_is_named_by_its_id(digits, renamed, name):
    """Batches may be called as a set is, as an option is, or as a newer batch."""
    for split, day in (("test", 1), ("reject", 2)):
        called = (f"--name={name}", f"--time=2026-03-0{day}")
        shell("monitor", digits.folder, digits.stored.store.newest(split), "--record", *called)
    first = BatchRecords.of(digits).load()[0][0]
    ran = shell("monitor", digits.folder, renamed, "--compare", first.id)
    assert f"with the same path as in the batch '{name}' of 2026-03-01" in ran.out


def test_a_threshold_chosen_on_the_test_set_is_said_to_flatter_it(digits, alike):
    told = "the threshold was chosen on this test set, so the expected share may be a little too"
    assert told in shell("monitor", digits.folder, alike).out
    assert told not in shell("monitor", digits.folder, alike, "--threshold", "0.8").out
    values = json.loads(shell("monitor", digits.folder, alike, "--json").out)
    assert values["is_chosen_on_test_set"] is True


def test_json_has_every_figure_and_the_pictures(digits, noisy):
    ran = shell("monitor", digits.folder, noisy, "--json", "--compare", "test")
    values = json.loads(ran.out)
    measured = monitor(digits, noisy, choose_method(digits), compare="test")
    report = measured.report
    assert values["reject_rate"]["rejected"] == report.reject.rejected
    assert values["expected"]["pictures"] == 325
    assert values["difference"]["p_value"] == report.difference.p_value
    assert [item["class"] for item in values["classes"]] == list(digits.classes)
    assert values["is_drifting"] is True
    assert values["compared_with"] == "the test set"
    assert values["recorded"] is None
    assert len(values["pictures_to_look_at"]) == 10
    assert values["pictures_to_look_at"][0]["is_flipped"] is True


def test_the_batch_is_compared_with_what_is_asked_for(digits, noisy):
    ran = shell("monitor", digits.folder, noisy, "--compare", "none")
    assert "pictures    those farthest out are listed: " in ran.out
    ran = shell("monitor", digits.folder, noisy, "--compare", "last week")
    assert ran.code == 1
    assert "there is nothing called 'last week' to compare with" in ran.error


def test_unreadable_files_are_counted_and_named(digits, alike, tmp_path):
    folder = tmp_path / "some"
    shutil.copytree(alike, folder)
    (folder / "note.txt").write_text("no picture")
    (folder / "0" / "empty.png").write_bytes(b"")
    ran = shell("monitor", digits.folder, folder)
    assert ran.code == EXIT_UNREADABLE
    assert "batch       some: 165 pictures (2 unreadable)" in ran.out
    assert "unreadable: 0/empty.png: the file is empty" in ran.err
    assert "unreadable: note.txt: the content is not a picture" in ran.err
    shutil.rmtree(folder / "0")
    for name in digits.classes:
        shutil.rmtree(folder / name, ignore_errors=True)
    ran = shell("monitor", digits.folder, folder)
    assert ran.code == 1
    assert "none of the 1 pictures" in ran.error


def test_one_picture_is_a_batch(digits, alike):
    path = next((alike / "0").iterdir())
    ran = shell("monitor", digits.folder, path)
    assert ran.code == 0
    assert "of 1; expected" in ran.out
    assert "0 of 0 tested classes drifted; 6 not tested" in ran.out


def test_an_empty_folder_is_an_error(digits, tmp_path):
    ran = shell("monitor", digits.folder, tmp_path)
    assert ran.code == 1
    assert "no files in" in ran.error


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--level", "0"), "the level 0 must lie between 0 and 1"),
        (("--time", "yesterday"), "--time yesterday: write a date as 2026-03-31"),
        (("--record", "--name", "x" * 80), "a batch needs a name of at most 60 characters"),
    ],
)
def test_what_cannot_be_is_said(digits, alike, given, told):
    ran = shell("monitor", digits.folder, alike, *given)
    assert ran.code == 1
    assert told in ran.error


def test_the_operating_point_decides_with_its_thresholds_per_class(digits, alike):
    point = digits.evaluate("notebook").point_at(0.31)
    digits.choose(point)
    try:
        ran = shell("monitor", digits.folder, alike)
        assert "method      notebook, threshold 0.31 (the workspace's operating point)" in ran.out
        ran = shell("monitor", digits.folder, alike, "--preset", "bendale", "--threshold", "0.4")
        assert "method      bendale, threshold 0.4 (given)" in ran.out
    finally:
        digits.operating_point_path.unlink()


def test_stored_logits_are_monitored_without_the_network(digits):
    ran = shell("monitor", digits.folder, digits.stored.store.newest("reject"), "--compare", "none")
    assert ran.code == 0
    assert "714 pictures of" in ran.out
    assert "pictures/s" not in ran.err
    assert "DRIFT" in ran.out


def test_hundreds_of_classes_are_monitored(tmp_path):
    workspace = make_large_workspace(tmp_path / "large", 2_000, n_classes=100)
    source = workspace.stored.store.newest("test")
    assert source is not None
    ran = shell("monitor", workspace.folder, source, "--threshold", "0.1", "--json")
    values = json.loads(ran.out)
    assert ran.code == 0
    assert len(values["classes"]) == 100
    assert not values["is_drifting"]
    assert os.listdir(workspace.folder).count("batches") == 0
