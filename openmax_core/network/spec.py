"""The classifier that a workspace names: its weights file, what logits depend on, loading it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.errors import WorkspaceError
from openmax_core.pictures.images import Transform
from openmax_core.support.files import fingerprint, sha256_of_file

if TYPE_CHECKING:
    from openmax_core.network.classifier import Classifier
    from openmax_core.network.engines import Engine


@dataclass(frozen=True)
class ClassifierSettings:
    """Which network; ``weights`` is None until there are some.

    ``precision`` is 'float32', what calibration and decisions are exact in on every device, or
    'half', which only a GPU has.
    """

    architecture: str
    classes: tuple[str, ...]
    weights: str | None = None
    precision: str = "float32"


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
        """Absolute path of the weights file.

        Raises
        ------
        WorkspaceError
            There are no weights yet.
        """
        weights = self.settings.weights
        if weights is None:
            raise WorkspaceError(
                f"{self.workspace} has no trained weights yet; run 'openmax train "
                f"{self.workspace}', or set weights under [classifier] in workspace.toml"
            )
        return (self.workspace / Path(weights).expanduser()).resolve()

    @property
    def weights_key(self) -> str:
        """SHA-256 of the weights file.

        Raises
        ------
        WorkspaceError
            There are no weights yet, or the file is gone.
        """
        path = self.weights_path
        if not path.is_file():
            raise WorkspaceError(
                f"the weights file {path} does not exist; correct weights under [classifier] in "
                f"{self.workspace / 'workspace.toml'}"
            )
        stat = path.stat()
        return _sha256(path, stat.st_size, stat.st_mtime_ns)

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
            "architecture": classifier.architecture,
            "classes": list(classifier.classes),
            "transform": asdict(self.transform),
            "precision": classifier.precision,
        }

    @property
    def key(self) -> str:
        """Fingerprint of weights, architecture, classes, transform and precision.

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

    def load(self) -> Classifier:
        """Build the network and load its weights. Imports torch.

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, or they do not fit.
        """
        from openmax_core.network.classifier import load_classifier

        classifier = self.settings
        return load_classifier(
            classifier.architecture, self.weights_path, classifier.classes, self.transform
        )

    def load_engine(self, device: str = "auto", batch_size: int | None = None) -> Engine:
        """Make the network ready to run, see :func:`openmax_core.network.loading.load_engine`.

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, they do not fit, or the device does not exist.
        """
        from openmax_core.network.loading import load_engine

        classifier, key = self.settings, self.weights_key
        engine = load_engine(
            classifier.architecture,
            self.weights_path,
            key,
            classifier.classes,
            self.transform,
            device=device,
            batch_size=batch_size,
            precision=classifier.precision,
        )
        self.require_weights(key)
        return engine

    def load_exported_network(self) -> bytes:
        """Content of the network's ONNX file; exported first where there is none.

        Raises
        ------
        WorkspaceError, ClassifierError
            There are no weights, they do not fit, or it cannot be exported.
        """
        from openmax_core.network.loading import load_exported_network

        classifier, key = self.settings, self.weights_key
        content = load_exported_network(
            classifier.architecture,
            self.weights_path,
            key,
            classifier.classes,
            self.transform,
        )
        self.require_weights(key)
        return content


@lru_cache(maxsize=32)
def _sha256(path: Path, size: int, mtime: int) -> str:
    """Fingerprint of a file that is read again only when its size or date change."""
    return sha256_of_file(path)
