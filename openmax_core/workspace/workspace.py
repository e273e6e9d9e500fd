"""A workspace: one folder that ties pictures, classifier, activations and choices together.

    workspace.toml                     settings (:mod:`openmax_core.workspace.settings`)
    train/ test/ reject/ calibration/  pictures, or wherever [folders] points
    activations/<split>-<key>/         logits, features, and what became of every picture
    operating_point.json               the chosen threshold
    operating_points.json              others, saved under a name
    batches/                           recorded batches (:mod:`openmax_core.monitor.records`)

Its parts do the work: :attr:`Workspace.pictures`, :attr:`Workspace.classifier` and
:attr:`Workspace.stored`. The key of stored activations covers the weights, the architecture, the
classes, the transform, the precision, and each picture's path, size and mtime.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openmax_core.activations.activations import logits_name
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.errors import (
    ActivationsError,
    ClassifierError,
    FitError,
    FolderError,
    OpenMaxError,
    WorkspaceError,
)
from openmax_core.evaluation.counting import (
    FITTED_SET,
    REJECT_SET,
    TEST_SET,
    Report,
    count,
    is_large,
)
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.extraction.extraction import (
    ExtractionReport,
    ProgressCallback,
    Runner,
    extract,
)
from openmax_core.methods.method import Method
from openmax_core.methods.registry import new_method
from openmax_core.network.spec import ClassifierSettings, NamedClassifier
from openmax_core.pictures.folders import empty_class_folders, find_class_folders
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.support.files import fingerprint, listed, modified, nearest
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.saved_points import SavedPoints
from openmax_core.workspace.features import size_in_words
from openmax_core.workspace.sets import PictureSets, SplitStatus, StoredSets, compare_split
from openmax_core.workspace.settings import (
    FILE_NAME,
    OF_TABLES,
    Defaults,
    WorkspaceSettings,
    check_settings,
    read_settings,
    write_settings,
)
from openmax_core.workspace.tables import NamedTables, plan_tables, read_tables
from openmax_core.workspace.weights import choose_transform_input, class_order

if TYPE_CHECKING:
    from openmax_core.network.checkpoint import Checkpoint
    from openmax_core.network.onnx_files import OnnxFile
    from openmax_core.pictures.folders import PictureFiles


class Workspace:
    """A folder with a ``workspace.toml``.

    Parameters
    ----------
    folder : path
    settings : what its ``workspace.toml`` says
    notes : what :meth:`create` decided and somebody should know, in sentences

    Use :meth:`open` for an existing workspace and :meth:`create` for a new one.
    """

    def __init__(
        self, folder: Path, settings: WorkspaceSettings, notes: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.notes = notes

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
        architecture: str | None = None,
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
        transform_input: bool | None = None,
        weights_entry: str | None = None,
        model: str | Path | None = None,
        output: str | None = None,
        features: bool = False,
        features_output: str | None = None,
        only_check: bool = False,
    ) -> Workspace:
        """Write a new ``workspace.toml`` after checking what it names.

        Parameters
        ----------
        folder : made if it does not exist
        architecture : a classification architecture of torchvision; None with ``model``
        weights : file with trained weights; None if they will come from training
        train, test, reject, calibration : picture folders, relative to the present folder or
            absolute, or addresses; ``train`` and ``test`` lie in the workspace without
        classes : names in the order of the network's outputs; without, the names of the class
            folders in ``train``, in the order that the weights file notes, or else sorted
        transform_input : whether GoogLeNet or Inception normalises its pictures once more, inside;
            without, found out on a few training pictures
        weights_entry : which entry of a weights file with several; the raw weights without
        model : an ONNX file, instead of architecture and weights
        output : which of its outputs holds the logits, where several could
        features : the extraction stores the penultimate activations beside the logits
        features_output : which tensor of an ONNX file holds them
        only_check : write nothing: what is returned cannot be opened yet

        Raises
        ------
        WorkspaceError, ClassifierError
            There is a workspace already, what is named does not fit together, or mean and std are
            of channels from 0 to 255.
        """
        _check_source(architecture, weights, weights_entry, model, output)
        if features_output is not None and (model is None or not features):
            raise WorkspaceError(
                "features_output names a tensor of an ONNX file whose features are stored; give "
                "the model and features too"
            )
        for given, what in ((folder, "a workspace"), (weights or model or "", "weights")):
            require_path(str(given), what)
        folder = Path(folder).expanduser().resolve()
        path = folder / FILE_NAME
        if path.exists():
            raise WorkspaceError(f"{path} exists already; edit it, or choose another folder")
        if transform is not None and transform.has_bytes_scale:
            raise WorkspaceError(transform.doubts[0])
        named = {"train": train, "test": test, "reject": reject, "calibration": calibration}
        folders = {split: _absolute(value, folder) for split, value in named.items() if value}
        for split, location in folders.items():
            _require_folder(split, location, named[split])
        checkpoint = _read(weights, weights_entry, model)
        found = () if classes else find_class_folders(folders["train"])
        names, notes = class_order(classes, found, checkpoint)
        if len(names) < 2:
            raise WorkspaceError(
                f"{folders['train']} has {len(names)} class folders; OpenMax needs pictures of at "
                "least 2 known classes, each in a folder of its name"
            )
        weights, model = (
            None if path is None else _relative(Path(path).expanduser().resolve(), folder)
            for path in (weights, model)
        )
        settings = WorkspaceSettings(
            name=name or folder.name,
            classifier=ClassifierSettings(
                architecture,
                names,
                weights,
                transform_input=bool(transform_input),
                weights_entry=weights_entry,
                model=model,
                output=output,
                features=features,
                features_output=features_output,
            ),
            folders={split: _relative(value, folder) for split, value in folders.items()},
            transform=transform or Transform(),
            train_transform=train_transform or TrainTransform(),
            defaults=defaults or Defaults(),
        )
        workspace = cls(folder, settings, notes)
        workspace._check(checkpoint, is_asked=transform_input is None)
        if only_check:
            check_settings(path, workspace.settings)
        else:
            write_settings(path, workspace.settings)
        return workspace

    @classmethod
    def create_from_tables(
        cls,
        folder: str | Path,
        tables: Mapping[str, str | Path],
        *,
        classes: Sequence[str] | None = None,
        name: str | None = None,
        defaults: Defaults | None = None,
        features: bool = False,
    ) -> Workspace:
        """Write a new ``workspace.toml`` of tables of logits, and read them.

        Parameters
        ----------
        folder : made if it does not exist
        tables : files by set: train, test, reject, calibration; or one under 'all', whose rows are
            divided (:mod:`openmax_core.workspace.tables`)
        classes : names in the order of the indices; those of the first table without
        features : their features are stored too

        Raises
        ------
        WorkspaceError, ActivationsError
            There is a workspace already, or a table is not as it should be; file, row and column
            are named.
        """
        require_path(str(folder), "a workspace")
        folder = Path(folder).expanduser().resolve()
        path = folder / FILE_NAME
        if path.exists():
            raise WorkspaceError(f"{path} exists already; edit it, or choose another folder")
        files = {}
        for split, given in tables.items():
            file = require_path(str(given), "a table").expanduser()
            inside = folder / file
            files[split] = (inside if inside.is_file() else file).resolve()
            if not files[split].is_file():
                hint = nearest(files[split])
                raise ActivationsError(
                    f"the table {files[split]} does not exist, or is no file{hint}"
                )
        plan = plan_tables(files, classes or (), has_features=features)
        settings = WorkspaceSettings(
            name=name or folder.name,
            classifier=ClassifierSettings(OF_TABLES, plan.classes, features=features),
            folders={},
            defaults=defaults or Defaults(),
            tables={split: _relative(file, folder) for split, file in plan.tables.items()},
        )
        is_new = not folder.exists()
        workspace = cls(folder, settings, plan.notes)
        write_settings(path, settings)
        try:
            workspace.extract()
        except BaseException:
            path.unlink()
            shutil.rmtree(folder if is_new else workspace.stored.folder, ignore_errors=True)
            raise
        return workspace

    def _check(self, checkpoint: Checkpoint | OnnxFile | None, is_asked: bool) -> None:
        """Find the pictures of every split, and build the network.

        Parameters
        ----------
        is_asked : transform_input is still to be found out, where the network has it
        """
        from openmax_core.network.classifier import (
            WITH_TRANSFORM_INPUT,
            check_architecture,
            load_classifier,
        )
        from openmax_core.network.features import with_features
        from openmax_core.network.onnx_files import OnnxFile, ready

        found = {split: self.pictures.find(split) for split in self.pictures.splits}
        for split, files in found.items():
            empty = [] if split == "reject" else empty_class_folders(files, self.classes)
            if empty:
                raise WorkspaceError(
                    f"{files.folder} has no pictures in the class folder{'s' * (len(empty) > 1)} "
                    f"{listed(empty)}; put them there, or remove what is empty"
                )
        self._check_classes(found, is_trained=checkpoint is not None)
        settings = self.settings.classifier
        n_pictures = sum(map(len, found.values()))
        if isinstance(checkpoint, OnnxFile):
            made = ready(
                checkpoint,
                self.classes,
                self.settings.transform,
                settings.output,
                has_features=settings.features,
                features_output=settings.features_output,
            )
            self.notes += made.notes
            if settings.features:
                self.notes += (size_in_words(n_pictures, made.n_features),)
        if settings.architecture is None or isinstance(checkpoint, OnnxFile):
            return
        if checkpoint is None:
            value = settings.transform_input
            check_architecture(settings.architecture, len(self.classes), transform_input=value)
            if settings.features:
                n_features = self.classifier.n_features(may_load=True)
                self.notes += (size_in_words(n_pictures, n_features),)
            return
        classifier = load_classifier(
            settings.architecture,
            checkpoint,
            self.classes,
            self.settings.transform,
            transform_input=settings.transform_input,
        )
        self.notes += classifier.notes
        if settings.features:
            _, n_features = with_features(classifier)
            self.notes += (size_in_words(n_pictures, n_features),)
        if is_asked and settings.architecture in WITH_TRANSFORM_INPUT:
            value, note = choose_transform_input(classifier, checkpoint, found.get("train"))
            self.notes += (note,)
            chosen = replace(settings, transform_input=value)
            self.settings = replace(self.settings, classifier=chosen)

    def _check_classes(self, found: Mapping[str, PictureFiles], is_trained: bool) -> None:
        """Say which classes have no pictures to calibrate on; to train on, each must have some."""
        files = found[self.pictures.calibration_split if is_trained else "train"]
        present = {self.classes[label] for label in np.unique(files.labels)}
        absent = [name for name in self.classes if name not in present]
        if not absent:
            return
        if not is_trained:
            raise WorkspaceError(
                f"{files.folder} lacks a folder for the class{'es' * (len(absent) > 1)} "
                f"{listed(absent)}; a network can be trained on classes with pictures alone"
            )
        self.notes += (
            f"{len(absent):,} of {len(self.classes):,} classes have no folder in {files.folder}; "
            f"each borrows a tail from the others: {listed(absent)}",
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """C names of the known classes, in the order of the logits."""
        return self.settings.classifier.classes

    # The parts are made anew each time: settings may have been saved since.
    @property
    def pictures(self) -> PictureSets:
        """Its splits: where their pictures lie, and which pictures these are."""
        return PictureSets(self.folder, self.settings)

    @property
    def classifier(self) -> NamedClassifier:
        """The classifier that it names: weights, what logits depend on, loading it."""
        if self.settings.tables:
            files = {split: self.pictures.folder(split) for split in self.pictures.splits}
            settings = self.settings
            return NamedTables(self.folder, settings.classifier, settings.transform, files)
        return NamedClassifier(self.folder, self.settings.classifier, self.settings.transform)

    @property
    def stored(self) -> StoredSets:
        """What is stored of its splits: activations, and counts of methods on many of them."""
        return StoredSets(self.pictures, self.classifier)

    def save_settings(self, settings: WorkspaceSettings) -> None:
        """Change ``workspace.toml``, comments kept."""
        write_settings(self.folder / FILE_NAME, settings)
        self.settings = settings

    def state(self) -> str:
        """Fingerprint of settings, weights file and stored activations, from their dates alone.

        It changes whenever figures made from this workspace may change.
        """
        paths = [self.folder / FILE_NAME, *sorted(self.stored.folder.glob("[!.]*-*"))]
        if self.settings.classifier.file is not None:
            paths.append(self.classifier.weights_path)
        if self.settings.tables:
            paths += [self.pictures.folder(split) for split in self.pictures.splits]
        return fingerprint([(str(path), modified(path)) for path in paths])

    def status(self, split: str) -> SplitStatus:
        """Compare a split's folder with what is stored; reads no picture."""
        return compare_split(self.stored, split)

    def extract(
        self,
        device: str = "auto",
        batch_size: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> ExtractionReport:
        """Run the network once over every picture that is new or changed, and store the logits.

        With ``features = true`` the features are stored too. Tables are read instead, where the
        workspace is made of them.

        Parameters
        ----------
        device : 'auto', 'cpu', 'cuda' or 'mps'
        batch_size : pictures in one pass; by device without
        progress : called with the split and the :class:`~openmax_core.network.inference.Progress`;
            what it raises ends the run, and the next one goes on from there

        Raises
        ------
        WorkspaceError, ClassifierError, ActivationsError
            The folders, the weights or the disk are not as they should be.
        """
        return self._extract(
            lambda classifier: classifier.load_engine(
                device, batch_size, has_features=classifier.settings.features
            ),
            progress,
        )

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
        from openmax_core.extraction.cluster import Cluster

        return self._extract(
            lambda classifier: Cluster(
                classifier,
                address,
                device,
                batch_size,
                patience=patience,
                most_workers=most_workers,
            ),
            progress,
        )

    def _extract(
        self,
        load_runner: Callable[[NamedClassifier], Runner],
        progress: ProgressCallback | None,
    ) -> ExtractionReport:
        if isinstance(classifier := self.classifier, NamedTables):
            return self._read_tables(classifier, progress)
        stored = self.stored  # as it is named now, whoever saves other settings meanwhile
        pictures, store, classifier = stored.pictures, stored.store, stored.classifier

        def load() -> Runner:
            runner = load_runner(classifier)
            try:
                classifier.require_weights(store.made_with["weights"])
            except WorkspaceError:
                runner.close()
                raise
            return runner

        return extract(
            lambda: {split: pictures.find(split) for split in pictures.splits},
            store,
            load,
            len(classifier.settings.classes),
            progress,
        )

    def _read_tables(
        self, tables: NamedTables, progress: ProgressCallback | None
    ) -> ExtractionReport:
        started, store = time.perf_counter(), self.stored.store
        changes = store.changes(next(iter(tables.tables)))
        counts = read_tables(tables, store, progress)
        report = ExtractionReport(changes=changes, is_of_tables=True)
        for split in tables.tables:
            n_files = StoredSplit(folder).n_files if (folder := store.newest(split)) else 0
            report.n_run[split] = counts.get(split, 0)
            report.n_reused[split] = n_files - report.n_run[split]
            report.n_unreadable[split] = 0
            if folder is not None and store.features is not None:
                key = StoredSplit(folder).key
                report.n_features = key.get("n_features", 0)
                report.n_clipped += key.get("n_clipped", 0)
        report.seconds = time.perf_counter() - started
        return report

    def is_counted(
        self, method: str | None = None, *, preset: str | None = None, **settings: Any
    ) -> bool:
        """Tell whether counts of a method are stored, so that :meth:`evaluate` is quick.

        Arguments are those of :meth:`evaluate`.
        """
        chosen = self._method(method or preset, settings)
        stores = [split.folder.name for split in self.stored.opened().values()]
        return self.stored.counts.holds(stores, chosen)

    def evaluate(
        self,
        method: str | None = None,
        *,
        preset: str | None = None,
        report: Report | None = None,
        **settings: Any,
    ) -> Evaluation:
        """Calibrate a method and score test and reject set from stored activations.

        Where these are many, see :mod:`openmax_core.evaluation.counting`, that is done once and
        its counts are stored.

        Parameters
        ----------
        method : name of one of :data:`openmax_core.methods.registry.METHODS`; the workspace's
            default without
        preset : older name of ``method``
        report : called with the pictures done and to do, where they are counted
        **settings : settings of OpenMax that differ from the preset

        Raises
        ------
        WorkspaceError
            There are no activations yet, or they are damaged.
        FitError, OpenMaxError
            The method cannot be fitted to them; the class or setting is named.
        """
        sets, chosen = self.stored, self._method(method or preset, settings)
        stored = sets.opened()
        if problem := sets.features_problem(chosen.name):
            raise WorkspaceError(problem)
        if is_large(stored.values()):
            return by_counts(sets, stored, chosen, report or (lambda progress: None))
        return by_activations(sets, chosen)

    @property
    def operating_point_path(self) -> Path:
        """Where the chosen threshold is stored."""
        return self.folder / "operating_point.json"

    def operating_point(self) -> OperatingPoint | None:
        """Return the chosen threshold, None if none was chosen yet.

        Raises
        ------
        OpenMaxError
            The file is damaged, or has a threshold for a class that the workspace has not.
        """
        path = self.operating_point_path
        if not path.exists():
            return None
        point = OperatingPoint.load(path)
        try:
            point.limits(self.classes)
        except OpenMaxError as error:
            raise OpenMaxError(
                f"the operating point {path} does not fit the classes of the workspace: {error}"
            ) from error
        return point

    def choose(self, point: OperatingPoint) -> None:
        """Make a point the workspace's own: ``openmax predict`` and new visits start with it.

        Raises
        ------
        OpenMaxError
            It has a threshold for a class that the workspace has not, or cannot be written.
        """
        point.limits(self.classes)
        point.save(self.operating_point_path)

    @property
    def saved_points(self) -> SavedPoints:
        """Operating points that were saved under a name."""
        return SavedPoints(self.folder / "operating_points.json")

    def _method(self, name: str | None, settings: dict[str, Any]) -> Method:
        return new_method(name or self.settings.defaults.preset, **settings)


def _check_source(
    architecture: str | None,
    weights: str | Path | None,
    entry: str | None,
    model: str | Path | None,
    output: str | None,
) -> None:
    """Raise an error where what a network shall come from does not fit together."""
    if model is None and architecture is None:
        raise WorkspaceError("name the architecture of the network, or an ONNX file as the model")
    if model is not None and (architecture, weights, entry) != (None, None, None):
        raise WorkspaceError(
            "an ONNX file holds the whole network; leave out architecture, weights and "
            "weights_entry"
        )
    if output is not None and model is None:
        raise WorkspaceError("output names a part of an ONNX file; give the model too")
    if entry is not None and weights is None:
        raise WorkspaceError("weights_entry names a part of a weights file; give weights too")


def _read(
    weights: str | Path | None, entry: str | None, model: str | Path | None
) -> Checkpoint | OnnxFile | None:
    """Read the file of a new workspace's network, where it has one."""
    if model is not None:
        from openmax_core.network.onnx_files import read_onnx

        path = Path(model).expanduser().resolve()
        _require_file("ONNX file", path)
        return read_onnx(path)
    if weights is None:
        return None
    from openmax_core.network.checkpoint import read_checkpoint

    path = Path(weights).expanduser().resolve()
    _require_file("weights file", path)
    return read_checkpoint(path, entry)


def _absolute(path: str | Location, folder: Path) -> Location:
    """Path as given, from the present folder; 'train' and the like lie in the workspace."""
    if isinstance(path, RemotePath) or is_address(str(path)):
        return RemotePath.parse(str(path))
    path = Path(path).expanduser()
    inside = folder / path
    if not path.is_absolute() and inside.exists():
        return inside.resolve()
    return path.resolve() if path.exists() else inside.resolve()


def _require_folder(split: str, location: Location, given: str | Location | None) -> None:
    """Raise an error where a picture folder that was named is none."""
    if isinstance(location, RemotePath) or location.is_dir():
        return
    if location.exists():
        raise WorkspaceError(f"{location} is a file; name a folder of pictures as {split}")
    hint = nearest(location) or nearest(Path(str(given)).expanduser().resolve())
    raise FolderError(
        f"the folder {location} does not exist{hint}",
        "" if hint else f"name another one as {split}",
    )


def _require_file(what: str, path: Path) -> None:
    if not path.exists():
        raise ClassifierError(f"the {what} {path} does not exist{nearest(path)}")


def _relative(path: Location, folder: Path) -> str:
    if isinstance(path, Path) and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return str(path)


def by_activations(sets: StoredSets, method: Method) -> Evaluation:
    """Calibrate a method that is not fitted yet, and score test and reject set.

    Raises
    ------
    WorkspaceError, ActivationsError
        There are no activations yet, or they are damaged.
    FitError, OpenMaxError
        The method cannot be fitted to them; the class or setting is named.
    """
    calibrated_on = sets.pictures.calibration_split
    classes = sets.classifier.settings.classes
    train, test = sets.required(calibrated_on), sets.required("test")
    reject = sets.required("reject") if "reject" in sets.pictures.splits else None
    used = {calibrated_on: train, "test": test}
    if reject is not None:
        used["reject"] = reject
    data = fingerprint([logits_name(item.key) for item in used.values()])
    try:
        method.fit(train.logits, train.labels, classes, train.features)
        return Evaluation.of(method, train, test, reject, calibrated_on, data)
    except (FitError, ActivationsError) as error:
        for split, activations in used.items():
            if (path := activations.first_not_finite()) is not None:
                raise WorkspaceError(
                    f"the stored logits of {split}/{path} are damaged (NaN or Inf); delete "
                    f"{sets.store.newest(split)} and run the extraction again"
                ) from error
        raise


def by_counts(
    sets: StoredSets, stored: Mapping[str, StoredSplit], method: Method, report: Report
) -> Evaluation:
    """As :func:`by_activations`, from stored counts, which are made where there are none.

    Parameters
    ----------
    stored : what :meth:`StoredSets.opened` gave
    report : called with the pictures done and to do, where they are counted
    """
    stores = [split.folder.name for split in stored.values()]
    counted = sets.counts.load(stores, method)
    if counted is None:
        counted = count(method, sets.classifier.settings.classes, stored, report)
        try:
            sets.counts.save(stores, counted)
        except ActivationsError as error:  # good for now; the next opening counts again
            logging.getLogger(__name__).warning("counts are not kept: %s", error)
    data = fingerprint([logits_name(split.key) for split in stored.values()])
    samples, split = counted.samples, sets.pictures.calibration_split
    train, test, reject = samples[FITTED_SET], samples[TEST_SET], samples.get(REJECT_SET)
    return Evaluation.of(counted.method, train, test, reject, split, data, counted)
