"""What tests of several rooms have."""

from __future__ import annotations

import pytest

from openmax_core.network import spec
from openmax_core.network.classifier import Classifier
from openmax_core.network.onnx_export import ExportError


@pytest.fixture
def through_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run networks that are not yet exported through torch: an export takes ten seconds."""

    def refuse(classifier: Classifier) -> bytes:
        raise ExportError(f"{classifier.architecture} is not exported here")

    monkeypatch.setattr(spec, "export", refuse)
