"""The classifier that a workspace names: its file, what logits depend on, loading it.

An architecture's network runs exported on a CPU, through torch on other devices; an ONNX file runs
as it is.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.errors import ClassifierError, WorkspaceError
from openmax_core.network.devices import choose_device, choose_onnx_device
from openmax_core.network.engines import Engine, OnnxEngine, TorchEngine
from openmax_core.network.features import exported_width, exported_with_features
from openmax_core.network.onnx_export import (
    ExportError,
    export,
    export_identity,
    export_paths,
    is_sealed,
    keep,
    sealed,
)
from openmax_core.pictures.images import Transform
from openmax_core.support.files import fingerprint, modified, sha256_of_file

if TYPE_CHECKING:
    from openmax_core.network.classifier import Classifier
    from openmax_core.network.onnx_files import OnnxClassifier

LOG = logging.getLogger(__name__)
LAST_LAYER = "input of the last linear layer"
_EXPORTING = threading.Lock()  # PyTorch exports one network at a time


@dataclass(frozen=True)
class ClassifierSettings:
    """Which network; ``weights`` is None until there are some.

    ``precision`` is 'float32', what calibration and decisions are exact in on every device, or
    'half', which only a GPU has. ``transform_input`` lets GoogLeNet and Inception normalise their
    pictures once more, inside, as torchvision's pretrained weights need it. ``weights_entry`` names
    one of several state dicts in the file, 'model_ema' for instance.

    ``model`` is an ONNX file, which stands for architecture and weights; ``output`` names the one
    of its outputs that holds the logits, where several could.

    With ``features`` the extraction stores the penultimate activations too;
    ``features_output`` names the tensor of an ONNX file that holds them. Logits do not depend on
    either.
    """

    architecture: str | None
    classes: tuple[str, ...]
    weights: str | None = None
    precision: str = "float32"
    transform_input: bool = False
    weights_entry: str | None = None
    model: str | None = None
    output: str | None = None
    features: bool = False
    features_output: str | None = None

    @property
    def file(self) -> str | None:
        """Path of the file that the network comes from; None until there is one."""
        return self.weights if self.model is None else self.model

    @property
    def name(self) -> str:
        """The architecture, or the ONNX file's name."""
        return self.architecture or Path(self.model or "").name

    @property
    def file_name(self) -> str:
        """:attr:`name` as a part of the names of files."""
        return re.sub(r"[^\w.+-]+", "-", self.name)

    @property
    def in_words(self) -> str:
        """What the network is of, for people."""
        if self.model is None:
            return f"{self.architecture}, weights {self.weights or 'none'}"
        return f"ONNX file {self.model}" + (f", output '{self.output}'" if self.output else "")

    @property
    def of_network(self) -> dict[str, Any]:
        """What else than file and architecture decides over the network; where not the default."""
        found: dict[str, Any] = {}
        if self.transform_input:
            found["transform_input"] = True
        if self.weights_entry is not None:
            found["weights_entry"] = self.weights_entry
        if self.output is not None:
            found["output"] = self.output
        return found


