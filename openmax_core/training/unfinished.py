"""What an interrupted training leaves in the workspace, so that the same run can go on.

    ARCHITECTURE-unfinished.safetensors   the best weights so far
    ARCHITECTURE-unfinished.pt            all that the next epoch needs

The second is a file of torch: a ZIP archive. One more entry of it, :data:`ENTRY`, holds settings
and finished epochs as JSON, so that they are read without torch and without the tensors. Files of
an earlier version have no such entry.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openmax_core.errors import ClassifierError, OpenMaxError, first_line
from openmax_core.support.codec import parse_json, rebuilt
from openmax_core.support.files import write_bytes_atomically
from openmax_core.training.progress import PHASES, Epoch
from openmax_core.training.settings import TrainingSettings
from openmax_core.workspace.workspace import Workspace

ENTRY = "archive/openmax.json"  # torch reads nothing beside the folder that it calls so
MOST_BYTES = 1 << 24  # of the entry


@dataclass(frozen=True)
class Unfinished:
    """A training that was interrupted.

    Attributes
    ----------
    settings : None where an earlier version wrote the file
    backbone_weights, device : as they were given to :func:`openmax_core.training.training.train`
    epochs : those that are done, at least one; none where an earlier version wrote the file
    """

    settings: TrainingSettings | None = None
    backbone_weights: str | None = None
    device: str = "auto"
    epochs: tuple[Epoch, ...] = ()

    @property
    def in_words(self) -> str:
        """After which epoch it goes on."""
        return after_in_words(self.epochs[-1]) if self.epochs else "after its last whole epoch"


def after_in_words(epoch: Epoch) -> str:
    """'after epoch 3 of all layers', for what goes on after an epoch."""
    return f"after epoch {epoch.number} of {PHASES[epoch.phase]}"


def unfinished_weights(workspace: Workspace) -> Path:
    """Where the best weights of a training that has not ended are kept."""
    name = f"{workspace.settings.classifier.file_name}-unfinished.safetensors"
    return workspace.folder / name


def checkpoint_of(unfinished: Path) -> Path:
    """Where all that the next epoch needs is kept, beside the best weights."""
    return unfinished.with_suffix(".pt")


def find_unfinished(workspace: Workspace) -> Unfinished | None:
    """Return the interrupted training of a workspace, None where there is none.

    Raises
    ------
    ClassifierError
        The file is damaged; it is named, with the way out.
    """
    path = checkpoint_of(unfinished_weights(workspace))
    return _described(path) if path.exists() else None


def write_checkpoint(path: Path, values: dict[str, Any], run: Unfinished) -> None:
    """Write all that the next epoch needs, and the description of the run."""
    import torch

    content = io.BytesIO()
    torch.save(values, content)
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(ENTRY, json.dumps(asdict(run)))
    write_bytes_atomically(path, content.getvalue())


def read_checkpoint_file(path: Path) -> tuple[dict[str, Any], Unfinished]:
    """Read what :func:`write_checkpoint` wrote; nothing is unpickled.

    Raises
    ------
    ClassifierError
        The file is damaged; it is named, with the way out.
    """
    import torch

    run = _described(path)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(values["key"], str):
            raise TypeError("its key is no text")
    except Exception as error:  # what is damaged shows in many kinds of errors
        raise damaged(path, error) from error
    return values, run


def damaged(path: Path, error: BaseException) -> ClassifierError:
    """Return the error that says so of a checkpoint."""
    return ClassifierError(
        f"{path} is of an interrupted training and cannot be read ({first_line(error)}); start "
        "anew (in the shell with --anew), or remove it"
    )


def _described(path: Path) -> Unfinished:
    try:
        with zipfile.ZipFile(path) as archive:
            if ENTRY not in archive.namelist():
                return Unfinished()
            if archive.getinfo(ENTRY).file_size > MOST_BYTES:
                raise OpenMaxError(f"{ENTRY} is too large")
            run = rebuilt(Unfinished, parse_json(archive.read(ENTRY)))
            if any(epoch.phase not in PHASES for epoch in run.epochs):
                raise OpenMaxError("an epoch is of no phase")
    except (OSError, zipfile.BadZipFile, OpenMaxError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, error) from error
    return run
