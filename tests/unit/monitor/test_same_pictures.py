"""Pictures of equal names: taken for the same ones where their logits say so, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from openmax_core.monitor import same_pictures
from openmax_core.monitor.same_pictures import (
    LEAST_LIKENESS,
    LEVEL,
    MIN_PAIRS,
    MOST_PAIRS,
    Earlier,
    Likeness,
    find_same,
    projected,
    tell_apart,
)
from tests.support.batches import batch_of, logits_of_classes

N_CLASSES, N_EACH = 4, 25
FOLDERS = [f"{row // N_EACH}/IMG_{row % N_EACH:04}.jpg" for row in range(N_CLASSES * N_EACH)]
FLAT = [f"IMG_{row:04}.jpg" for row in range(N_CLASSES * N_EACH)]


def pictures(seed: int) -> np.ndarray:
    """Pictures of four classes in order, some surer than others, as networks' logits are."""
    logits = logits_of_classes(N_EACH, N_CLASSES, seed)
    sure = np.random.default_rng(1000 + seed).uniform(0.6, 1.4, (len(logits), 1))
    return (logits * sure).astype(np.float32)


def likeness(now: np.ndarray, before: np.ndarray, groups: pd.DataFrame) -> Likeness:
    rows, codes = tell_apart(groups)
    return same_pictures.likeness(now[rows], before[rows], codes)


def earlier_of(logits: np.ndarray, paths: list[str], name: str = "test") -> Earlier:
    table = pd.DataFrame(
        {"path": paths, "nearest": logits.argmax(axis=1), "prediction": 0, "score": 0.5}
    )
    return Earlier(f"the {name} set", name, table, lambda rows: projected(logits[rows]))


def is_same(now: np.ndarray, before: np.ndarray, paths: list[str]) -> bool:
    found, words = find_same(batch_of(now, paths), [earlier_of(before, paths)])
    assert (found is None) == bool(words)
    return found is not None


def drifted(logits: np.ndarray) -> np.ndarray:
    """Less sure, one class more likely than before, and noise."""
    noise = np.random.default_rng(7).normal(0, 0.6, logits.shape)
    return (0.5 * logits + [0.0, 1.5, 0.0, 0.0] + noise).astype(np.float32)


# --- the same pictures ---------------------------------------------------------------------------


@pytest.mark.parametrize("paths", [FOLDERS, FLAT])
@pytest.mark.parametrize("change", [np.copy, drifted])
def test_the_same_pictures_are_the_same_also_after_a_drift(paths, change):
    before = pictures(0)
    assert is_same(change(before), before, paths)


def test_some_other_pictures_among_them_do_not_matter():
    now = pictures(0)
    before = np.concatenate([pictures(1)[:10], now[10:]])
    assert is_same(now, before, FOLDERS)


def test_what_a_drift_does_to_all_pictures_of_a_class_changes_no_likeness():
    before, groups = pictures(0), pd.DataFrame({"class": np.repeat(np.arange(4), N_EACH)})
    found = likeness(before * 0.3 + [3, 0, 0, -2], before, groups)
    assert found.cosine == pytest.approx(1)
    assert found.p_value == pytest.approx(0.0005)
    assert found.n_told == 100


# --- other pictures under the same names ---------------------------------------------------------


@pytest.mark.parametrize("paths", [FOLDERS, FLAT])
def test_other_pictures_of_the_same_folders_and_classes_are_others(paths):
    assert not any(is_same(pictures(seed), pictures(seed + 1), paths) for seed in range(0, 200, 2))


def test_pictures_of_one_camera_are_more_alike_and_still_others():
    """Its folder holds them: they are held against others of the same folder."""
    cameras = np.repeat(np.arange(20), 5)
    look = np.random.default_rng(0).normal(0, 4, (20, 4))[cameras]
    paths = [f"camera {camera}/{row % 5}.jpg" for row, camera in enumerate(cameras)]
    now, before = pictures(0) + look, pictures(1) + look
    everywhere = likeness(now, before, pd.DataFrame({"all": np.zeros(100)}))
    assert everywhere.are_same()  # without folders and classes
    assert not is_same(now, before, paths)


def test_pictures_of_the_same_hour_are_a_little_more_alike_and_still_others():
    light = np.random.default_rng(0).normal(0, 0.7, (2_000, 4))
    one, other = (light + np.random.default_rng(s).normal(0, 1, (2_000, 4)) for s in (1, 2))
    groups = pd.DataFrame({"all": np.zeros(2_000)})
    found = likeness(one, other, groups)
    shuffled = likeness(one, other[::-1], groups)
    assert abs(shuffled.cosine) < 0.05 < found.cosine < LEAST_LIKENESS
    assert not found.are_same()


def test_chance_is_told_from_likeness_as_seldom_as_the_level_says():
    """A number a picture and ten pairs: they are often as alike as that by chance."""
    alike = surely = 0
    groups = pd.DataFrame({"all": np.zeros(MIN_PAIRS)})
    for seed in range(1_000):
        now, before = np.random.default_rng(seed).normal(size=(2, MIN_PAIRS, 1))
        found = likeness(now, before, groups)
        alike += found.cosine >= LEAST_LIKENESS
        surely += found.are_same(LEVEL)
    assert alike > 2 * surely
    assert surely / 1_000 <= LEVEL + 3 * np.sqrt(LEVEL / 1_000)


# --- what cannot be told -------------------------------------------------------------------------


