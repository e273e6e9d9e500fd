"""Which method and threshold decide on pictures of no split, and which files are pictures."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path
from typing import Never

import pytest

from openmax_core import OpenMax, OpenMaxError
from openmax_core.pictures.folders import find_unknown_pictures
from openmax_core.prediction.choice import choose_method, chosen_settings, expand_paths
from openmax_core.workspace.settings import Defaults
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import make_workspace, store_made_up


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


# --- method and threshold --------------------------------------------------------------------


def test_without_a_stored_point_the_recommended_threshold_decides(workspace: Workspace) -> None:
    choice = choose_method(workspace)
    evaluation = workspace.evaluate()
    assert choice.threshold == evaluation.recommend(0.85).threshold
    assert choice.evaluation.openmax.preset_ == "bendale"
    assert choice.source == "recommended under Test accuracy ≥ 85.0 %"
    assert choice.point == evaluation.recommend(0.85)
    assert choice.class_thresholds is None


def test_a_given_threshold_needs_no_floor(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    settings = dataclasses.replace(workspace.settings, defaults=Defaults("bendale", 1.0))
    workspace.save_settings(settings)
    assert "at most 5 points lost against a Test accuracy of" in choose_method(workspace).source
    choice = choose_method(workspace, threshold=0.7)
    assert (choice.threshold, choice.source, choice.point) == (0.7, "given", None)


def test_the_stored_point_decides_with_its_own_settings(workspace: Workspace) -> None:
    workspace.choose(workspace.evaluate("notebook", tail_size=15).point_at(0.41))
    choice = choose_method(workspace)
    assert (choice.threshold, choice.source) == (0.41, "the workspace's operating point")
    assert choice.evaluation.openmax.preset_ == "notebook"
    assert choice.evaluation.openmax.settings_.tail_size == 15


def test_a_given_threshold_replaces_the_stored_one_but_not_its_method(
    workspace: Workspace,
) -> None:
    workspace.choose(workspace.evaluate("bendale", tail_size=15).point_at(0.41))
    choice = choose_method(workspace, threshold=0.6)
    assert (choice.threshold, choice.source) == (0.6, "given")
    assert choice.evaluation.openmax.settings_.tail_size == 15


def test_the_preset_of_the_stored_point_asked_for_by_name_is_the_preset_itself(
    workspace: Workspace,
) -> None:
    workspace.choose(workspace.evaluate("bendale", tail_size=15).point_at(0.41))
    choice = choose_method(workspace, "bendale")
    assert choice.evaluation.openmax.settings_.tail_size == 20
    assert choice.source == "recommended under Test accuracy ≥ 85.0 %"


def test_another_preset_sets_the_stored_point_aside(workspace: Workspace) -> None:
    workspace.choose(workspace.evaluate("bendale").point_at(0.41))
    choice = choose_method(workspace, "notebook")
    assert choice.evaluation.openmax.preset_ == "notebook"
    assert choice.threshold == workspace.evaluate("notebook").recommend(0.85).threshold
    assert choice.source == "recommended under Test accuracy ≥ 85.0 %"
    assert choose_method(workspace, "notebook", 0.33).threshold == 0.33


def test_a_renamed_class_does_not_lose_its_threshold_in_silence(workspace: Workspace) -> None:
    own = {"ash": 0.999, "birch": 0.5, "cedar": 0.5}
    point = dataclasses.replace(workspace.evaluate().point_at(0.41), class_thresholds=own)
    workspace.choose(point)
    assert choose_method(workspace).limits.tolist() == [0.999, 0.5, 0.5]
    for split in ("train", "test"):
        folder = workspace.pictures.folder(split)
        (folder / "ash").rename(folder / "fraxinus")
    path = workspace.folder / "workspace.toml"
    path.write_text(path.read_text().replace('"ash"', '"fraxinus"'))
    renamed = Workspace.open(workspace.folder)
    for seed, split in enumerate(renamed.pictures.splits):
        store_made_up(renamed, split, renamed.pictures.find(split), seed)
    told = (
        r"operating_point.json does not fit .* for 'ash', .*: 'fraxinus'\); choose the thresholds"
    )
    for read in (choose_method, chosen_settings, Workspace.operating_point):
        with pytest.raises(OpenMaxError, match=told):
            read(renamed)
    with pytest.raises(OpenMaxError, match="a threshold for 'ash', but no class"):
        renamed.choose(point)
    with pytest.raises(OpenMaxError, match="a threshold for 'ash', but no class"):
        renamed.evaluate().refreshed(point)
    assert choose_method(renamed, "bendale").source == "recommended under Test accuracy ≥ 85.0 %"
    own["fraxinus"] = own.pop("ash")
    dataclasses.replace(point, class_thresholds=own).save(renamed.operating_point_path)
    assert choose_method(renamed).limits.tolist() == [0.999, 0.5, 0.5]


def test_a_point_of_other_activations_says_so(workspace: Workspace) -> None:
    workspace.choose(workspace.evaluate().point_at(0.41))
    (workspace.pictures.folder("test") / "ash" / "000.png").unlink()
    store_made_up(workspace, "test", workspace.pictures.find("test"), seed=9)
    choice = choose_method(workspace)
    assert choice.threshold == 0.41
    assert choice.source == (
        "the workspace's operating point, on activations that have changed since"
    )


def test_thresholds_per_class_of_the_stored_point_come_with_it(workspace: Workspace) -> None:
    thresholds = {"ash": 0.9, "cedar": 0.2}
    point = dataclasses.replace(workspace.evaluate().point_at(0.41), class_thresholds=thresholds)
    workspace.choose(point)
    choice = choose_method(workspace)
    assert (choice.threshold, choice.class_thresholds, choice.point) == (0.41, thresholds, point)
    assert choice.limits.tolist() == [0.9, 0.41, 0.2]
    assert choice.source == (
        "the workspace's operating point, with thresholds per class (the single one for birch)"
    )


@pytest.mark.parametrize(
    ("preset", "threshold"), [(None, 0.41), (None, 0.6), ("bendale", None), ("notebook", 0.41)]
)
def test_what_is_asked_for_instead_of_the_stored_point_is_one_threshold_for_all(
    workspace: Workspace, preset: str | None, threshold: float | None
) -> None:
    point = workspace.evaluate().point_at(0.41)
    workspace.choose(dataclasses.replace(point, class_thresholds={"ash": 0.9}))
    choice = choose_method(workspace, preset, threshold)
    assert choice.class_thresholds is None
    assert "per class" not in choice.source


def test_a_point_of_other_activations_with_thresholds_per_class_says_both(
    workspace: Workspace,
) -> None:
    point = workspace.evaluate().point_at(0.41)
    own = dict.fromkeys(workspace.classes, 0.9)
    workspace.choose(dataclasses.replace(point, class_thresholds=own, data="of then"))
    assert choose_method(workspace).source == (
        "the workspace's operating point, with thresholds per class, on activations that have "
        "changed since"
    )


@pytest.mark.parametrize(
    ("written", "instead"),
    [('"tail_size"', '"tail_length"'), ('"tail_size": 20', '"tail_size": "twenty"')],
)
def test_a_point_with_settings_that_do_not_exist_is_named(
    workspace: Workspace, written: str, instead: str
) -> None:
    workspace.choose(workspace.evaluate().point_at(0.41))
    path = workspace.operating_point_path
    text = path.read_text(encoding="utf-8")
    assert written in text
    path.write_text(text.replace(written, instead), encoding="utf-8")
    with pytest.raises(OpenMaxError, match=r"operating_point\.json .*settings.*; choose the"):
        choose_method(workspace)


# --- a threshold chosen on the pictures that it is counted on ----------------------------------


def test_a_threshold_chosen_on_the_present_pictures_is_told_from_others(
    workspace: Workspace,
) -> None:
    assert choose_method(workspace).is_chosen_on_test_set  # recommended
    assert not choose_method(workspace, threshold=0.6).is_chosen_on_test_set
    chosen = workspace.evaluate().recommend(0.85)
    workspace.choose(chosen)
    assert choose_method(workspace).is_chosen_on_test_set
    workspace.choose(dataclasses.replace(chosen, data="of then"))
    assert not choose_method(workspace).is_chosen_on_test_set
    workspace.choose(workspace.evaluate().point_at(0.41))  # by hand
    assert not choose_method(workspace).is_chosen_on_test_set


# --- the method alone ------------------------------------------------------------------------


def test_the_method_that_decides_is_known_before_it_is_fitted(workspace: Workspace) -> None:
    assert chosen_settings(workspace) == ("bendale", OpenMax("bendale").settings())
    workspace.choose(workspace.evaluate("notebook", tail_size=15).point_at(0.41))
    preset, settings = chosen_settings(workspace)
    assert (preset, settings) == ("notebook", choose_method(workspace).evaluation.openmax.settings_)


def test_with_a_preset_a_damaged_operating_point_does_not_matter(workspace: Workspace) -> None:
    workspace.operating_point_path.write_text("{")
    assert choose_method(workspace, "notebook").threshold > 0
    with pytest.raises(OpenMaxError, match="cannot read the operating point"):
        choose_method(workspace)


# --- paths -----------------------------------------------------------------------------------


def test_a_folder_stands_for_the_visible_files_below_it_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a/2.png", "a/1.jpg", ".hidden.png", ".cache/x.png", "a/.y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert expand_paths([str(tmp_path)]) == [
        tmp_path / name for name in ("a/1.jpg", "a/2.png", "b.png")
    ]


def test_a_folder_below_a_hidden_one_is_searched_when_named(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.png").touch()
    assert expand_paths([str(tmp_path / ".cache")]) == [tmp_path / ".cache" / "x.png"]


def test_files_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    for name in ("z.png", "a.txt"):
        (tmp_path / name).touch()
    given = [str(tmp_path / "z.png"), str(tmp_path / "a.txt")]
    assert expand_paths(given) == [tmp_path / "z.png", tmp_path / "a.txt"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpenMaxError, match=f"there is no file or folder {tmp_path}/gone"):
        expand_paths([str(tmp_path), str(tmp_path / "gone")])


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpenMaxError, match=f"no files in {tmp_path}"):
        expand_paths([str(tmp_path)])


def test_a_folder_is_searched_as_for_the_extraction(tmp_path: Path) -> None:
    folder, other = tmp_path / "new", tmp_path / "other"
    for name in ("1.png", "Thumbs.db", ".hidden.png", "@eaDir/2.png", "deep/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    other.mkdir()
    (other / "4.png").touch()
    (folder / "linked").symlink_to(other, target_is_directory=True)
    (folder / "again").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe.png")
    found = [path.relative_to(folder).as_posix() for path in expand_paths([str(folder)])]
    assert found == ["1.png", "deep/3.png", "linked/4.png", "pipe.png"]
    assert sorted(found) == sorted(find_unknown_pictures(folder).paths)


def test_a_path_that_may_not_be_looked_at_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> Never:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(OpenMaxError, match=r"cannot look at .*new.png .Permission denied"):
        expand_paths([str(tmp_path / "new.png")])
