"""What pages say of a workspace that cannot be calibrated, and the check on request."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from openmax_core.diagnosis.examine import examine
from openmax_core.workspace.workspace import Workspace
from pages._shared import diagnosis as shown
from tests.app.visitor import button, texts
from tests.support.colours import create, write_sound


@pytest.fixture(autouse=True)
def few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmax_core.diagnosis.trials.MOST_TRIED", 16)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    write_sound(folder)
    return folder


@pytest.fixture
def permuted(pictures: Path, tmp_path: Path) -> Workspace:
    """A workspace whose classes do not stand in the order of classes than the network's outputs."""
    folder = Path(shutil.copytree(pictures, tmp_path / "study"))
    workspace = create(folder, classes=("green", "blue", "red"))
    store_wrong(workspace)
    return workspace


def store_wrong(workspace: Workspace) -> None:
    """Store logits as that network gives them: each class has the output of another."""
    for split in workspace.pictures.splits:
        files = workspace.pictures.find(split)
        logits = -4 * torch.ones(len(files), 3)
        logits += 0.1 * torch.randn(len(files), 3, generator=torch.Generator().manual_seed(0))
        places = [(int(label) + 1) % 3 for label in files.labels]
        logits[range(len(files)), places] += 8
        workspace.stored.store.save(split, files, dict(enumerate(logits.numpy())), 3)


def when_examined(app: AppTest, workspace: Workspace) -> AppTest:
    """The page once the examination is over."""
    shown._examination(workspace).result(50)
    return app.run()


@pytest.mark.parametrize("page", ["overview", "threshold", "weibull", "upload", "monitor"])
def test_a_page_that_cannot_calibrate_says_why_and_what_to_write(open_app, permuted, page):
    app = open_app(permuted.folder, page)
    assert "0 correctly classified pictures" in texts(app.error)
    app = when_examined(app, permuted)
    assert "outputs do not stand in the order of classes" in texts(app.markdown)
    written = [str(item.value) for item in app.code]
    assert written[0].startswith('[classifier]\nclasses = ["')
    assert written[1] == f"openmax extract {permuted.folder}"
    assert not app.exception


def test_the_examination_is_made_once_for_all_pages_and_visitors(open_app, permuted, monkeypatch):
    calls: list[Path] = []

    def counted(item, **named):
        calls.append(item.folder)
        return examine(item, **named)

    monkeypatch.setattr(shown, "examine", counted)
    when_examined(open_app(permuted.folder), permuted)
    when_examined(open_app(permuted.folder, "weibull"), permuted)
    assert calls == [permuted.folder]


def test_a_large_network_is_examined_on_request_alone(open_app, permuted, monkeypatch):
    monkeypatch.setattr(shown, "is_quick", lambda item: False)
    app = open_app(permuted.folder)
    assert not app.code
    button(app, "Look for the reason").click().run()
    assert when_examined(app, permuted).code


def test_the_workspace_page_checks_on_request_and_looks_again(open_app, permuted):
    app = open_app(permuted.folder, "workspace")
    assert not app.code
    button(app, "Check this workspace").click().run()
    app = when_examined(app, permuted)
    assert "do not stand in the order of classes" in texts(app.markdown)
    assert "24 test pictures" in texts(app.caption)
    (permuted.folder / "test" / "loose.png").write_bytes(b"")
    button(app, "Look again").click().run()
    assert "in no class folder" in texts(when_examined(app, permuted).markdown)


def test_a_sound_workspace_is_said_to_be_sound(open_app, pictures, tmp_path):
    workspace = create(Path(shutil.copytree(pictures, tmp_path / "study")))
    app = open_app(workspace.folder, "workspace")
    button(app, "Check this workspace").click().run()
    assert "Nothing is wrong." in texts(when_examined(app, workspace).success)


def test_an_examination_that_fails_says_so(open_app, permuted, monkeypatch):
    def fail(item, **named):
        raise RuntimeError("lost")

    monkeypatch.setattr(shown, "examine", fail)
    app = open_app(permuted.folder)
    with pytest.raises(Exception, match="lost"):
        shown._examination(permuted).result(50)
    assert "unexpected RuntimeError: lost" in texts(app.run().error)