def test_few_pairs_are_not_taken_for_the_same():
    now = pictures(0)[:MIN_PAIRS]
    assert is_same(now, now, FLAT[:MIN_PAIRS])
    few = MIN_PAIRS - 1
    found, words = find_same(batch_of(now[:few], FLAT[:few]), [earlier_of(now[:few], FLAT[:few])])
    assert found is None
    assert words == (
        "9 pictures have the same path as in the test set, but are not taken for the same "
        "pictures: 9 of them can be told from others of the same folder and class, fewer than 10. "
        "With --compare test, openmax monitor compares them all the same"
    )


def test_pictures_that_are_alone_in_their_folder_or_class_cannot_be_told():
    now = pictures(0)
    alone = [f"camera {row}/latest.jpg" for row in range(len(now))]
    _, words = find_same(batch_of(now, alone), [earlier_of(now, alone)])
    assert "0 of them can be told" in words
    groups = pd.DataFrame({"class": np.arange(100) // 99})
    assert likeness(now, now, groups).n_told == 99


def test_pairs_of_which_few_can_be_shuffled_may_be_so_by_chance():
    """Six groups of two have 64 orders: one in 64 is as it is."""
    now = pictures(0)[::N_EACH].repeat(3, axis=0) + np.arange(12)[:, None] * [0.1, 0, 0, 0]
    groups = pd.DataFrame({"pair": np.arange(12) // 2})
    found = likeness(now, now, groups)
    assert found.n_told == 12
    assert found.cosine == pytest.approx(1)
    assert found.p_value == pytest.approx(1 / 64, rel=0.4)
    assert not found.are_same()


def test_batches_recorded_before_anything_was_kept_to_tell_by_are_not_taken_for_the_same():
    now = pictures(0)
    old = replace(earlier_of(now, FLAT, "last week"), projected=None)
    found, words = find_same(batch_of(now, FLAT), [old])
    assert found is None
    assert "was not kept with that batch, which is older" in words
    assert "With --compare 'last week', openmax monitor" in words


def test_without_an_equal_name_nothing_is_said():
    now = pictures(0)
    assert find_same(batch_of(now, FLAT), [earlier_of(now, FOLDERS)]) == (None, "")
    empty = replace(earlier_of(now, FLAT), table=earlier_of(now, FLAT).table[:0])
    assert find_same(batch_of(now, FLAT), [empty]) == (None, "")
    assert find_same(batch_of(now, FLAT), []) == (None, "")


# --- which set -----------------------------------------------------------------------------------


def test_of_sets_with_the_same_pictures_the_one_that_shares_most_is_taken_of_equals_the_first():
    now = pictures(0)
    some = earlier_of(now[:60], FLAT[:60], "some")
    most = earlier_of(now[:80], FLAT[:80], "most")
    older = earlier_of(now[:80], FLAT[:80], "as many, older")
    found, words = find_same(batch_of(now, FLAT), [some, most, older])
    assert (found, words) == (most, "")


def test_a_set_of_others_that_shares_more_names_is_passed_over():
    now = pictures(0)
    others, own = earlier_of(pictures(1), FLAT, "others"), earlier_of(now[:60], FLAT[:60], "own")
    assert find_same(batch_of(now, FLAT), [others, own]) == (own, "")
    _, words = find_same(batch_of(now, FLAT), [earlier_of(pictures(2)[:60], FLAT[:60]), others])
    assert words.startswith("100 pictures have the same path as in the others set, but are not")
    assert "their logits are not clearly more alike" in words


def test_more_sets_ask_for_more_evidence():
    found = Likeness(MIN_PAIRS, 0.9, LEVEL / 2)
    assert found.are_same()
    assert not found.are_same(LEVEL / 3)


def test_a_name_that_occurs_twice_stands_for_its_first_picture():
    now = pictures(0)
    twice = earlier_of(np.concatenate([now, pictures(1)]), FLAT * 2)
    assert twice.rows_of([FLAT[3], "unknown", FLAT[0]]).tolist() == [3, -1, 0]
    assert find_same(batch_of(now, FLAT), [twice]) == (twice, "")


# --- what is kept of the logits ------------------------------------------------------------------


def test_few_classes_are_kept_whole_and_a_constant_does_not_count():
    logits = pictures(0)
    kept = projected(logits)
    assert kept == pytest.approx(logits - logits.mean(axis=1, keepdims=True), abs=1e-5)
    assert projected(logits + 100) == pytest.approx(kept, abs=1e-4)


def test_many_classes_are_projected_and_cosines_stay_what_they_are_on_the_average():
    one, other = np.random.default_rng(0).normal(size=(2, 500, 1_000))
    other = 0.6 * one + 0.8 * other
    a, b = projected(one), projected(other)
    assert a.shape == (500, 16)
    cosines = np.vecdot(a, b) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.mean() == pytest.approx(0.6, abs=0.03)


def test_projections_are_those_of_every_other_day():
    """Records hold them: the directions must never change."""
    kept = projected(np.eye(17))
    assert kept.shape == (17, 16)
    first_two = (kept[0] - kept[1]).round().astype(int).tolist()
    assert first_two == [2, 0, 2, 0, 2, 0, 0, 2, 0, 0, 0, 2, -2, 2, 0, -2]


def test_of_many_pairs_some_are_looked_at():
    generator = np.random.default_rng(0)
    now = generator.normal(size=(20_000, 6))
    groups = pd.DataFrame({"class": np.arange(20_000) % 300})
    found = likeness(now, now + generator.normal(0, 0.3, now.shape), groups)
    assert found.n_told == MOST_PAIRS
    assert found.are_same()
    assert not likeness(now, now[generator.permutation(20_000)], groups).are_same()
