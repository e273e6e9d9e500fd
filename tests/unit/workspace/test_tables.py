"""Workspaces of tables: which rows are of which set, when they are read, what they refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from openmax_core.diagnosis.examine import examine
from openmax_core.errors import ActivationsError, OpenMaxError, WorkspaceError
from openmax_core.pictures.folders import PictureFiles
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.samples import sample_pictures
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.tables import (
    N_REJECT,
    N_TEST,
    N_TRAIN,
    labelled,
    logits_of,
    of_sets,
    write,
    write_sets,
)
from tests.support.workspaces import CLASSES, make_workspace


@pytest.fixture
def scores(tmp_path: Path) -> Workspace:
    """A workspace of three CSV files."""
    return Workspace.create_from_tables(tmp_path / "scores", write_sets(tmp_path))


def n_rows(workspace: Workspace) -> dict[str, int]:
    return {split: item.n_files for split, item in workspace.stored.opened_by_split().items()}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_tables_give_the_figures_of_the_same_logits_from_pictures(tmp_path, suffix):
    pictures = make_workspace(tmp_path / "pictures", stored=False, preset="robust")
    for split, table in of_sets().items():
        n, ones = len(table), np.ones(len(table), dtype=np.int64)
        names = tuple(f"{row}.png" for row in range(n))
        files = PictureFiles(tmp_path, names, table["label"].to_numpy(), ones, ones)
        rows = dict(enumerate(logits_of(table)))
        pictures.stored.store.save(split, files, rows, len(CLASSES))
    made = Workspace.create_from_tables(tmp_path / "tables", write_sets(tmp_path, suffix))
    for preset in ("robust", "bendale", "notebook"):
        ours, theirs = made.evaluate(preset), pictures.evaluate(preset)
        assert ours.curve.test_scores.tolist() == theirs.curve.test_scores.tolist()
        assert ours.curve.reject_scores.tolist() == theirs.curve.reject_scores.tolist()
        assert ours.openmax.means_.tolist() == theirs.openmax.means_.tolist()
        assert ours.overall.auroc == theirs.overall.auroc
        assert ours.recommend(0.5).threshold == theirs.recommend(0.5).threshold


def test_settings_name_the_tables_and_nothing_of_pictures(scores, tmp_path):
    text = (scores.folder / FILE_NAME).read_text()
    assert '[tables]\ntrain = "' in text
    assert not any(word in text for word in ("architecture", "folders", "transform", "precision"))
    assert Workspace.open(scores.folder).settings == scores.settings
    scores.save_settings(scores.settings)
    assert (scores.folder / FILE_NAME).read_text() == text
    inside = Workspace.create_from_tables(tmp_path, {"all": write(tmp_path / "t.csv", mixed())})
    assert inside.settings.tables["train"] == "t.csv"


def mixed() -> pd.DataFrame:
    """Known rows, and unknowns with a negative label, as users of pytorch-ood keep them."""
    return pd.concat([labelled(N_TEST, 1), labelled(N_REJECT, 2, is_unknown=True)])


def test_unknowns_of_the_test_table_are_the_reject_set(tmp_path):
    table = mixed()
    table.loc[table["label"] < 0, "label"] = np.tile([-1, -2], N_REJECT // 2)
    files = {"train": write_sets(tmp_path)["train"], "test": write(tmp_path / "m.npz", table)}
    workspace = Workspace.create_from_tables(tmp_path / "w", files)
    assert n_rows(workspace) == {"train": N_TRAIN, "test": N_TEST, "reject": N_REJECT}
    assert "the unknowns in m.npz are the reject set" in workspace.notes
    stored = workspace.stored.required("reject")
    assert set(stored.labels) == {-1}
    assert stored.readable["path"].iloc[0] == f"row {N_TEST + 1}"


def test_a_file_as_pytorch_ood_keeps_it_opens_alone(tmp_path):
    table = mixed()
    path = tmp_path / "ood.npz"
    np.savez(path, logits=logits_of(table), labels=table["label"].to_numpy(np.int32))
    workspace = Workspace.create_from_tables(tmp_path / "w", {"all": path}, classes=CLASSES)
    assert n_rows(workspace) == {"train": 24, "test": 21, "reject": N_REJECT}
    assert "every other known row is train" in workspace.notes[0]
    labels = workspace.stored.required("train").labels
    assert np.bincount(labels).tolist() == [8, 8, 8]
    # Of 15 rows of a class the first, third, … are train.
    paths = workspace.stored.required("test").readable["path"].tolist()
    assert paths[:4] == ["row 4", "row 5", "row 6", "row 10"]
    assert workspace.evaluate().overall.n_reject == N_REJECT
    nameless = Workspace.create_from_tables(tmp_path / "v", {"all": path})
    assert nameless.classes == ("0", "1", "2")


def test_dealing_does_not_depend_on_the_parts_that_are_read(tmp_path, monkeypatch):
    path = write(tmp_path / "m.npz", mixed().sample(frac=1, random_state=0))
    whole = Workspace.create_from_tables(tmp_path / "a", {"all": path})
    monkeypatch.setattr("openmax_core.activations.tables.MOST_ROWS_AT_ONCE", 7)
    parts = Workspace.create_from_tables(tmp_path / "b", {"all": path})
    for split in ("train", "test", "reject"):
        one, other = (item.stored.required(split) for item in (whole, parts))
        assert one.readable["path"].tolist() == other.readable["path"].tolist()
        assert np.asarray(one.logits).tolist() == np.asarray(other.logits).tolist()


def test_a_column_says_the_split_and_others_are_left_out(tmp_path):
    sets = of_sets()
    unknown = sets["reject"].assign(split=["test", "reject"] * (N_REJECT // 2))
    known = [sets[name].assign(split=name) for name in ("train", "test")]
    held_out = labelled(30, 7).assign(split="Calibration")
    path = write(tmp_path / "t.parquet", pd.concat([unknown, *known, held_out]))
    workspace = Workspace.create_from_tables(tmp_path / "w", {"all": path})
    expected = {"train": N_TRAIN, "calibration": 30, "test": N_TEST, "reject": N_REJECT}
    assert n_rows(workspace) == expected
    assert workspace.evaluate().calibrated_on == "calibration"
    less = workspace.settings.tables.copy()
    del less["calibration"]
    workspace.save_settings(replace(workspace.settings, tables=less))
    assert n_rows(workspace)["train"] == N_TRAIN


def test_labels_of_the_reject_table_are_kinds_of_unknowns_or_missing(tmp_path):
    files = write_sets(tmp_path)
    kinds = of_sets()["reject"].assign(label=["oak", "fir"] * (N_REJECT // 2))
    write(files["reject"], kinds)
    workspace = Workspace.create_from_tables(tmp_path / "w", files)
    assert workspace.stored.required("reject").readable["path"].iloc[1] == "fir/row 2"
    write(files["reject"], kinds.drop(columns="label"))
    assert workspace.stored.required("reject").readable["path"].iloc[1] == "row 2"


FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown in train": ("train", {"label": -1}, "row 3, column label: is an unknown in train"),
    "known in reject": ("reject", {"label": 1}, "column label: the class 'birch' is known, and"),
    "unknown in test": ("test", {"label": -1}, "column label: is an unknown, and the workspace"),
    "no class": ("test", {"label": "oak"}, "column label: 'oak' is none of the classes 'ash'"),
    "out of range": ("test", {"label": 3}, "row 3, column label: 3 is out of range"),
    "not finite": ("test", {"logit_ash": np.inf}, "row 3, column logit_ash: inf is no finite"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_that_do_not_belong_are_named_and_nothing_is_made(tmp_path, fault):
    split, values, told = FAULTS[fault]
    files = write_sets(tmp_path)
    table = of_sets()[split].astype(object)
    for name, value in values.items():
        table.loc[2, name] = value
    write(files[split], table)
    with pytest.raises(OpenMaxError) as caught:
        Workspace.create_from_tables(tmp_path / "w", files)
    assert str(caught.value).startswith(str(files[split]))
    assert told in str(caught.value)
    assert not (tmp_path / "w").exists()


def test_what_is_missing_is_named(tmp_path):
    files = write_sets(tmp_path)
    with pytest.raises(WorkspaceError, match="no table for test"):
        Workspace.create_from_tables(tmp_path / "w", {"train": files["train"]})
    with pytest.raises(WorkspaceError, match="no table for train"):
        Workspace.create_from_tables(tmp_path / "w", {"test": files["test"]})
    one = write(tmp_path / "one.csv", of_sets()["train"].assign(label="ash"))
    with pytest.raises(ActivationsError, match=r"one\.csv: all 60 rows of train are of one class"):
        Workspace.create_from_tables(tmp_path / "w", files | {"train": one})
    split = write(tmp_path / "split.csv", of_sets()["train"].assign(split="train"))
    with pytest.raises(ActivationsError, match="column split: has rows of 'train'; it needs some"):
        Workspace.create_from_tables(tmp_path / "w", {"all": split})
    with pytest.raises(ActivationsError, match=r"split\.csv has no rows for test"):
        Workspace.create_from_tables(tmp_path / "w", {"train": split, "test": split})
    write(files["test"], of_sets()["test"].drop(columns="label"))
    with pytest.raises(ActivationsError, match=r"has no label, which tells each row's class"):
        Workspace.create_from_tables(tmp_path / "w", files)
    assert not (tmp_path / "w").exists()


def test_a_table_that_changed_is_read_again_and_one_that_did_not_is_not(scores, monkeypatch):
    before, state = scores.evaluate().data, scores.state()
    report = scores.extract()
    assert report.in_words == "Nothing to do: no table is new or changed."
    path = scores.pictures.folder("test")
    write(path, labelled(33, 9))
    assert scores.state() != state
    assert not scores.status("test").is_current
    assert scores.evaluate().overall.n_test == 33
    assert scores.evaluate().data != before
    assert scores.status("test").n_stored == 33
    assert len(list(scores.stored.folder.glob("test-*"))) == 1
    write(path, labelled(36, 9))
    report = scores.extract()
    assert report.changes == ["tables"]
    assert report.n_run == {"train": N_TRAIN, "test": 36, "reject": N_REJECT}
    assert f"{N_TRAIN + 36 + N_REJECT} rows of tables read in " in report.in_words


def test_a_table_that_broke_is_named_and_what_was_stored_stays(scores):
    path = scores.pictures.folder("test")
    stored = sorted(scores.stored.folder.glob("[!.]*"))
    path.write_text(path.read_text() + "9,0,0,0\n")
    with pytest.raises(ActivationsError, match=r"test\.csv, row 46, column label: 9 is out of"):
        scores.evaluate()
    assert sorted(scores.stored.folder.glob("[!.]*")) == stored
    path.unlink()
    with pytest.raises(WorkspaceError, match=r"cannot read the table .*test\.csv .*\[tables\] in"):
        scores.evaluate()
    assert "cannot read the table" in str(scores.status("test").problem)


def test_a_run_that_is_stopped_leaves_nothing(tmp_path):
    files = write_sets(tmp_path)
    workspace = Workspace.create_from_tables(tmp_path / "w", files)
    write(files["train"], labelled(90, 4))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workspace.extract(progress=stop)
    assert not list(workspace.stored.folder.glob(".writing*"))
    assert workspace.evaluate().train.n_readable == 90


def test_there_is_no_network_and_that_is_said(scores):
    for wanted in (
        scores.classifier.load_engine,
        scores.classifier.load,
        scores.classifier.load_exported_network,
        lambda: scores.classifier.weights_path,
    ):
        with pytest.raises(WorkspaceError, match=r"has no network to run over pictures. Give a t"):
            wanted()
    with pytest.raises(WorkspaceError, match="has no pictures, for it is made of"):
        scores.pictures.find("test")


def test_a_network_beside_tables_is_refused(scores):
    path = scores.folder / FILE_NAME
    text = path.read_text()
    path.write_text(text.replace("classes =", 'architecture = "resnet18"\nclasses ='))
    with pytest.raises(WorkspaceError, match=r"classifier\.architecture stands beside \[tables\]"):
        Workspace.open(scores.folder)
    path.write_text(text + '\n[folders]\ntrain = "train"\n')
    with pytest.raises(WorkspaceError, match=r"folders\.train stands beside \[tables\]"):
        Workspace.open(scores.folder)
    path.write_text("\n".join(line for line in text.splitlines() if "test =" not in line))
    with pytest.raises(WorkspaceError, match=r"tables\.test is missing"):
        Workspace.open(scores.folder)


def test_pictures_that_a_table_names_are_shown_where_they_may_be(tmp_path):
    folder, outside = tmp_path / "allowed", tmp_path / "outside"
    for place in (folder / "pictures", outside):
        place.mkdir(parents=True)
        Image.new("RGB", (8, 8), (9, 90, 120)).save(place / "a.png")
    files = write_sets(folder)
    table = of_sets()["test"]
    paths = ["pictures/a.png", str(folder / "pictures" / "a.png")]
    table["path"] = [*paths, "../outside/a.png", str(outside / "a.png"), *["gone.png"] * 41]
    write(files["test"], table)
    workspace = Workspace.create_from_tables(folder / "w", files)
    roots = AllowedRoots((folder,))
    assert roots.open(workspace.folder).classes == CLASSES
    for path in paths:
        assert roots.picture(workspace, "test", path) == folder / "pictures" / "a.png"
    for path in table["path"][2:4]:
        with pytest.raises(WorkspaceError):
            roots.picture(workspace, "test", path)
    activations = workspace.stored.required("test")
    found = sample_pictures(workspace, "test", activations, 45, roots)
    assert [sample.caption for sample in found] == ["ash", "birch"]
    assert len(sample_pictures(workspace, "test", activations, 45)) == 2
    with pytest.raises(WorkspaceError, match=r"names under \[tables\], is not under an allowed"):
        AllowedRoots((workspace.folder,)).open(workspace.folder)
    (folder / "link.csv").symlink_to(files["test"])
    os.replace(files["test"], outside / "test.csv")
    (files["test"]).symlink_to(outside / "test.csv")
    with pytest.raises(WorkspaceError, match="is not under an allowed folder"):
        roots.open(workspace.folder)


def test_the_doctor_says_what_applies(tmp_path, scores):
    sound = examine(scores)
    assert sound.is_sound
    assert "no network to look at" in sound.not_examined[0]
    files = write_sets(tmp_path)
    for split in ("train", "test"):
        table = of_sets()[split]
        write(files[split], table.assign(label=(table["label"] + 1) % 3))
    [finding] = examine(scores).findings
    assert finding.kind == "class order"
    assert "do not name the same classes" in finding.sentence
    assert "'birch', 'cedar', 'ash'" in finding.advice
    write(files["test"], of_sets()["test"].assign(logit_ash=np.nan))
    assert "row 1, column logit_ash: is empty" in examine(scores).findings[0].sentence
    for split, table in of_sets().items():
        write(files[split], table.assign(**{f"logit_{name}": 7.0 for name in CLASSES}))
    advice = {finding.kind: finding.advice for finding in examine(scores).findings}
    assert advice["constant"].startswith("Look where the tables are written")
    assert not any("weights" in words or "[transform]" in words for words in advice.values())


def test_torch_is_never_imported(tmp_path):
    files = write_sets(tmp_path)
    code = (
        "import sys\n"
        "from openmax_core.cli.main import main\n"
        f"w = {str(tmp_path / 'w')!r}\n"
        f"tables = ['--train-table', {str(files['train'])!r}, '--test-table', "
        f"{str(files['test'])!r}, '--reject-table', {str(files['reject'])!r}]\n"
        "for line in (['init', w, *tables], ['extract', w], ['evaluate', w], ['doctor', w],\n"
        f"             ['predict', w, {str(files['reject'])!r}], ['report', w], ['export', w],\n"
        f"             ['monitor', w, {str(files['test'])!r}]):\n"
        "    assert main(line) == 0, line\n"
        "assert 'torch' not in sys.modules and 'torchvision' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- features ------------------------------------------------------------------------------------


def write_features(folder: Path, suffix: str = ".csv", width: int = 5) -> dict[str, Path]:
    files = {}
    for split, table in of_sets().items():
        values = {f"feature_{place}": table["logit_ash"] * place for place in range(width)}
        files[split] = write(folder / f"{split}{suffix}", table.assign(**values))
    return files


def test_features_of_tables_are_stored_where_they_are_asked_for(tmp_path):
    files = write_features(tmp_path)
    plain = Workspace.create_from_tables(tmp_path / "plain", files)
    assert "train.csv has 5 features; they are not stored" in " ".join(plain.notes)
    made = Workspace.create_from_tables(tmp_path / "made", files, features=True)
    assert "features take 0.0 kB for each row" in " ".join(made.notes)
    for split, table in of_sets().items():
        found = made.stored.required(split)
        expected = np.outer(table["logit_ash"], np.arange(5)).astype(np.float16)
        np.testing.assert_allclose(np.asarray(found.features), expected, rtol=1e-3)
        assert plain.stored.required(split).features is None
        assert found.logits.tobytes() == plain.stored.required(split).logits.tobytes()
    report = made.extract()
    assert report.n_features == 5
    assert "Nothing to do" in report.in_words


def test_features_of_tables_are_turned_on_and_off(tmp_path):
    workspace = Workspace.create_from_tables(tmp_path / "scores", write_features(tmp_path))
    before = workspace.evaluate().data
    settings = workspace.settings
    on = replace(settings, classifier=replace(settings.classifier, features=True))
    workspace.save_settings(on)
    workspace = Workspace.open(workspace.folder)
    assert not workspace.status("test").is_current
    report = workspace.extract()
    assert report.n_run == {"train": N_TRAIN, "test": N_TEST, "reject": N_REJECT}
    features = workspace.stored.required("test").features
    assert features is not None
    assert features.shape == (N_TEST, 5)
    workspace.save_settings(settings)
    assert "Nothing to do" in workspace.extract().in_words
    assert workspace.evaluate().data == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature_5": 1.0}, r"test\.csv has 6 features, and .*train\.csv has 5; all tables"),
        ({"feature_x": 1.0}, r"test\.csv has the features 'feature_x', which .*train\.csv has not"),
        (None, r"test\.csv has no columns feature_<i>"),
    ],
)
def test_tables_of_other_features_are_refused_by_name(tmp_path, change, words):
    files = write_features(tmp_path)
    table = pd.read_csv(files["test"])
    if change is None:
        table = table.drop(columns=[f"feature_{place}" for place in range(5)])
    else:
        table = table.assign(**change)
        table = table.drop(columns=["feature_4"]) if "feature_x" in change else table
    write(files["test"], table)
    with pytest.raises(ActivationsError, match=words):
        Workspace.create_from_tables(tmp_path / "scores", files, features=True)
    assert not (tmp_path / "scores").exists()
