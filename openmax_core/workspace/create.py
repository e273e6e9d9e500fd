"""Making a workspace: what is named for it is found, checked, and written as ``workspace.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from openmax_core.errors import WorkspaceError
from openmax_core.network.spec import ClassifierSettings, NamedClassifier
from openmax_core.pictures.folders import find_class_folders
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.workspace.sets import PictureSets
from openmax_core.workspace.settings import FILE_NAME, Defaults, WorkspaceSettings, write_settings


def make_workspace(
    folder: str | Path,
    architecture: str,
    *,
    weights: str | Path | None,
    folders: Mapping[str, str | Location | None],
    classes: Sequence[str] | None,
    name: str | None,
    transform: Transform | None,
    train_transform: TrainTransform | None,
    defaults: Defaults | None,
) -> tuple[Path, WorkspaceSettings]:
    """Write a new ``workspace.toml`` after checking what it names.

    Parameters
    ----------
    folders : by split, those that are None left out
    others : see :meth:`openmax_core.workspace.workspace.Workspace.create`

    Returns
    -------
    The absolute folder, and what its ``workspace.toml`` says.

    Raises
    ------
    WorkspaceError, ClassifierError
        There is a workspace already, or what is named does not fit together.
    """
    for given, what in ((folder, "a workspace"), (weights or "", "weights")):
        require_path(str(given), what)
    folder = Path(folder).expanduser().resolve()
    path = folder / FILE_NAME
    if path.exists():
        raise WorkspaceError(f"{path} exists already; edit it, or choose another folder")
    found = {split: _absolute(value, folder) for split, value in folders.items() if value}
    names = tuple(classes or find_class_folders(found["train"]))
    if len(names) < 2:
        raise WorkspaceError(
            f"{found['train']} has {len(names)} class folders; OpenMax needs pictures of at "
            "least 2 known classes, each in a folder of its name"
        )
    weights_path = None if weights is None else Path(weights).expanduser().resolve()
    settings = WorkspaceSettings(
        name=name or folder.name,
        classifier=ClassifierSettings(
            architecture,
            names,
            None if weights_path is None else _relative(weights_path, folder),
        ),
        folders={split: _relative(value, folder) for split, value in found.items()},
        transform=transform or Transform(),
        train_transform=train_transform or TrainTransform(),
        defaults=defaults or Defaults(),
    )
    _check(folder, settings)
    write_settings(path, settings)
    return folder, settings


def _check(folder: Path, settings: WorkspaceSettings) -> None:
    """Find the pictures of every split, and build the network."""
    pictures = PictureSets(folder, settings)
    for split in pictures.splits:
        pictures.find(split)
    classifier = settings.classifier
    if classifier.weights is None:
        from openmax_core.network.classifier import build_network

        build_network(classifier.architecture, len(classifier.classes))
    else:
        NamedClassifier(folder, classifier, settings.transform).load()


def _absolute(path: str | Location, folder: Path) -> Location:
    """Path as given, from the present folder; 'train' and the like lie in the workspace."""
    if isinstance(path, RemotePath) or is_address(str(path)):
        return RemotePath.parse(str(path))
    path = Path(path).expanduser()
    inside = folder / path
    if not path.is_absolute() and inside.exists():
        return inside.resolve()
    return path.resolve() if path.exists() else inside.resolve()


def _relative(path: Location, folder: Path) -> str:
    if isinstance(path, Path) and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return str(path)
