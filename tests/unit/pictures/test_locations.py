"""Picture folders at an address: the same as on this machine, through the same code as S3."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from openmax_core.activations.activations import Activations
from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.monitor.reading import read_batch
from openmax_core.network.classifier import build_network
from openmax_core.pictures.folders import find_known_pictures, find_unknown_pictures
from openmax_core.pictures.images import Transform
from openmax_core.pictures.locations import RemotePath
from openmax_core.prediction.choice import expand_paths
from openmax_core.workspace.access import VARIABLE, AllowedRoots
from openmax_core.workspace.samples import (
    picture_bytes,
    sample_pictures,
    sample_upload,
    thumbnail_url,
)
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace

SPLITS = ("train", "test", "reject")
ARCHITECTURE = "squeezenet1_1"  # exported in the shortest time


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names with a space and signs beyond ASCII, folders in folders, what is not to be listed."""
    folder = tmp_path_factory.mktemp("remote") / "my pictures ä"
    generator = np.random.default_rng(0)
    for split in SPLITS:
        for name in ("a b/z.png", "a b/sub/ü 1.png", "a b/sub 2/1.png", "a b/A#1%.png", "ö/0.png"):
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    (folder / "train" / "a b" / "damaged.png").write_bytes(b"no picture")
    (folder / "train" / "a b" / "Thumbs.db").write_bytes(b"")
    (folder / "train" / "ö" / ".hidden.png").write_bytes(b"")
    (folder / "train" / ".cache").mkdir()
    (folder / "train" / ".cache" / "0.png").write_bytes(b"")
    (folder / "train" / "beside.txt").write_text("beside the class folders")
    (folder / "reject" / "beside.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def pair(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    """Two workspaces on the same pictures, by path and by address, extracted."""
    base = tmp_path_factory.mktemp("pair")
    torch.manual_seed(0)
    torch.save(build_network(ARCHITECTURE, 2).state_dict(), base / "net.pth")
    made = []
    for name, start in (("by path", str(data)), ("by address", f"file://{data}")):
        workspace = Workspace.create(
            base / name,
            ARCHITECTURE,
            weights=base / "net.pth",
            train=f"{start}/train",
            test=f"{start}/test",
            reject=f"{start}/reject",
            transform=Transform((32, 32), (32, 32)),
        )
        workspace.extract("cpu")
        made.append(Workspace.open(workspace.folder))
    return made[0], made[1]


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("gs://bucket/a", "gs://… is not known; folders may be s3:// and file://"),
        ("s3://", "must be s3://bucket/prefix"),
        ("s3://bucket/a/../b", "must not hold"),
        ("s3://bucket/a/%2e%2e/b", "must not hold"),
        ("s3://bucket/a#b", "write it as %23"),
        ("file://host/a", "with three slashes"),
        ("file:///a?x=1", "with three slashes"),
    ],
)
def test_an_address_with_a_mistake_is_refused_by_name(address: str, said: str) -> None:
    with pytest.raises(WorkspaceError, match=said):
        RemotePath.parse(address)


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(WorkspaceError, match="AWS_ACCESS_KEY_ID") as caught:
        RemotePath.parse("s3://key:secret@bucket/a")
    assert "secret@" not in str(caught.value)


def test_joining_keeps_the_server_and_is_shown_without_it() -> None:
    folder = RemotePath.parse("s3://bucket/a b/?scheme=http")
    assert folder.root == "s3://bucket/a%20b?scheme=http"
    assert str(folder) == folder.root
    assert str(folder / "c" / "ü.png") == "s3://bucket/a%20b/c/ü.png"
    assert copy.deepcopy(folder / "c") == folder / "c"


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("s3://bucket/a/b", "s3://bucket/a", True),
        ("s3://bucket/a%20b", "s3://bucket/a b/", True),
        ("s3://bucket/a", "s3://bucket", True),
        ("s3://bucket/ab", "s3://bucket/a", False),
        ("s3://other/a", "s3://bucket", False),
        ("s3://bucket/a?endpoint_override=elsewhere", "s3://bucket", False),
        ("file:///etc", "s3://bucket", False),
    ],
)
def test_what_lies_under_an_address(inner: str, outer: str, expected: bool) -> None:
    assert RemotePath.parse(inner).is_under(RemotePath.parse(outer)) is expected


# --- listing and reading ---------------------------------------------------------------------


def test_the_listing_is_the_local_one(data: Path) -> None:
    classes = ("ö", "a b")
    for split, find in (
        ("train", lambda folder: find_known_pictures(folder, classes)),
        ("reject", find_unknown_pictures),
    ):
        here, there = find(data / split), find(RemotePath.parse(f"file://{data}") / split)
        assert there.paths == here.paths
        for name in ("labels", "sizes", "mtimes"):
            assert getattr(there, name).tolist() == getattr(here, name).tolist()


@pytest.mark.parametrize("name", ["nowhere", "train/a b/z.png"])
def test_no_such_folder_is_said(data: Path, name: str) -> None:
    with pytest.raises(WorkspaceError, match=r"does not exist$|cannot read file"):
        find_unknown_pictures(RemotePath.parse(f"file://{data}/{name}"))


def test_a_file_system_that_refuses_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    # No server: a region is asked for at an address where nobody listens.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    address = "s3://bucket/a?endpoint_override=127.0.0.1%3A1&scheme=http&region=eu-west-1"
    with pytest.raises(WorkspaceError, match=r"cannot read s3://bucket/a.*AWS_SECRET_ACCESS_KEY"):
        find_unknown_pictures(RemotePath.parse(address))


# --- a workspace -----------------------------------------------------------------------------


def test_logits_and_reasons_are_equal_bit_for_bit(pair: tuple[Workspace, Workspace]) -> None:
    here, there = pair
    assert there.settings.folders["train"].startswith("file:///")
    for split in SPLITS:
        mine, other = here.stored.activations(split), there.stored.activations(split)
        assert isinstance(mine, Activations)
        assert isinstance(other, Activations)
        assert other.logits.tobytes() == mine.logits.tobytes()
        assert other.pictures.equals(mine.pictures)
        assert there.status(split) == here.status(split)
        assert there.status(split).is_current
    unreadable = there.stored.activations("train")
    assert unreadable is not None
    assert unreadable.unreadable["path"].tolist() == ["a b/damaged.png"]


def test_a_workspace_may_move_to_an_address_without_a_new_run(
    pair: tuple[Workspace, Workspace],
) -> None:
    here, there = pair
    moved = Workspace(here.folder, replace(here.settings, folders=there.settings.folders))
    assert not any(moved.extract("cpu").n_run.values())


def test_an_address_that_falls_silent_ends_the_run_and_is_not_stored(
    pair: tuple[Workspace, Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(pair[1].folder, folder, ignore=shutil.ignore_patterns("activations"))
    workspace = Workspace.open(folder)
    read = RemotePath.read_bytes

    def refuse(self: RemotePath) -> bytes:
        if self.relative == "a b/z.png":
            raise WorkspaceError(f"cannot read {self} (timeout)")
        return read(self)

    monkeypatch.setattr(RemotePath, "read_bytes", refuse)
    with pytest.raises(WorkspaceError, match=r"z\.png \(timeout\)"):
        workspace.extract("cpu")
    assert not workspace.stored.has("train")
    monkeypatch.undo()
    workspace.extract("cpu")
    assert workspace.status("train").is_current


def test_pictures_are_shown_and_taken_from_an_address(pair: tuple[Workspace, Workspace]) -> None:
    here, there = pair
    mine, other = (
        sample_pictures(item, "test", item.stored.activations("test"), 4) for item in pair
    )
    assert [sample.caption for sample in other] == [sample.caption for sample in mine]
    assert [sample.picture.tobytes() for sample in other] == [
        sample.picture.tobytes() for sample in mine
    ]
    path = there.pictures.location("train") / "a b/sub/ü 1.png"
    assert thumbnail_url(path) == thumbnail_url(here.pictures.folder("train") / "a b/sub/ü 1.png")
    assert picture_bytes(there.pictures.location("train") / "gone.png") is None
    assert sample_upload(there, "test", "ö/0.png") == sample_upload(here, "test", "ö/0.png")
    with pytest.raises(OpenMaxError, match=r"cannot read test/gone\.png"):
        sample_upload(there, "test", "gone.png")


def test_what_cannot_be_at_an_address_says_so(
    pair: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match="the pictures of train must lie in a folder of this"):
        pair[1].pictures.folder("train")
    with pytest.raises(OpenMaxError, match="not at s3://bucket/a"):
        expand_paths(["s3://bucket/a"])
    with pytest.raises(OpenMaxError, match="a batch must lie"):
        read_batch(pair[1], "s3://bucket/a")
    with pytest.raises(WorkspaceError, match="weights must lie"):
        Workspace.create(tmp_path / "w", "resnet18", weights="s3://bucket/net.pth")


def test_stored_activations_of_an_address_are_a_batch_that_says_where_its_pictures_are(
    pair: tuple[Workspace, Workspace],
) -> None:
    folder = pair[1].stored.store.newest("test")
    assert folder is not None
    batch = read_batch(pair[1], folder)
    assert batch.folder is None
    assert batch.notes[0].startswith("its pictures lie at file:///")


# --- who may follow an address ---------------------------------------------------------------


def test_an_address_is_only_followed_where_the_server_was_started_with_it(
    pair: tuple[Workspace, Workspace], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = pair[1]
    refused = AllowedRoots((workspace.folder.parent, data))
    with pytest.raises(WorkspaceError, match=r"not under an allowed address \(there are none\)"):
        refused.open(workspace.folder)
    assert refused.including(workspace).open(workspace.folder).folder == workspace.folder
    monkeypatch.setenv(VARIABLE, f"{workspace.folder.parent}:file://{data}:gs://bucket")
    allowed = AllowedRoots.from_environment()
    assert allowed.roots == (workspace.folder.parent,)
    assert [str(item) for item in allowed.addresses] == [RemotePath.parse(f"file://{data}").root]
    assert allowed.open(workspace.folder).folder == workspace.folder
    with pytest.raises(WorkspaceError, match="what is opened here must lie"):
        allowed.check(f"file://{data}")


def test_a_link_out_of_an_allowed_address_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to("/etc")
    allowed = AllowedRoots((), (), (RemotePath.parse(f"file://{tmp_path}/root"),))
    with pytest.raises(WorkspaceError, match="not under an allowed address"):
        allowed.check_pictures(f"file://{tmp_path}/root/link")


def test_a_mistake_in_an_address_names_the_setting(
    pair: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    text = (pair[1].folder / FILE_NAME).read_text()
    start = pair[1].settings.folders["test"]
    (tmp_path / FILE_NAME).write_text(text.replace(start, "gs://bucket/test"))
    with pytest.raises(WorkspaceError, match=r"folders\.test is no address: gs://… is not known"):
        Workspace.open(tmp_path)
