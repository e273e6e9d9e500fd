"""Embedded demos: each a workspace in the user's cache folder, made of what is shipped with us.

A demo is made at its first opening: pictures, weights and settings go to a folder beside its place,
which is renamed once it is whole. What it was made of is noted in it (``.demo.json``), so that a
later version with other pictures or settings brings it up to date. What the user has saved in it
stays: operating points, and the defaults in ``workspace.toml``.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.network.onnx_export import keep
from openmax_core.network.spec import NamedClassifier
from openmax_core.support.codec import found_object
from openmax_core.support.files import (
    fingerprint,
    new_folder,
    write_bytes_atomically,
    write_text_atomically,
)
from openmax_core.workspace.settings import (
    FILE_NAME,
    WorkspaceSettings,
    read_settings,
    write_settings,
)
from openmax_core.workspace.workspace import Workspace

ASSETS = Path(__file__).parents[2] / "assets" / "demo"
NOTE = ".demo.json"
MAKING = ".making-demo-"


@dataclass(frozen=True)
class Demo:
    """What a demo is made of.

    Attributes
    ----------
    key : str
        Name of its folder in the cache.
    settings : WorkspaceSettings
        Its weights lie under the same name in ``assets/demo``, the exported network beside them.
    version : function of the folder ``assets/demo``
        Tells pictures of one version from those of another.
    write_pictures : function of ``assets/demo`` and a folder
        Writes ``train/``, ``test/``, ``reject/`` and whatever else belongs to them.
    """

    key: str
    settings: WorkspaceSettings
    version: Callable[[Path], str]
    write_pictures: Callable[[Path, Path], None]

    @property
    def folder(self) -> Path:
        """Where it lies or would lie: in the user's cache folder, links resolved."""
        return (platformdirs.user_cache_path("openmax") / self.key).resolve()

    @property
    def weights_name(self) -> str:
        """Name of its weights file."""
        return self.settings.classifier.weights or ""

    def made_of(self, assets: Path) -> dict[str, str]:
        """Fingerprints of what is shipped for it; the weights are compared by themselves."""
        values = asdict(self.settings) | {"transform": self.settings.transform.to_dict()}
        settings = fingerprint(values)
        return {"pictures": self.version(assets), "settings": settings}


def why_not(demo: Demo) -> str:
    """Say why a demo cannot be made: there is no cache folder for it; '' where it is there or can.

    The text names no folder: visitors read it.
    """
    folder = demo.folder
    try:
        if (folder / FILE_NAME).exists():
            return ""
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_file():
            return "a file lies where its folder should be"
    except OSError as error:
        return error.strerror or str(error)
    is_writable = os.access(folder.parent, os.W_OK | os.X_OK)
    return "" if is_writable else os.strerror(errno.EACCES)


def open_demo(demo: Demo, assets: Path = ASSETS, folder: Path | None = None) -> Workspace:
    """Open a demo; make it first where it does not exist, and bring it up to date.

    Parameters
    ----------
    assets : where what is shipped lies
    folder : where the demo lies; in the user's cache without

    Raises
    ------
    WorkspaceError
        The folder cannot be written, or what is shipped is damaged.
    """
    folder = folder or demo.folder
    try:
        made_of = demo.made_of(assets)
        noted, is_whole = found_object(folder / NOTE), (folder / FILE_NAME).exists()
        if not noted and not is_whole:
            _make(demo, assets, folder, made_of)
        elif noted != made_of or not is_whole:
            _update(demo, assets, folder, noted, made_of)
        _bring_network(demo, assets, folder)
    except (OSError, OpenMaxError) as error:
        if not (folder / FILE_NAME).exists():
            raise WorkspaceError(f"cannot make the demo in {folder}: {error}") from error
        # What is there can be used as it is; the next opening tries again.
        logging.getLogger(__name__).warning("cannot update the demo in %s: %s", folder, error)
    return Workspace.open(folder)


def shipped(demo: Demo, assets: Path = ASSETS) -> NamedClassifier:
    """A demo's classifier with the weights in ``assets/demo``, beside which it is exported."""
    return NamedClassifier(assets, demo.settings.classifier, demo.settings.transform)


def exported_network(demo: Demo, assets: Path = ASSETS) -> Path:
    """Where a demo's exported network lies or would lie: beside its weights."""
    classifier = shipped(demo, assets)
    return classifier.export_paths(classifier.weights_key)[0]


def _make(demo: Demo, assets: Path, folder: Path, made_of: dict[str, str]) -> None:
    try:
        with new_folder(folder, MAKING) as made:
            demo.write_pictures(assets, made)
            shutil.copyfile(assets / demo.weights_name, made / demo.weights_name)
            write_settings(made / FILE_NAME, demo.settings)
            _note(made, made_of)
    except OSError:
        if not (folder / FILE_NAME).exists():  # else another process was faster
            raise


def _update(
    demo: Demo, assets: Path, folder: Path, noted: dict[str, Any], made_of: dict[str, str]
) -> None:
    """Put other pictures and settings in place; interrupted, the next opening does it again."""
    if noted.get("pictures") != made_of["pictures"]:
        with tempfile.TemporaryDirectory(
            prefix=MAKING, dir=folder.parent, ignore_cleanup_errors=True
        ) as name:
            demo.write_pictures(assets, made := Path(name))
            if found_object(folder / NOTE) == made_of:
                return  # another process was faster, and may extract by now
            written = sorted(made.iterdir())
            (replaced := made / ".replaced").mkdir()
            for path in written:
                if (own := folder / path.name).exists():
                    own.rename(replaced / path.name)
                path.rename(own)
        # Logits of other pictures: extracting again takes seconds, figures of before mislead.
        shutil.rmtree(folder / "activations", ignore_errors=True)
    if noted.get("settings") != made_of["settings"] or not (folder / FILE_NAME).exists():
        _update_settings(demo, folder)
    _note(folder, made_of)


def _update_settings(demo: Demo, folder: Path) -> None:
    """Write the demo's settings; defaults stay, and a network that the user has trained."""
    path, settings = folder / FILE_NAME, demo.settings
    try:
        own = read_settings(path)
    except WorkspaceError:  # missing or unreadable: nothing of it is kept
        write_settings(fresh := folder / f".{FILE_NAME}", settings)
        fresh.replace(path)
        return
    settings = replace(settings, defaults=own.defaults)
    if own.classifier.weights != demo.weights_name:
        settings = replace(settings, classifier=own.classifier)
    write_settings(path, settings)


def _bring_network(demo: Demo, assets: Path, folder: Path) -> None:
    """Copy weights and exported network where they are missing or others are shipped by now."""
    weights, own = assets / demo.weights_name, folder / demo.weights_name
    if not own.exists() or own.read_bytes() != weights.read_bytes():
        write_bytes_atomically(own, weights.read_bytes())
    exported = exported_network(demo, assets)
    if not exported.is_file():
        return
    copy, content = folder / exported.name, exported.read_bytes()
    if not copy.is_file() or copy.read_bytes() != content:
        keep(content, (copy,), own)


def _note(folder: Path, made_of: dict[str, str]) -> None:
    write_text_atomically(folder / NOTE, json.dumps(made_of, indent=2))
