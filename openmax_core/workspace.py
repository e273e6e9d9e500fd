"""A workspace: one folder that ties pictures, classifier, activations and choices together.

    workspace.toml                     settings (:mod:`openmax_core.settings`)
    train/ test/ reject/ calibration/  pictures, or wherever [folders] points
    activations/<split>-<key>/         logits and what became of every picture
    operating_point.json               the chosen threshold
    operating_points.json              others, saved under a name
    batches/                           batches that were monitored and recorded

This is the one place that knows folders and cache keys. The key of stored activations covers the
weights, the architecture, the classes, the transform, the precision, and each picture's path, size
and mtime.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openmax_core.activations import Activations
from openmax_core.assessment import Evaluation, curve_of, evaluation_of_counts
from openmax_core.batch_records import BatchRecords
from openmax_core.counted_store import CountedStore
from openmax_core.counting import Report, count, is_large
from openmax_core.errors import ActivationsError, FitError, OpenMaxError, WorkspaceError
from openmax_core.files import fingerprint, modified, sha256_of_file
from openmax_core.images import (
    PictureFiles,
    TrainTransform,
    Transform,
    find_class_folders,
    find_known_pictures,
    find_unknown_pictures,
)
from openmax_core.locations import Location, RemotePath, is_address, require_path
from openmax_core.openmax import OpenMax
from openmax_core.operating_point import OperatingPoint
from openmax_core.saved_points import SavedPoints
from openmax_core.settings import (
    FILE_NAME,
    ClassifierSettings,
    Defaults,
    WorkspaceSettings,
    read_settings,
    write_settings,
)
from openmax_core.store import ActivationStore
from openmax_core.stored_split import StoredSplit

if TYPE_CHECKING:
    from openmax_core.classifier import Classifier
    from openmax_core.engines import Engine
    from openmax_core.extraction import ExtractionReport, ProgressCallback, Runner

SPLITS = ("train", "calibration", "test", "reject")


@dataclass(frozen=True)
class SplitStatus:
    """What a split's folder holds now against what is stored.

    Attributes
    ----------
    n_files : int
        Picture files in the folder now.
    n_stored : int or None
        Files covered by the stored activations; None if there are none.
    is_current : bool
        The stored activations are those of these files and this classifier.
    problem : str or None
        Why the folder cannot be read.
    n_unfinished : int
        Pictures that a run which was interrupted has done; the next one goes on after them.
    is_compared : bool
        False where so many pictures are stored that the folder is not looked at for this; the
        other figures are then those of the store.
    """

    n_files: int
    n_stored: int | None
    is_current: bool
    problem: str | None = None
    n_unfinished: int = 0
    is_compared: bool = True


class Workspace:
    """A folder with a ``workspace.toml``.

    Parameters
    ----------
    folder : path
    settings : what its ``workspace.toml`` says

    Use :meth:`open` for an existing workspace and :meth:`create` for a new one.
    """

    def __init__(self, folder: Path, settings: WorkspaceSettings) -> None:
        self.folder = folder
        self.settings = settings

    @classmethod
    def open(cls, folder: str | Path) -> Workspace:
        """Open a workspace folder.

        Raises
        ------
        WorkspaceError
            No ``workspace.toml`` there, or one with a mistake; the setting is named.
        """
        folder = Path(folder).expanduser().resolve()
        return cls(folder, read_settings(folder / FILE_NAME))

    @classmethod
    def create(
        cls,
        folder: str | Path,
        architecture: str,
        *,
        weights: str | Path | None = None,
        train: str | Location = "train",
        test: str | Location = "test",
        reject: str | Location | None = None,
        calibration: str | Location | None = None,
        classes: Sequence[str] | None = None,
        name: str | None = None,
        transform: Transform | None = None,
        train_transform: TrainTransform | None = None,
        defaults: Defaults | None = None,
    ) -> Workspace:
        """Write a new ``workspace.toml`` after checking what it names.

        Parameters
        ----------
        folder : made if it does not exist
        architecture : a classification architecture of torchvision
        weights : file with trained weights; None if they will come from training
        train, test, reject, calibration : picture folders, relative to the present folder or
            absolute, or addresses; ``train`` and ``test`` lie in the workspace without
        classes : names in the order of the network's outputs; the sorted names of the class
            folders in ``train`` without

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
        named = {"train": train, "test": test, "reject": reject, "calibration": calibration}
        folders = {key: _absolute(value, folder) for key, value in named.items() if value}
        names = tuple(classes or find_class_folders(folders["train"]))
        if len(names) < 2:
            raise WorkspaceError(
                f"{folders['train']} has {len(names)} class folders; OpenMax needs pictures of at "
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
            folders={key: _relative(value, folder) for key, value in folders.items()},
            transform=transform or Transform(),
            train_transform=train_transform or TrainTransform(),
            defaults=defaults or Defaults(),
        )
        workspace = cls(folder, settings)
        for split in workspace.splits:
            workspace.find_pictures(split)
        if weights_path is None:
            from openmax_core.classifier import build_network

            build_network(architecture, len(names))
        else:
            workspace.load_classifier()
        write_settings(path, settings)
        return workspace

    @property
    def classes(self) -> tuple[str, ...]:
        """C names of the known classes, in the order of the logits."""
        return self.settings.classifier.classes

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that the workspace names, in the order in which they are extracted."""
        return tuple(split for split in SPLITS if split in self.settings.folders)

    @property
    def calibration_split(self) -> str:
        """Split that MAVs and tails come from: 'calibration' where there is one, else 'train'."""
        return "calibration" if "calibration" in self.settings.folders else "train"

    def picture_folder(self, split: str) -> Path:
        """Absolute folder of a split's pictures on this machine.

        Raises
        ------
        WorkspaceError
            The workspace names none, or an address, see :meth:`picture_location`.
        """
        location = self.picture_location(split)
        if isinstance(location, Path):
            return location
        require_path(str(location), f"the pictures of {split}")
        raise AssertionError(location)

    def picture_location(self, split: str) -> Location:
        """Absolute folder of a split's pictures, or its address.

        Raises
        ------
        WorkspaceError
            The workspace names none.
        """
        if split not in self.settings.folders:
            raise WorkspaceError(
                f'{self.folder / FILE_NAME} names no folder for {split}; add {split} = "…" under '
                "[folders]"
            )
        folder = self.settings.folders[split]
        if is_address(folder):
            return RemotePath.parse(folder)
        return (self.folder / folder).resolve()

    @property
    def weights_path(self) -> Path:
        """Absolute path of the weights file.

        Raises
        ------
        WorkspaceError
            There are no weights yet.
        """
        weights = self.settings.classifier.weights
        if weights is None:
            raise WorkspaceError(
                f"{self.folder} has no trained weights yet; run 'openmax train {self.folder}', or "
                "set weights under [classifier] in workspace.toml"
            )
        return (self.folder / Path(weights).expanduser()).resolve()

    def save_settings(self, settings: WorkspaceSettings) -> None:
        """Change ``workspace.toml``, comments kept."""
        write_settings(self.folder / FILE_NAME, settings)
        self.settings = settings

    def state(self) -> str:
        """Fingerprint of settings, weights file and stored activations, from their dates alone.

        It changes whenever figures made from this workspace may change.
        """
        paths = [self.folder / FILE_NAME, *self._stored()]
        if self.settings.classifier.weights is not None:
            paths.append(self.weights_path)
        return fingerprint([(str(path), modified(path)) for path in paths])

    def load_classifier(self) -> Classifier:
        """Build the network and load its weights. Imports torch."""
        from openmax_core.classifier import load_classifier

        return load_classifier(
            self.settings.classifier.architecture,
            self.weights_path,
            self.classes,
            self.settings.transform,
        )

    def find_pictures(self, split: str) -> PictureFiles:
        """Picture files of a split, as they lie there now.

        Raises
        ------
        WorkspaceError
            The folder is missing, empty, or has folders that are none of the classes.
        """
        folder = self.picture_location(split)
        if split == "reject":
            return find_unknown_pictures(folder)
        files = find_known_pictures(folder, self.classes)
        if split == self.calibration_split:
            present = set(find_class_folders(folder))
            absent = [name for name in self.classes if name not in present]
            if absent:
                raise WorkspaceError(
                    f"{folder} lacks a folder for the class '{absent[0]}'; OpenMax needs training "
                    "pictures of every class"
                )
        return files

    def load_engine(self, device: str = "auto", batch_size: int | None = None) -> Engine:
        """Make the network ready to run, see :func:`openmax_core.loading.load_engine`."""
        from openmax_core.loading import load_engine

        classifier, key = self.settings.classifier, self.weights_key
        engine = load_engine(
            classifier.architecture,
            self.weights_path,
            key,
            self.classes,
            self.settings.transform,
            device=device,
            batch_size=batch_size,
            precision=classifier.precision,
        )
        self._require_weights(key)
        return engine

    def load_exported_network(self) -> bytes:
        """Content of the network's ONNX file; exported first where there is none.

        Raises
        ------
        ClassifierError
            It cannot be exported, or the weights do not fit.
        """
        from openmax_core.loading import load_exported_network

        classifier, key = self.settings.classifier, self.weights_key
        content = load_exported_network(
            classifier.architecture, self.weights_path, key, self.classes, self.settings.transform
        )
        self._require_weights(key)
        return content

    def _require_weights(self, key: str) -> None:
        """Raise an error where the weights are others by now than those with this key."""
        if self.weights_key != key:
            raise WorkspaceError(
                f"the weights in {self.weights_path} were replaced in the meantime; run it again"
            )

    @property
    def classifier_key(self) -> str:
        """Fingerprint of weights, architecture, classes, transform and precision."""
        return self.store.classifier_key

    @property
    def weights_key(self) -> str:
        """SHA-256 of the weights file."""
        path = self.weights_path
        if not path.is_file():
            raise WorkspaceError(
                f"the weights file {path} does not exist; correct weights under [classifier] in "
                f"{self.folder / FILE_NAME}"
            )
        stat = path.stat()
        return _sha256(path, stat.st_size, stat.st_mtime_ns)

    def status(self, split: str) -> SplitStatus:
        """Compare a split's folder with what is stored; reads no picture."""
        if (large := self._if_many(split)) is not None:
            return SplitStatus(large.n_files, large.n_files, True, is_compared=False)
        files = wanted = stored = n_stored = problem = None
        n_unfinished = 0
        try:
            files = self.find_pictures(split)
        except OpenMaxError as error:
            problem = str(error)
        try:
            if self.settings.classifier.weights:
                wanted = self.store.folder_of(split, files) if files is not None else None
                stored = self.store.newest(split)
                n_stored = None if stored is None else len(Activations.load(stored).pictures)
                if stored is None or stored != wanted:
                    n_unfinished = self.store.shards(split).n_pictures()
        except OpenMaxError as error:
            problem = problem or str(error)
        n_files = 0 if files is None else len(files)
        is_current = stored is not None and stored == wanted
        return SplitStatus(n_files, n_stored, is_current, problem, n_unfinished)

    def extract(
        self,
        device: str = "auto",
        batch_size: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> ExtractionReport:
        """Run the network once over every picture that is new or changed, and store the logits.

        Parameters
        ----------
        device : 'auto', 'cpu', 'cuda' or 'mps'
        batch_size : pictures in one pass; by device without
        progress : called with the split and the :class:`~openmax_core.inference.Progress`; what
            it raises ends the run, and the next one goes on from there

        Raises
        ------
        WorkspaceError, ClassifierError, ActivationsError
            The folders, the weights or the disk are not as they should be.
        """
        from openmax_core.extraction import LocalRunner

        return self._extract(lambda: LocalRunner(self.load_engine(device, batch_size)), progress)

    def extract_on_cluster(
        self,
        address: str = "auto",
        device: str = "auto",
        batch_size: int | None = None,
        progress: ProgressCallback | None = None,
        *,
        patience: float = 300.0,
        most_workers: int | None = None,
    ) -> ExtractionReport:
        """Do the same on a Ray cluster whose nodes see the pictures under the same paths.

        Parameters
        ----------
        address : 'auto', or host:port of the cluster that this machine is a node of
        device : 'auto', GPUs where the cluster has any; 'cpu' or 'cuda'
        batch_size, progress : as for :meth:`extract`; 64 pictures in one pass on a GPU without
        patience : seconds without any result after which the run ends with an error
        most_workers : at most so many; as many as there are CPUs or GPUs without

        Raises
        ------
        ClusterError
            Ray is not installed, the cluster cannot be reached, or its nodes cannot do the work.
        WorkspaceError, ClassifierError, ActivationsError
            As for :meth:`extract`.
        """
        from openmax_core.cluster import Cluster
        from openmax_core.shipping import ship

        def load() -> Cluster:
            return Cluster(
                lambda device: ship(self, device, batch_size),
                address,
                device,
                patience=patience,
                most_workers=most_workers,
            )

        return self._extract(load, progress)

    def _extract(
        self, load_runner: Callable[[], Runner], progress: ProgressCallback | None
    ) -> ExtractionReport:
        from openmax_core.extraction import extract

        store = self.store

        def load() -> Runner:
            runner = load_runner()
            try:
                self._require_weights(store.made_with["weights"])
            except WorkspaceError:
                runner.close()
                raise
            return runner

        return extract(
            lambda: {split: self.find_pictures(split) for split in self.splits},
            store,
            load,
            len(self.classes),
            progress,
        )

    def has_activations(self, split: str) -> bool:
        """Tell whether activations of a split are stored, without opening them."""
        return self.store.newest(split) is not None

    def few_activations(self, split: str, most: int) -> Activations | None:
        """Stored activations of a few pictures, evenly spread, and how many there are in all.

        The split's own where it is not large.
        """
        if (stored := self._if_many(split)) is None:
            return self.activations(split)
        return stored.at(np.unique(np.linspace(0, stored.n_readable - 1, most).astype(np.int64)))

    def _if_many(self, split: str) -> StoredSplit | None:
        """Stored split of a workspace that has so many pictures that they are counted in chunks."""
        try:
            names = [split, self.calibration_split, "test", "reject"]
            folders = {name: self.store.newest(name) for name in names if name in self.splits}
            found = {
                name: StoredSplit(folder) for name, folder in folders.items() if folder is not None
            }
        except OpenMaxError:  # said where the split is looked at in full
            return None
        return found.get(split) if found and is_large(found.values()) else None

    def activations(self, split: str) -> Activations | None:
        """Stored activations of a split made with this classifier; None if there are none.

        Pictures may have come or gone since: :meth:`status` tells.
        """
        folder = self.store.newest(split)
        return None if folder is None else Activations.load(folder)

    def is_large(self) -> bool:
        """Tell whether the stored activations are so many that scores are counted in chunks.

        Raises
        ------
        WorkspaceError, ActivationsError
            There are no activations yet, or they are damaged.
        """
        return is_large(self._stored_splits().values())

    def is_counted(self, preset: str | None = None, **settings: Any) -> bool:
        """Tell whether counts of a method are stored, so that :meth:`evaluate` is quick."""
        stores = [split.folder.name for split in self._stored_splits().values()]
        openmax = OpenMax(preset or self.settings.defaults.preset, **settings)
        return self.counts.holds(stores, openmax)

    def evaluate(
        self, preset: str | None = None, *, report: Report | None = None, **settings: Any
    ) -> Evaluation:
        """Calibrate a method and score test and reject set from stored activations.

        Where these are many, see :mod:`openmax_core.counting`, that is done once and its counts
        are stored.

        Parameters
        ----------
        preset : the workspace's default without
        report : called with the pictures done and to do, where they are counted
        **settings : settings of :class:`OpenMax` that differ from the preset

        Raises
        ------
        WorkspaceError
            There are no activations yet, or they are damaged.
        FitError, OpenMaxError
            The method cannot be fitted to them; the class or setting is named.
        """
        openmax = OpenMax(preset or self.settings.defaults.preset, **settings)
        splits = self._stored_splits()
        if is_large(splits.values()):
            return self._counted(openmax, splits, report)
        calibrated_on = self.calibration_split
        train, test = self._required(calibrated_on), self._required("test")
        reject = self._required("reject") if "reject" in self.splits else None
        unknown = reject.logits if reject is not None else np.empty((0, len(self.classes)))
        try:
            openmax.fit(train.logits, train.labels, self.classes)
            tested, rejected = openmax.decide(test.logits), openmax.decide(unknown)
        except (FitError, ActivationsError) as error:
            self._name_damaged({calibrated_on: train, "test": test, "reject": reject}, error)
            raise
        curve = curve_of(tested, test.labels, rejected, len(self.classes))
        used = [train, test] + ([reject] if reject is not None else [])
        data = fingerprint([item.key["store"] for item in used])
        return Evaluation(openmax, curve, train, test, reject, calibrated_on, data)

    def _counted(
        self, openmax: OpenMax, splits: dict[str, StoredSplit], report: Report | None
    ) -> Evaluation:
        """Evaluation from stored counts, which are made where there are none."""
        stores = [split.folder.name for split in splits.values()]
        counted = self.counts.load(stores, openmax)
        if counted is None:
            counted = count(openmax, self.classes, splits, report or (lambda progress: None))
            try:
                self.counts.save(stores, counted)
            except ActivationsError as error:  # good for now; the next opening counts again
                logging.getLogger(__name__).warning("counts are not kept: %s", error)
        data = fingerprint([split.key["store"] for split in splits.values()])
        return evaluation_of_counts(counted, self.calibration_split, data)

    @property
    def counts(self) -> CountedStore:
        """Stored counts of methods on many activations."""
        return CountedStore(self.folder / "activations")

    def _stored_splits(self) -> dict[str, StoredSplit]:
        """What a method is fitted to and scored on, opened without reading rows."""
        names = {"calibration": self.calibration_split, "test": "test"}
        names |= {"reject": "reject"} if "reject" in self.splits else {}
        found = {}
        for role, split in names.items():
            folder = self.store.newest(split)
            if folder is None:
                raise self._not_extracted(split)
            found[role] = StoredSplit(folder)
        return found

    def _stored(self) -> list[Path]:
        return sorted((self.folder / "activations").glob("[!.]*-*"))

    @property
    def store(self) -> ActivationStore:
        """Stored activations of this workspace's classifier."""
        classifier = self.settings.classifier
        made_with = {
            "weights": self.weights_key,
            "architecture": classifier.architecture,
            "classes": list(classifier.classes),
            "transform": asdict(self.settings.transform),
            "precision": classifier.precision,
        }
        return ActivationStore(self.folder / "activations", made_with)

    @property
    def operating_point_path(self) -> Path:
        """Where the chosen threshold is stored."""
        return self.folder / "operating_point.json"

    def operating_point(self) -> OperatingPoint | None:
        """Return the chosen threshold, None if none was chosen yet."""
        path = self.operating_point_path
        return OperatingPoint.load(path) if path.exists() else None

    def choose(self, point: OperatingPoint) -> None:
        """Make a point the workspace's own: ``openmax predict`` and new visits start with it."""
        point.save(self.operating_point_path)

    @property
    def saved_points(self) -> SavedPoints:
        """Operating points that were saved under a name."""
        return SavedPoints(self.folder / "operating_points.json")

    @property
    def batches(self) -> BatchRecords:
        """Batches that were monitored and recorded."""
        return BatchRecords(self.folder / "batches")

    def _name_damaged(
        self, used: dict[str, Activations | None], error: FitError | ActivationsError
    ) -> None:
        """Raise an error that names the picture if stored logits are not finite."""
        for split, activations in used.items():
            if activations is not None and (path := activations.first_not_finite()) is not None:
                raise WorkspaceError(
                    f"the stored logits of {split}/{path} are damaged (NaN or Inf); delete "
                    f"{self.store.newest(split)} and run the extraction again"
                ) from error

    def _required(self, split: str) -> Activations:
        activations = self.activations(split)
        if activations is None:
            raise self._not_extracted(split)
        if not len(activations):
            raise WorkspaceError(
                f"none of the {len(activations.pictures)} files in {self.picture_location(split)} "
                f"could be read; the first: {activations.pictures['error'].iloc[0]}"
            )
        return activations

    def _not_extracted(self, split: str) -> WorkspaceError:
        return WorkspaceError(
            f"the pictures of {split} have not been through the network yet; run 'openmax "
            f"extract {self.folder}' or use the Workspace page"
        )


@lru_cache(maxsize=32)
def _sha256(path: Path, size: int, mtime: int) -> str:
    """Fingerprint of a file that is read again only when its size or date change."""
    return sha256_of_file(path)


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
