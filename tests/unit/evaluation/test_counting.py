"""Workspaces of more pictures than memory holds: streamed, counted, stored, opened again."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from openmax_core import OpenMax
from openmax_core.activations.activations import LOGITS, Activations
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.analysis.class_health import (
    class_distances,
    class_health,
    mean_dominance,
    tail_members,
)
from openmax_core.analysis.mistakes import find_mistakes
from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.registry import METHODS_OF_LOGITS
from openmax_core.methods.settings import PRESETS
from openmax_core.monitor.drift import Share
from openmax_core.monitor.monitor import monitor
from openmax_core.prediction.choice import choose_method
from openmax_core.report.report import report_html
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.tradeoff.slider import slider_scale
from openmax_core.workspace.workspace import Workspace
from tests.support.batches import logits_of_classes, write_table
from tests.support.workspaces import make_workspace


@pytest.fixture
def trees(tmp_path, monkeypatch):
    """Small, with a picture that could not be read; crossed in many chunks and groups of rows."""
    monkeypatch.setattr("openmax_core.activations.writing.ROWS_PER_GROUP", 16)
    monkeypatch.setattr(StoredSplit.chunks, "__defaults__", (3 * 7,))
    return make_workspace(tmp_path / "trees")


@pytest.fixture
def is_many(monkeypatch):
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    monkeypatch.setattr("openmax_core.evaluation.counting.N_SAMPLED", 25)


def stored(workspace: Workspace, split: str) -> StoredSplit:
    folder = workspace.stored.store.newest(split)
    assert folder is not None
    return StoredSplit(folder)


# --- reading in chunks ---------------------------------------------------------------------------


def test_chunks_are_the_stored_rows_in_order(trees):
    whole, chunks = trees.stored.activations("test"), list(stored(trees, "test").chunks())
    assert len(chunks) > 10
    assert [chunk.first for chunk in chunks] == np.cumsum([0, *map(len, chunks[:-1])]).tolist()
    assert np.array_equal(np.concatenate([chunk.logits for chunk in chunks]), whole.logits)
    assert np.array_equal(np.concatenate([chunk.labels for chunk in chunks]), whole.labels)
    predictions = np.concatenate([chunk.predictions for chunk in chunks])
    assert np.array_equal(predictions, whole.readable["prediction"])


@pytest.mark.parametrize("split", ["test", "train"])
def test_some_rows_are_read_with_all_that_is_known_of_them(trees, split):
    """With a file that is unreadable, and without."""
    whole, rows = trees.stored.activations(split), np.array([0, 15, 16, 40, 88])
    some = stored(trees, split).at(rows)
    assert np.array_equal(some.logits, whole.logits[rows])
    assert some.readable.equals(whole.readable.iloc[rows].reset_index(drop=True))
    assert some.unreadable.equals(whole.unreadable)
    assert (some.n_readable, some.n_unreadable) == (len(whole), len(whole.unreadable))
    assert len(stored(trees, split).at(rows[:0])) == 0


def test_damaged_logits_are_named_by_their_picture(trees):
    folder = stored(trees, "test").folder
    logits = np.load(folder / LOGITS, allow_pickle=False)
    logits[50, 1] = np.nan
    np.save(folder / LOGITS, logits, allow_pickle=False)
    path = trees.stored.activations("test").readable["path"].iloc[50]
    with pytest.raises(ActivationsError, match=f"{path} are damaged.*extraction again"):
        list(stored(trees, "test").chunks())


def test_logits_of_another_kind_are_not_taken_for_float32(trees):
    path = stored(trees, "test").folder / LOGITS
    np.save(path, np.load(path).astype(np.float64))
    with pytest.raises(ActivationsError, match="logits are float64, not rows of float32"):
        stored(trees, "test")


def test_logits_that_end_too_early_are_said(trees):
    split = stored(trees, "test")
    whole = (split.folder / LOGITS).read_bytes()
    (split.folder / LOGITS).write_bytes(whole[:-12])
    with pytest.raises(ActivationsError, match="damaged"):
        list(split.chunks())


# --- fitting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("robust", {}),
        ("robust", {"centring": "minimum"}),
        ("bendale", {"tail_share": 0.3}),
        ("notebook", {}),
    ],
)
def test_a_streamed_fit_is_the_fit(trees, preset, settings):
    train = trees.stored.activations("train")
    whole = OpenMax(preset, tail_size=8, **settings).fit(train.logits, train.labels)
    om = OpenMax(preset, tail_size=8, **settings).fit_chunks(
        stored(trees, "train").chunks, list("abc")
    )
    is_single = whole.settings_.fit_precision == "float32"
    close = 1e-5 if is_single else 1e-12
    np.testing.assert_allclose(om.means_, whole.means_, rtol=close, atol=close)
    assert np.array_equal(om.n_correct_, whole.n_correct_)
    assert np.array_equal(om.n_training_, whole.n_training_)
    for one, other in zip(om.tails_, whole.tails_, strict=True):
        np.testing.assert_allclose(one, other, rtol=close, atol=close)
    assert om.settings_ == whole.settings_
    for index, rows in enumerate(om.tail_rows_):
        assert (train.labels[rows] == index).all()
        own = om.distances(train.logits[rows])[:, index]
        np.testing.assert_allclose(np.sort(own), whole.tails_[index], rtol=1e-5)


def test_a_fit_whose_pictures_lie_in_no_order_is_the_same(trees):
    train = trees.stored.activations("train")
    order = np.random.default_rng(0).permutation(len(train))
    shuffled = Activations(train.logits[order], train.pictures.iloc[order], train.key)
    folder = trees.folder / "shuffled"
    shuffled.save(folder)
    one = OpenMax().fit_chunks(StoredSplit(folder).chunks, list("abc"))
    other = OpenMax().fit_chunks(stored(trees, "train").chunks, list("abc"))
    for a, b in zip(one.tails_, other.tails_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_what_cannot_be_streamed_is_said(trees):
    with pytest.raises(FitError, match="choose another distance"):
        OpenMax(distance="scaled_eucos").fit_chunks(stored(trees, "train").chunks, list("abc"))


def test_a_class_without_correct_pictures_is_named(tmp_path):
    workspace = make_workspace(tmp_path / "few", n_train=1)
    with pytest.raises(FitError, match="class 'ash'"):
        OpenMax().fit_chunks(stored(workspace, "train").chunks, ["ash", "birch", "cedar"])


# --- counts of a workspace -----------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS_OF_LOGITS)
def test_counted_accuracies_are_the_exact_ones_within_the_bound(trees, method, request):
    exact = trees.evaluate(method)
    assert exact.counted is None
    assert exact.overall is exact.curve
    request.getfixturevalue("is_many")
    counted = trees.evaluate(method)
    bound = counted.overall.error_bound
    low, high = exact.score_range
    between = np.linspace(low - 0.1, high + 0.1, 333)
    for name in ("test", "reject"):
        one, other = (getattr(e.overall, f"{name}_accuracy")(between) for e in (exact, counted))
        assert np.abs(one - other).max() <= getattr(bound, name) + 1e-12
    assert counted.overall.auroc == pytest.approx(exact.curve.auroc, abs=1e-3)
    assert counted.data == exact.data
    assert counted.n_right_before_rejection == exact.n_right_before_rejection
    assert counted.accuracy_before_rejection == exact.accuracy_before_rejection
    assert counted.test.n_unreadable == 1
    assert counted.overall.halves is not None
    first, second = counted.overall.halves
    assert first.n_test + second.n_test == exact.curve.n_test
    # Every place of the slider is counted exactly, and nothing lies outside.
    positions = slider_scale(counted.overall, counted.score_range).positions
    for name in ("correct", "wrong", "accepted_unknown"):
        one, other = (getattr(e.overall.outcomes(positions), name) for e in (exact, counted))
        # The three parameters of 'notebook' depend on the last digits of a sum.
        assert method == "notebook" or np.array_equal(one, other)
    assert counted.score_range[0] <= low
    assert counted.score_range[1] >= high


@pytest.mark.parametrize("method", ["energy", "gen"])
def test_counts_of_scores_that_are_no_probabilities_are_kept_with_their_edges(
    trees, is_many, method
):
    told: list[tuple[int, int]] = []
    first = trees.evaluate(method, report=told.append)
    total = 120 + 2 * (89 + 60)  # the scored sets twice: to see where the scores lie, and to count
    assert told[-1] == (total, total)
    told.clear()
    again = trees.evaluate(method, report=told.append)
    assert not told
    assert np.array_equal(again.overall.counts.edges, first.overall.counts.edges)
    assert np.array_equal(again.overall.counts.counts, first.overall.counts.counts)
    assert again.method.to_dict() == first.method.to_dict()
    assert "tails" not in again.counted.samples
    (folder,) = (trees.stored.counts.folder / "counts").iterdir()
    with np.load(folder / "counts.npz") as stored:
        arrays = dict(stored)
    np.savez(folder / "counts.npz", **(arrays | {"edges": arrays["edges"][::-1]}))
    assert np.array_equal(trees.evaluate(method).overall.counts.edges, first.overall.counts.edges)


def test_only_many_pictures_are_counted(trees, monkeypatch):
    assert not trees.stored.is_large()
    n_pictures = 3 * 40 + 3 * 30 - 1 + 60
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", n_pictures)
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_LOGITS", 3 * n_pictures)
    assert not trees.stored.is_large()
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_LOGITS", 3 * n_pictures - 1)
    assert trees.stored.is_large()


def test_counts_are_made_once_with_progress_and_kept_by_method(trees, is_many):
    told: list[tuple[int, int]] = []
    assert not trees.is_counted("robust")
    first = trees.evaluate("robust", report=told.append)
    total = 2 * 120 + 89 + 60
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert trees.is_counted("robust")
    assert not trees.is_counted("robust", tail_size=7)
    told.clear()
    again = trees.evaluate("robust", report=told.append)
    assert not told
    assert np.array_equal(again.overall.counts.counts, first.overall.counts.counts)
    assert again.openmax.to_dict() == first.openmax.to_dict()
    assert again.sample_in_words == first.sample_in_words
    assert again.sample_in_words == "a sample of 25 of 89 test and 25 of 60 reject pictures"
    trees.evaluate("robust", tail_size=7, report=told.append)
    assert told


@pytest.mark.parametrize("size", [3 * 4, 3 * 1000])
def test_counts_do_not_depend_on_the_chunks(trees, is_many, monkeypatch, size):
    counts = trees.evaluate("bendale").overall.halves[0].counts.counts
    shutil.rmtree(trees.stored.counts.folder / "counts")
    monkeypatch.setattr(StoredSplit.chunks, "__defaults__", (size,))
    assert np.array_equal(trees.evaluate("bendale").overall.halves[0].counts.counts, counts)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("counts.npz", "cut"),
        ("counts.npz", "empty"),
        ("calibration.json", "cut"),
        ("key.json", "gone"),
        ("test/logits.npy", "empty"),
    ],
)
def test_damaged_counts_are_made_anew(trees, is_many, name, damage, caplog):
    first = trees.evaluate()
    (folder,) = (trees.stored.counts.folder / "counts").iterdir()
    content = (folder / name).read_bytes()
    if damage == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with caplog.at_level(logging.WARNING):
        again = trees.evaluate()
    assert "made anew" in caplog.text
    assert np.array_equal(again.overall.counts.counts, first.overall.counts.counts)
    assert (folder / name).read_bytes()


def test_counts_that_cannot_be_kept_are_used_all_the_same(trees, is_many, monkeypatch, caplog):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("openmax_core.evaluation.counting._save", full)
        evaluation = trees.evaluate()
    assert "counts are not kept" in caplog.text
    assert not trees.is_counted()
    assert evaluation.overall.best(0.5) == trees.evaluate().overall.best(0.5)


def test_counts_of_activations_that_are_gone_are_removed(trees, is_many):
    trees.evaluate()
    (old,) = (trees.stored.counts.folder / "counts").iterdir()
    key = json.loads((old / "key.json").read_text())
    (old / "key.json").write_text(json.dumps(key | {"stores": ["test-0123456789abcdef"]}))
    trees.evaluate("bendale", tail_size=5)
    assert old not in (trees.stored.counts.folder / "counts").iterdir()


def test_what_a_killed_process_was_writing_is_removed(trees, is_many):
    folder = trees.stored.counts.folder / "counts"
    old, new = folder / ".writing-old", folder / ".writing-new"
    for path in (old, new):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    trees.evaluate()
    assert not old.exists()
    assert new.exists(), "another process may be writing it"


def test_counting_that_is_told_to_stop_leaves_nothing(trees, is_many):
    class StopError(Exception):
        pass

    def stop(progress):
        raise StopError

    with pytest.raises(StopError):
        trees.evaluate(report=stop)
    assert not (trees.stored.counts.folder / "counts").exists()


def test_a_workspace_without_reject_set_is_counted(tmp_path, is_many):
    workspace = make_workspace(tmp_path / "known", n_reject=0)
    for _ in range(2):
        evaluation = workspace.evaluate()
        assert evaluation.counted is not None
        assert evaluation.reject is None
        assert evaluation.overall.n_reject == 0
        assert evaluation.sample_in_words == "a sample of 25 of 89 test pictures"


# --- what stands for all pictures ----------------------------------------------------------------


def test_pictures_to_look_at_are_those_of_the_sample(trees, is_many):
    evaluation = trees.evaluate("bendale")
    found = find_mistakes(evaluation, 0.9)
    assert len(found.rejected_knowns) <= 25
    assert set(found.rejected_knowns.table()["path"]) <= set(evaluation.test.readable["path"])
    distances = class_distances(evaluation)
    health = class_health(evaluation, distances)
    assert health.n_test.sum() == 25
    assert reject_folders(evaluation).at(0.5)["pictures"].sum() == 25


def test_the_pictures_of_a_tail_are_all_there(trees, monkeypatch):
    expected = [tail_members(trees.evaluate(), index) for index in range(3)]
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    monkeypatch.setattr("openmax_core.evaluation.counting.N_SAMPLED", 5)
    evaluation = trees.evaluate()
    for index, members in enumerate(expected):
        assert tail_members(evaluation, index)["path"].tolist() == members["path"].tolist()
    class_health(evaluation, class_distances(evaluation))  # also where a class has no sample


@pytest.mark.parametrize("preset", PRESETS)
def test_the_pull_of_one_picture_is_that_of_the_farthest_of_all(trees, preset, monkeypatch):
    """Also where the farthest is in no tail: with large logits that point the class's way."""
    folder = stored(trees, "train").folder
    logits = np.load(folder / LOGITS)
    logits[5] *= 4
    np.save(folder / LOGITS, logits)
    exact = trees.evaluate(preset)
    pull, _ = mean_dominance(exact)
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    whole = trees.evaluate(preset)
    assert whole.counted is not None
    np.testing.assert_allclose(mean_dominance(whole)[0], pull, rtol=1e-4)


