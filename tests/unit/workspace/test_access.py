"""Which folders the dashboard opens, and which it refuses."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

import pytest

from openmax_core.errors import OpenMaxError, PictureError, WorkspaceError
from openmax_core.workspace.access import MAX_FOUND, VARIABLE, AllowedRoots, workspace_names
from openmax_core.workspace.samples import sample_pictures, sample_upload
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import make_workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


def small(folder: Path, name: str = "Trees") -> Workspace:
    return make_workspace(folder, n_train=1, n_test=1, n_reject=1, stored=False, name=name)


# --- checking a path -------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [".", "inner", "inner/../inner", "not/yet/there"])
def test_what_lies_under_a_root_is_allowed_and_resolved(root: Path, inside: str) -> None:
    allowed = AllowedRoots((root,))
    assert allowed.check(root / inside) == (root / inside).resolve()
    assert allowed.check(str(root / inside)) == (root / inside).resolve()


@pytest.mark.parametrize(
    "outside", ["..", "../outside", "inner/../../outside", "../root-of-another", "/", "/etc/passwd"]
)
def test_what_lies_elsewhere_is_refused_and_the_way_out_is_said(
    root: Path, outside: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(root)
    resolved = (root / outside).resolve()
    with caplog.at_level(logging.WARNING), pytest.raises(WorkspaceError) as caught:
        AllowedRoots((root,)).check(outside, "what was typed")
    assert str(caught.value) == (
        "what was typed is not under an allowed folder. Allowed are the folders under "
        f"{root}. Whoever started the dashboard can add it to {VARIABLE}; the server's log says how"
    )
    (message,) = caplog.messages
    assert message.startswith(f"{resolved} is not under an allowed folder ({root}). ")
    gone = "" if resolved.exists() else ", which does not exist"
    way_out = f"To allow it{gone}, start with {VARIABLE}={root}{os.pathsep}{resolved}"
    if resolved == Path("/"):
        way_out = "It is the whole disk: allow a folder of it instead"
    assert message.endswith(way_out)


def test_what_was_allowed_before_stays_in_the_way_to_allow_more(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "a b").mkdir()
    given = os.pathsep.join([str(root / "a b"), "s3://trees/2026", str(root / "inner")])
    monkeypatch.setenv(VARIABLE, given)
    allowed = AllowedRoots.from_environment(root / "demo").including(small(root / "trees"))
    asked = root.parent / "outside"
    with pytest.raises(WorkspaceError) as caught:
        allowed.check(asked)
    named = f"Allowed are the folders under {root / 'a b'} and {root / 'inner'}. "
    assert named in str(caught.value)  # neither demos nor what the server was started with
    assert caplog.messages[-1].endswith(f"{VARIABLE}='{given}{os.pathsep}{asked}'")
    with pytest.raises(WorkspaceError) as caught:
        allowed.check_pictures("s3://oaks/x?endpoint_override=host%3A9000")
    assert "Allowed are those under s3://trees/2026. " in str(caught.value)
    added = f"{given}{os.pathsep}s3://oaks/x?endpoint_override=host%3A9000"
    assert caplog.messages[-1].endswith(f"{VARIABLE}='{added}'")
    monkeypatch.setenv(VARIABLE, added)
    assert AllowedRoots.from_environment().check_pictures(
        "s3://oaks/x?endpoint_override=host%3A9000"
    )


def test_without_the_variable_the_present_folder_stays_allowed(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(root)
    asked = root.parent / "outside"
    with pytest.raises(WorkspaceError):
        AllowedRoots.from_environment().check(asked)
    assert caplog.messages[-1].endswith(f"{VARIABLE}={root}{os.pathsep}{asked}")


def test_a_root_in_another_is_not_named_and_one_that_is_not_there_is_logged(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, os.pathsep.join(map(str, (root / "inner", root, root / "iner"))))
    assert AllowedRoots.from_environment().names == (root,)
    assert caplog.messages == [
        f"{VARIABLE}: {root / 'iner'} does not exist; did you mean {root / 'inner'}?"
    ]


def test_a_link_out_of_a_root_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    with pytest.raises(WorkspaceError, match="link is not under an allowed folder") as caught:
        AllowedRoots((root,)).check(root / "link")
    assert "outside" not in str(caught.value)  # where it leads is for the server's log alone


@pytest.mark.parametrize(
    "name",
    [
        "activations",
        "batches",
        "operating_point.json",
        FILE_NAME,
        "activations/test-1",
        "resnet18-unfinished.pt",
    ],
)
def test_a_link_in_the_workspace_that_leads_out_is_refused_with_its_name(
    root: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder, outside = small(root / "trees").folder, root.parent / "outside" / "secret"
    if (folder / name).is_file():
        (folder / name).rename(outside)
    else:
        (folder / name).parent.mkdir(exist_ok=True)
        outside.mkdir()
    (folder / name).symlink_to(outside)
    with pytest.raises(WorkspaceError) as caught:
        AllowedRoots((root,)).open(folder)
    assert str(caught.value).startswith(f"the link {name} in the workspace is not under an allowed")
    assert str(outside) not in str(caught.value)
    assert str(outside) in caplog.text
    # Its owner, who starts the server with it, may keep it where they like.
    allowed = AllowedRoots((root,)).including(Workspace.open(folder))
    assert allowed.open(folder).folder == folder


def test_links_within_the_roots_are_followed(root: Path) -> None:
    folder = small(root / "trees").folder
    (root / "inner" / "stored").mkdir()
    (folder / "activations").symlink_to(root / "inner" / "stored")
    assert AllowedRoots((root,)).open(folder).folder == folder


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "red/../../x.png", "", "a\0b"])
def test_a_stored_path_that_leads_out_of_its_folder_is_refused(root: Path, path: str) -> None:
    workspace = small(root / "trees")
    for find in (
        partial(workspace.pictures.picture, "test"),
        partial(AllowedRoots((root,)).picture, workspace, "test"),
        partial(sample_upload, workspace, "test"),
    ):
        with pytest.raises(OpenMaxError, match="leads out of its folder"):
            find(path)


def test_a_stored_path_through_a_link_out_of_the_roots_is_refused(root: Path) -> None:
    workspace = small(root / "trees")
    name = workspace.pictures.find("test").paths[0]
    assert AllowedRoots((root,)).picture(workspace, "test", name)
    file = workspace.pictures.folder("test") / name
    moved = file.rename(root.parent / "outside" / "secret.png")
    file.symlink_to(moved)
    assert workspace.pictures.picture("test", name) == file
    with pytest.raises(WorkspaceError) as caught:
        AllowedRoots((root,)).picture(workspace, "test", name)
    assert str(caught.value).startswith(f"test/{name} is not under an allowed folder")
    with pytest.raises(PictureError, match="is not under an allowed folder"):
        sample_upload(workspace, "test", name, AllowedRoots((root,)))
    n_files = len(workspace.pictures.find("test"))
    shown = sample_pictures(workspace, "test", None, n_files, AllowedRoots((root,)))
    assert len(shown) == n_files - 1


def test_a_link_into_a_root_is_allowed(root: Path) -> None:
    (root.parent / "outside" / "link").symlink_to(root / "inner")
    assert AllowedRoots((root,)).check(root.parent / "outside" / "link") == root / "inner"


@pytest.mark.parametrize("path", ["a\0b", "~nobody-of-this-name/x"])
def test_what_is_no_path_is_an_error_of_ours(root: Path, path: str) -> None:
    with pytest.raises(WorkspaceError):
        AllowedRoots((root,)).check(path)


def test_a_link_that_leads_to_itself_is_an_error_of_ours(root: Path) -> None:
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(WorkspaceError):
        AllowedRoots((root,)).open(root / "loop")


# --- roots -----------------------------------------------------------------------------------


def test_roots_come_from_the_environment(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(root)
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path / "link"), "", str(root), "/srv"]))
    monkeypatch.chdir(tmp_path / "outside")
    assert AllowedRoots.from_environment(tmp_path).roots == (root, Path("/srv").resolve(), tmp_path)


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_it_is_the_present_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    monkeypatch.chdir(root)
    assert AllowedRoots.from_environment().roots == (root,)


def test_a_home_folder_may_be_written_with_a_tilde(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv(VARIABLE, "~/inner")
    assert AllowedRoots.from_environment().roots == (root / "inner",)


# --- opening a workspace ---------------------------------------------------------------------


def test_a_workspace_under_a_root_is_opened(root: Path) -> None:
    small(root / "trees")
    assert AllowedRoots((root,)).open(root / "trees").settings.name == "Trees"


def test_a_workspace_that_is_mistyped_is_answered_with_the_nearest_name(root: Path) -> None:
    small(root / "trees")
    for asked, meant in (("tres", "trees"), ("Trees/x", "trees")):
        with pytest.raises(WorkspaceError) as caught:
            AllowedRoots((root,)).open(root / asked)
        assert str(caught.value) == (
            f"the folder {root / asked} does not exist; did you mean {root / meant}? "
            "'openmax init' and the page Workspace make a new one"
        )


def test_what_lies_beside_a_root_that_is_not_there_is_not_told(root: Path) -> None:
    small(root / "trees")
    with pytest.raises(WorkspaceError) as caught:
        AllowedRoots((root / "tree",)).open(root / "tree")
    assert str(caught.value) == (
        f"the folder {root / 'tree'} does not exist; 'openmax init' and the page Workspace make a "
        "new one"
    )


def test_a_workspace_elsewhere_is_refused_unread(root: Path) -> None:
    small(root.parent / "outside" / "trees")
    with pytest.raises(WorkspaceError, match="not under an allowed folder"):
        AllowedRoots((root,)).open(root.parent / "outside" / "trees")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('reject = "reject"', 'reject = "../../outside"'),
        ('train = "train"', 'train = "/etc"'),
        ('weights = "weights.safetensors"', 'weights = "../../outside/w.pth"'),
    ],
)
def test_a_workspace_that_names_what_lies_elsewhere_is_refused(
    root: Path, line: str, instead: str
) -> None:
    path = small(root / "trees").folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    assert line in text
    path.write_text(text.replace(line, instead), encoding="utf-8")
    with pytest.raises(WorkspaceError, match="is not under an allowed folder"):
        AllowedRoots((root,)).open(root / "trees")


def test_a_picture_folder_that_links_elsewhere_is_refused(root: Path) -> None:
    workspace = small(root / "trees")
    moved = workspace.pictures.folder("reject").rename(root.parent / "outside" / "reject")
    (workspace.folder / "reject").symlink_to(moved)
    with pytest.raises(WorkspaceError, match=r"reject, which the workspace names .* is not under"):
        AllowedRoots((root,)).open(workspace.folder)


def test_a_workspace_without_weights_is_opened(root: Path) -> None:
    path = small(root / "trees").folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('weights = "weights.safetensors"\n', ""), encoding="utf-8")
    assert AllowedRoots((root,)).open(root / "trees").settings.classifier.weights is None


def test_a_workspace_of_the_start_is_allowed_with_all_that_it_names(root: Path) -> None:
    outside = root.parent / "outside"
    workspace = small(outside / "trees")
    workspace.pictures.folder("reject").rename(outside / "oaks")
    (workspace.folder / "weights.safetensors").rename(outside / "w.safetensors")
    path = workspace.folder / FILE_NAME
    text = path.read_text(encoding="utf-8").replace('reject = "reject"', 'reject = "../oaks"')
    text = text.replace('"weights.safetensors"', '"../w.safetensors"')
    path.write_text(text, encoding="utf-8")
    allowed = AllowedRoots((root,)).including(Workspace.open(workspace.folder))
    assert allowed.open(workspace.folder).pictures.folder("reject") == outside / "oaks"
    assert set(allowed.roots) >= {root, outside / "trees", outside / "oaks"}
    for other in (outside, outside / "w2.safetensors"):
        with pytest.raises(WorkspaceError, match="not under an allowed folder"):
            allowed.check(other)


# --- finding workspaces ----------------------------------------------------------------------


def searching(*roots: Path) -> AllowedRoots:
    return AllowedRoots(roots, roots)


def put_settings(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE_NAME).touch()


def test_workspaces_are_found_up_to_two_levels_down(root: Path) -> None:
    put_settings(root / "b", root / "a" / "y", root / "a" / "x", root / "a" / "x" / "deep")
    put_settings(root / ".hidden", root / "a" / ".hidden")
    assert searching(root).find() == [root / "a" / "x", root / "a" / "y", root / "b"]


def test_what_a_workspace_of_the_start_names_is_allowed_but_not_searched(root: Path) -> None:
    workspace = small(root.parent / "outside" / "trees")
    put_settings(workspace.pictures.folder("reject"), root / "own")
    assert searching(root).including(workspace).find() == [root / "own"]


def test_a_root_that_is_a_workspace_is_found(root: Path) -> None:
    put_settings(root)
    assert searching(root).find() == [root]


def test_overlapping_roots_give_each_workspace_once(root: Path) -> None:
    put_settings(root / "inner", root / "inner" / "x")
    found = searching(root, root / "inner").find()
    assert found == [root / "inner", root / "inner" / "x"]


def test_roots_that_do_not_exist_hold_nothing(root: Path) -> None:
    (root / "file").touch()
    assert searching(root / "gone", root / "file").find() == []


def test_no_more_than_the_limit_are_listed(root: Path) -> None:
    put_settings(*(root / f"{index:03d}" for index in range(MAX_FOUND + 5)))
    found = searching(root).find()
    assert len(found) == MAX_FOUND == 200
    assert found[-1] == root / "199"


def test_a_link_out_of_the_roots_is_not_listed(root: Path) -> None:
    put_settings(root.parent / "outside" / "secret", root / "own")
    (root / "link").symlink_to(root.parent / "outside" / "secret")
    (root / "further").symlink_to(root.parent / "outside")
    assert searching(root).find() == [root / "own"]


# --- names -----------------------------------------------------------------------------------


def test_names_are_those_of_the_settings_and_distinct(root: Path) -> None:
    folders = [small(root / name, shown).folder for name, shown in (("a", "Trees"), ("b", "Oaks"))]
    folders += [small(root / name).folder for name in ("c", "d")]
    assert workspace_names(folders) == {
        "Trees": root / "a",
        "Oaks": root / "b",
        f"Trees ({root / 'c'})": root / "c",
        f"Trees ({root / 'd'})": root / "d",
    }


def test_a_workspace_that_cannot_be_read_goes_by_its_folder(root: Path) -> None:
    put_settings(root / "broken")
    (root / "broken" / FILE_NAME).write_text("name = ", encoding="utf-8")
    assert workspace_names([root / "broken"]) == {"broken": root / "broken"}


def test_a_workspace_that_is_not_made_yet_goes_by_the_name_that_it_will_have(root: Path) -> None:
    own = small(root / "a", "Trees").folder
    names = {root / "later": "Digits", own: "another name"}
    assert workspace_names([own, root / "later"], names) == {"Trees": own, "Digits": root / "later"}


def test_paths_in_what_a_page_says_begin_at_the_root(tmp_path: Path) -> None:
    roots = AllowedRoots((tmp_path, tmp_path / "inner"))
    assert roots.shown(f"{tmp_path}/trees/a.toml: no") == "trees/a.toml: no"
    assert roots.shown(f"'{tmp_path}/trees' and {tmp_path}/oaks.") == "'trees' and oaks."
    assert roots.shown(f"the folder {tmp_path}.") == f"the folder {tmp_path.name}."
    assert roots.shown(f"{tmp_path}/inner/a") == "a"
    for other in (f"{tmp_path}-2/a", f"/srv{tmp_path}/a", "/etc/passwd", "no path"):
        assert roots.shown(other) == other
    assert AllowedRoots((Path("/"),)).shown("/etc/passwd") == "/etc/passwd"
    named = AllowedRoots((tmp_path,), named=(tmp_path,))  # what visitors type stays whole
    assert named.shown(f"{tmp_path}/trees is under {tmp_path}.") == f"trees is under {tmp_path}."
