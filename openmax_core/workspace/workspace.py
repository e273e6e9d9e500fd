"""A workspace: one folder that ties pictures, classifier, activations and choices together.

    workspace.toml                     settings (:mod:`openmax_core.workspace.settings`)
    train/ test/ reject/ calibration/  pictures, or wherever [folders] points
    activations/<split>-<key>/         logits and what became of every picture
    operating_point.json               the chosen threshold
    operating_points.json              others, saved under a name
    batches/                           recorded batches (:mod:`openmax_core.monitor.records`)

The work is done by the modules beside this one, which take what they need of it: splits and their
pictures, the named classifier, extraction, what is stored, and evaluation. The key of stored
activations covers the weights, the architecture, the classes, the transform, the precision, and
each picture's path, size and mtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.activations.activations import Activations
from openmax_core.activations.store import ActivationStore
from openmax_core.evaluation.counted_store import CountedStore
from openmax_core.evaluation.counting import Report, is_large
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.folders import PictureFiles
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.pictures.locations import Location
from openmax_core.support.files import fingerprint, modified
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.saved_points import SavedPoints
from openmax_core.workspace.create import make_workspace
from openmax_core.workspace.evaluate import evaluate, is_counted
from openmax_core.workspace.sets import StoredSets
from openmax_core.workspace.settings import (
    FILE_NAME,
    Defaults,
    WorkspaceSettings,
    read_settings,
    write_settings,
)
from openmax_core.workspace.splits import Splits
from openmax_core.workspace.status import SplitStatus, compare_split

if TYPE_CHECKING:
    from openmax_core.extraction.extraction import ExtractionReport, ProgressCallback
    from openmax_core.network.classifier import Classifier
    from openmax_core.network.engines import Engine


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
        made = make_workspace(
            folder,
            architecture,
            weights=weights,
            folders={"train": train, "test": test, "reject": reject, "calibration": calibration},
            classes=classes,
            name=name,
            transform=transform,
            train_transform=train_transform,
            defaults=defaults,
        )
        return cls(*made)

    @property
    def classes(self) -> tuple[str, ...]:
        """C names of the known classes, in the order of the logits."""
        return self.settings.classifier.classes

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that the workspace names, in the order in which they are extracted."""
        return self._splits.names

    @property
    def calibration_split(self) -> str:
        """Split that MAVs and tails come from: 'calibration' where there is one, else 'train'."""
        return self._splits.calibration

    def picture_folder(self, split: str) -> Path:
        """Absolute folder of a split's pictures, see :meth:`Splits.folder`."""
        return self._splits.folder(split)

    def picture_location(self, split: str) -> Location:
        """Absolute folder of a split's pictures, or its address, see :meth:`Splits.location`."""
        return self._splits.location(split)

    def find_pictures(self, split: str) -> PictureFiles:
        """Picture files of a split as they lie there now, see :meth:`Splits.find_pictures`."""
        return self._splits.find_pictures(split)

    @property
    def weights_path(self) -> Path:
        """Absolute path of the weights file, see :attr:`NamedClassifier.weights_path`."""
        return self._classifier.weights_path

    @property
    def weights_key(self) -> str:
        """SHA-256 of the weights file, see :attr:`NamedClassifier.weights_key`."""
        return self._classifier.weights_key

    @property
    def classifier_key(self) -> str:
        """Fingerprint of weights, architecture, classes, transform and precision."""
        return self.store.classifier_key

    def save_settings(self, settings: WorkspaceSettings) -> None:
        """Change ``workspace.toml``, comments kept."""
        write_settings(self.folder / FILE_NAME, settings)
        self.settings = settings

    def state(self) -> str:
        """Fingerprint of settings, weights file and stored activations, from their dates alone.

        It changes whenever figures made from this workspace may change.
        """
        paths = [self.folder / FILE_NAME, *sorted(self._stored.folder.glob("[!.]*-*"))]
        if self.settings.classifier.weights is not None:
            paths.append(self.weights_path)
        return fingerprint([(str(path), modified(path)) for path in paths])

    def load_classifier(self) -> Classifier:
        """Build the network and load its weights, see :meth:`NamedClassifier.load`."""
        return self._classifier.load()

    def load_engine(self, device: str = "auto", batch_size: int | None = None) -> Engine:
        """Make the network ready to run, see :func:`openmax_core.network.loading.load_engine`."""
        return self._classifier.load_engine(device, batch_size)

    def load_exported_network(self) -> bytes:
        """Content of the ONNX file, see :meth:`NamedClassifier.load_exported_network`."""
        return self._classifier.load_exported_network()

    def status(self, split: str) -> SplitStatus:
        """Compare a split's folder with what is stored; reads no picture."""
        return compare_split(self._stored, split)

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
        progress : called with the split and the :class:`~openmax_core.network.inference.Progress`;
            what it raises ends the run, and the next one goes on from there

        Raises
        ------
        WorkspaceError, ClassifierError, ActivationsError
            The folders, the weights or the disk are not as they should be.
        """
        from openmax_core.workspace.extract import extract_here

        present = self._as_it_is()
        return extract_here(
            present._stored, lambda: present.load_engine(device, batch_size), progress
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
        from openmax_core.extraction.shipping import ship
        from openmax_core.workspace.extract import extract_on_cluster

        present = self._as_it_is()
        return extract_on_cluster(
            present._stored,
            lambda device: ship(present._classifier, device, batch_size),
            address,
            device,
            progress,
            patience=patience,
            most_workers=most_workers,
        )

    def _as_it_is(self) -> Workspace:
        """The workspace with its settings of this moment, whoever saves others meanwhile."""
        return Workspace(self.folder, self.settings)

    def has_activations(self, split: str) -> bool:
        """Tell whether activations of a split are stored, without opening them."""
        return self.store.newest(split) is not None

    def few_activations(self, split: str, most: int) -> Activations | None:
        """Stored activations of a few pictures of a split, see :meth:`StoredSets.few`."""
        return self._stored.few(split, most)

    def activations(self, split: str) -> Activations | None:
        """Stored activations of a split made with this classifier; None if there are none.

        Pictures may have come or gone since: :meth:`status` tells.
        """
        return self._stored.activations(split)

    def is_large(self) -> bool:
        """Tell whether the stored activations are so many that scores are counted in chunks.

        Raises
        ------
        WorkspaceError, ActivationsError
            There are no activations yet, or they are damaged.
        """
        return is_large(self._stored.opened().values())

    def is_counted(self, preset: str | None = None, **settings: Any) -> bool:
        """Tell whether counts of a method are stored, so that :meth:`evaluate` is quick."""
        return is_counted(self._stored, self._method(preset, settings))

    def evaluate(
        self, preset: str | None = None, *, report: Report | None = None, **settings: Any
    ) -> Evaluation:
        """Calibrate a method and score test and reject set from stored activations.

        Where these are many, see :mod:`openmax_core.evaluation.counting`, that is done once and
        its counts are stored.

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
        return evaluate(self._stored, self._method(preset, settings), report)

    @property
    def counts(self) -> CountedStore:
        """Stored counts of methods on many activations."""
        return self._stored.counts

    @property
    def store(self) -> ActivationStore:
        """Stored activations of this workspace's classifier."""
        return self._stored.store

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

    def _method(self, preset: str | None, settings: dict[str, Any]) -> OpenMax:
        return OpenMax(preset or self.settings.defaults.preset, **settings)

    # Made anew each time: settings may have been saved since.
    @property
    def _splits(self) -> Splits:
        return Splits(self.folder, self.settings)

    @property
    def _classifier(self) -> NamedClassifier:
        return NamedClassifier(self.folder, self.settings.classifier, self.settings.transform)

    @property
    def _stored(self) -> StoredSets:
        return StoredSets(self.folder, self.settings)