@dataclass(frozen=True)
class NamedClassifier:
    """What ``[classifier]`` and ``[transform]`` of a ``workspace.toml`` name.

    Attributes
    ----------
    workspace : Path
        Absolute folder of the workspace.
    settings : ClassifierSettings
    transform : Transform
    """

    workspace: Path
    settings: ClassifierSettings
    transform: Transform

    @property
    def weights_path(self) -> Path:
        """Absolute path of the weights file, or of the ONNX file.

        Raises
        ------
        WorkspaceError
            There are no weights yet.
        """
        weights = self.settings.file
        if weights is None:
            raise WorkspaceError(
                f"{self.workspace} has no trained weights yet; run 'openmax train "
                f"{self.workspace}', train on the page Workspace, or set weights under "
                "[classifier] in workspace.toml"
            )
        return (self.workspace / Path(weights).expanduser()).resolve()

    @property
    def weights_key(self) -> str:
        """SHA-256 of the weights file, or of the ONNX file.

        Raises
        ------
        WorkspaceError
            There are no weights yet, or the file is gone.
        """
        path, is_model = self.weights_path, self.settings.model is not None
        if not path.is_file():
            raise WorkspaceError(
                f"the {'ONNX' if is_model else 'weights'} file {path} does not exist; correct "
                f"{'model' if is_model else 'weights'} under [classifier] in "
                f"{self.workspace / 'workspace.toml'}"
            )
        stat = path.stat()
        return sha256_by_date(path, stat.st_size, stat.st_mtime_ns)

    @property
    def made_with(self) -> dict[str, Any]:
        """What logits depend on, see :class:`~openmax_core.activations.store.ActivationStore`.

        Raises
        ------
        WorkspaceError
            As for :attr:`weights_key`.
        """
        classifier = self.settings
        return {
            "weights": self.weights_key,
            "architecture": classifier.architecture or "onnx",
            "classes": list(classifier.classes),
            "transform": self.transform.to_dict(),
            "precision": classifier.precision,
            **classifier.of_network,
        }

    @property
    def features(self) -> str | None:
        """What the features are that the extraction stores; None where it stores none."""
        if not self.settings.features:
            return None
        return self.settings.features_output or LAST_LAYER

    @property
    def key(self) -> str:
        """Fingerprint of all that logits depend on.

        Raises
        ------
        WorkspaceError
            As for :attr:`weights_key`.
        """
        return fingerprint(self.made_with)

    def require_weights(self, key: str) -> None:
        """Raise an error where the weights are others by now than those with this key.

        Raises
        ------
        WorkspaceError
            They are, or they are gone.
        """
        if self.weights_key != key:
            raise WorkspaceError(
                f"the weights in {self.weights_path} were replaced in the meantime; run it again"
            )

    def export_paths(self, key: str) -> tuple[Path, Path]:
        """Where the export of weights with this key lies or would lie: the first, or the second."""
        return export_paths(self.weights_path, *self._export_of(key))

    def n_features(self, *, may_load: bool) -> int | None:
        """D, the number of features of a picture; None where that is not known yet.

        Parameters
        ----------
        may_load : build the network with torch, where nothing else tells

        Raises
        ------
        WorkspaceError, ClassifierError
            The file is gone or cannot be run, or the network has no features.
        """
        settings = self.settings
        if settings.model is not None:
            from openmax_core.network.onnx_files import n_features

            path, output = self.weights_path, settings.output
            return n_features(path, self.transform, output, settings.features_output)
        for path in self.export_paths(self.weights_key) if settings.file is not None else ():
            if path.is_file() and (found := _width(path, modified(path))) is not None:
                return found
        if not may_load or settings.architecture is None:
            return None
        from openmax_core.network.classifier import empty_network
        from openmax_core.network.features import width_of

        network = empty_network(settings.architecture, len(settings.classes))
        return width_of(settings.architecture, network)

    def load_any(self) -> Classifier | OnnxClassifier:
        """Return :meth:`load` or :meth:`load_onnx`, whatever the workspace names."""
        return self.load() if self.settings.model is None else self.load_onnx()

    def load_onnx(self, *, has_features: bool = False) -> OnnxClassifier:
        """Read the ONNX file and try what it does not say. Does not import torch.

        Parameters
        ----------
        has_features : give the features behind the logits

        Raises
        ------
        WorkspaceError, ClassifierError
            The file is gone or cannot be run on these pictures and classes.
        """
        from openmax_core.network.onnx_files import load_onnx

        settings = self.settings
        return load_onnx(
            self.weights_path,
            settings.classes,
            self.transform,
            settings.output,
            has_features=has_features,
            features_output=settings.features_output,
        )

    @property
    def outputs_in_words(self) -> str | None:
        """What must be known of the outputs of an ONNX file; None where there is nothing.

        Raises
        ------
        WorkspaceError, ClassifierError
            As for :meth:`load_onnx`.
        """
        if self.settings.model is None:
            return None
        from openmax_core.network.onnx_files import gives_probabilities, probabilities_in_words

        path = self.weights_path
        has_them = gives_probabilities(path, self.transform, self.settings.output)
        return probabilities_in_words(path.name) if has_them else None

    def choose_device(self, device: str = "auto") -> str:
        """Return 'cuda', 'mps' or 'cpu' for a wish; imports torch for an architecture alone.

        Raises
        ------
        ClassifierError
            The device does not exist on this machine.
        """
        choose = choose_device if self.settings.model is None else choose_onnx_device
        return choose(device)

    def load(self) -> Classifier:
        """Build the network and load its weights. Imports torch.

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, they do not fit, or the classifier is an ONNX file.
        """
        from openmax_core.network.classifier import load_classifier

        classifier = self.settings
        if classifier.architecture is None:
            raise ClassifierError(f"{classifier.name} is an ONNX file, not a network of torch")
        return load_classifier(
            classifier.architecture,
            self.weights_path,
            classifier.classes,
            self.transform,
            transform_input=classifier.transform_input,
            weights_entry=classifier.weights_entry,
        )

    def class_order_problem(self) -> str | None:
        """Say how the classes differ from those that the weights file notes. Imports torch.

        None where they are the same, or where the file says nothing of them.

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, or they cannot be read.
        """
        from openmax_core.network.checkpoint import read_checkpoint
        from openmax_core.network.class_names import class_order_problem

        path = self.weights_path
        if self.settings.model is None:
            noted = read_checkpoint(path, self.settings.weights_entry).classes
        else:
            from openmax_core.network.onnx_files import read_onnx

            noted = read_onnx(path).classes
        return class_order_problem(self.settings.classes, noted, path)

    def load_engine(
        self, device: str = "auto", batch_size: int | None = None, *, has_features: bool = False
    ) -> Engine:
        """Make the network ready to run; torch is imported on a GPU, or to export it once.

        A network that cannot be exported runs through torch on a CPU too: slower, with a warning
        in the log.

        Parameters
        ----------
        device : 'auto', 'cpu', 'cuda' or 'mps'
        batch_size : pictures in one pass; by device without
        has_features : give the features behind the logits

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, they do not fit, the device does not exist, or the network has no
            features.
        """
        key, chosen = self.weights_key, self.choose_device(device)
        if self.settings.model is not None:
            engine: Engine = self._onnx_engine(key, device, chosen, batch_size, has_features)
        elif chosen == "cpu":
            engine = self._cpu_engine(key, batch_size, has_features)
            if has_features and isinstance(engine, OnnxEngine):
                content = exported_with_features(engine.content, self.settings.name)
                engine = OnnxEngine(content, self.transform, batch_size)
        else:
            precision = self.settings.precision
            classifier = self._load_with(key)
            engine = TorchEngine(
                classifier, chosen, batch_size, precision, has_features=has_features
            )
        self.require_weights(key)
        return engine

    def load_exported_network(self, *, has_features: bool = False) -> bytes:
        """Content of the network's ONNX file; exported first where there is none.

        Of a user's file as :attr:`OnnxClassifier.content` is.

        Parameters
        ----------
        has_features : with (N, D) 'features' behind the logits

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, they do not fit, it has no features, or it cannot be exported
            (:class:`ExportError`).
        """
        key = self.weights_key
        if self.settings.model is not None:
            content = self._load_onnx_with(key, has_features).content
            self.require_weights(key)
            return content
        with _EXPORTING:
            stored = self._stored_engine(key)
            content = self._export(self._load_with(key), key) if stored is None else stored.content
        if has_features:
            content = exported_with_features(content, self.settings.name)
        self.require_weights(key)
        return content

    def _onnx_engine(
        self, key: str, wish: str, device: str, batch_size: int | None, has_features: bool
    ) -> Engine:
        classifier = self._load_onnx_with(key, has_features)
        try:
            return classifier.engine(device, batch_size)
        except ClassifierError as error:
            if wish != "auto" or device == "cpu":
                raise
            LOG.warning("%s; it runs on the CPU", error)
            return classifier.engine("cpu", batch_size)

    def _load_onnx_with(self, key: str, has_features: bool = False) -> OnnxClassifier:
        """Read the ONNX file, of that key or not at all."""
        classifier = self.load_onnx(has_features=has_features)
        if sha256_of_file(self.weights_path) != key:
            raise ClassifierError(f"{self.weights_path} was replaced while it was read")
        return classifier

    def _cpu_engine(self, key: str, batch_size: int | None, has_features: bool) -> Engine:
        if (stored := self._stored_engine(key, batch_size)) is not None:
            return stored
        with _EXPORTING:
            if (stored := self._stored_engine(key, batch_size)) is not None:
                return stored
            classifier = self._load_with(key)
            try:
                content = self._export(classifier, key)
            except ExportError as error:
                LOG.warning("%s; it runs through torch, which is slower", error)
                return TorchEngine(classifier, "cpu", batch_size, has_features=has_features)
        return OnnxEngine(content, self.transform, batch_size)

    def _load_with(self, key: str) -> Classifier:
        """Load the network with torch, from weights of that key or not at all."""
        classifier = self.load()
        if sha256_of_file(self.weights_path) != key:
            raise ClassifierError(
                f"the weights in {self.weights_path} were replaced while they were read"
            )
        return classifier

    def _export(self, classifier: Classifier, key: str) -> bytes:
        content = export(classifier)
        identity = export_identity(*self._export_of(key))
        keep(sealed(content, identity), self.export_paths(key), self.weights_path)
        return content

    def _stored_engine(self, key: str, batch_size: int | None = None) -> OnnxEngine | None:
        """Engine of the first export that is there, and as it was written."""
        identity = export_identity(*self._export_of(key))
        for path in self.export_paths(key):
            if not path.is_file():
                continue
            if not is_sealed(path, identity):
                LOG.warning("%s is not as this version wrote it; it is exported again", path)
                continue
            try:
                return OnnxEngine(path, self.transform, batch_size)
            except ClassifierError as error:
                LOG.warning("%s; it is exported again", error)
        return None

    def _export_of(self, key: str) -> tuple[str, str, int, tuple[int, int], dict[str, Any]]:
        """What an export is of."""
        settings = self.settings
        n_classes, crop = len(settings.classes), self.transform.crop
        return key, settings.name, n_classes, crop, settings.of_network


@lru_cache(maxsize=32)
def _width(export: Path, date: int | None) -> int | None:
    """D of an export that is read again only when its date changes."""
    return exported_width(export.read_bytes())


@lru_cache(maxsize=32)
def sha256_by_date(path: Path, size: int, mtime: int) -> str:
    """Fingerprint of a file that is read again only when its size or date change."""
    return sha256_of_file(path)