def test_the_pull_is_looked_for_among_all_and_its_median_is_the_sample_s(trees, is_many):
    train = trees.stored.activations("train")
    for _ in range(2):  # counted, and opened again
        evaluation = trees.evaluate("bendale")
        assert len(evaluation.train) == 25
        pull, n_examined = mean_dominance(evaluation)
        for index, mean in enumerate(evaluation.openmax.means_):
            of_all, of_sample = (
                np.linalg.norm(
                    part.logits[(part.labels == index) & (part.logits.argmax(axis=1) == index)]
                    - mean,
                    axis=1,
                )
                for part in (train, evaluation.train)
            )
            expected = of_all.max() / (len(of_all) - 1) / np.median(of_sample)
            assert pull[index] == pytest.approx(expected, rel=1e-5)
            assert n_examined[index] == len(of_all)
    assert not class_health(evaluation, class_distances(evaluation)).is_sampled(
        evaluation.openmax.n_correct_
    )


def test_thresholds_per_class_cannot_be_counted(trees, request):
    exact = trees.evaluate()
    point = exact.point_at(0.5)
    by_class = exact.refreshed(
        type(point)(**{**vars(point), "class_thresholds": {"ash": 0.4}}),
    )
    request.getfixturevalue("is_many")
    with pytest.raises(OpenMaxError, match="choose a single threshold"):
        trees.evaluate().refreshed(by_class)


def test_a_report_says_how_exact_it_is(trees, is_many):
    evaluation = trees.evaluate()
    text = report_html(trees, evaluation, evaluation.choose(MostRejected(0.5)))
    assert evaluation.overall.error_bound.in_words in text
    assert evaluation.sample_in_words in text
    assert "in a sample of 50 of 149" in text


def test_folders_of_many_pictures_are_not_looked_at(trees, is_many):
    status = trees.status("test")
    assert (status.n_stored, status.is_current, status.is_compared) == (90, True, False)
    few = trees.stored.few("test", 4)
    assert few is not None
    assert len(few) == 4
    assert few.n_readable == 89


def test_a_batch_is_held_against_all_test_pictures(trees, is_many, tmp_path):
    evaluation = trees.evaluate()
    choice = choose_method(trees, threshold=0.6)
    source = write_table(tmp_path / "new.parquet", trees, logits_of_classes(20, 3, seed=5))
    report = monitor(trees, source, choice).report
    outcome = evaluation.overall.outcome(0.6)
    assert report.expected == Share(outcome.rejected_known, 89)
    assert report.drift.n_test.sum() == 25
    assert evaluation.sample_in_words in report.notes[-1]
    by_class = replace(choice, point=replace(choice.present_point, class_thresholds={"ash": 0.4}))
    report = monitor(trees, source, by_class).report
    assert report.expected.n == 25
    assert report.notes[-1].startswith("the expected share, distances, ")
