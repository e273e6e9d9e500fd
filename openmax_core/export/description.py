"""What an exported file says about itself, and how a client makes the pictures that it takes.

``openmax export`` writes classifier, method and threshold into one file
(:mod:`openmax_core.export.write`). Its metadata hold one JSON text under the key ``openmax``.
Decoding, resizing and cropping are not in the file; :meth:`ExportDescription.prepare` does them as
the library does.

Nothing here imports onnx, torch or pandas.

Example
-------
::

    session = onnxruntime.InferenceSession("openmax.onnx")
    text = session.get_modelmeta().custom_metadata_map["openmax"]
    description = ExportDescription.from_json(text)
    pictures = np.stack([description.prepare(Path(name)) for name in names])
    logits, probabilities, decision, score = session.run(None, {"pictures": pictures})
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import has_settings
from openmax_core.pictures.images import MAX_PIXELS, Pixels, Transform, decode, decoded_upload
from openmax_core.pictures.locations import Location
from openmax_core.support.codec import parse_json, rebuilt, without_header
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import percent
from openmax_core.tradeoff.operating_point import OperatingPoint

FORMAT = "openmax-export"
FORMAT_VERSION = 1
METADATA_KEY = "openmax"
# What a file takes that has no network in it, of a workspace of tables.
LOGITS_INPUT, FEATURES_INPUT = "network_logits", "network_features"
OUTPUTS = ("logits", "probabilities", "decision", "score")
REJECTED_INDEX = -1


@dataclass(frozen=True)
class ExportDescription:
    """Metadata of an exported file.

    Attributes
    ----------
    workspace : str
        Name of the workspace that it was made of.
    architecture : str
        Of the network; an ONNX file's name where it comes from one; 'tables' where the file takes
        logits.
    weights : str
        SHA-256 of the weights file or of the ONNX file; a fingerprint of the tables where there is
        no network.
    classes : tuple of C str
        Decision j is ``classes[j]``, −1 is rejected.
    transform : Transform
        Decoding (``exif``, ``alpha``), resize and crop are the client's, see :meth:`prepare`; the
        rest is in the file.
    calibrated_on : str
        'train' or 'calibration'.
    borrowed : tuple of str
        Classes whose tails are borrowed from the others, for too few training pictures.
    operating_point : OperatingPoint
        Method, threshold or thresholds per class, and the figures that they gave.
    """

    workspace: str
    architecture: str
    weights: str
    classes: tuple[str, ...]
    transform: Transform
    calibrated_on: str
    operating_point: OperatingPoint
    borrowed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        values = asdict(self) | {
            "transform": self.transform.to_dict(),
            "operating_point": self.operating_point.to_dict(),
        }
        if not self.borrowed:  # as it was before a class could borrow
            del values["borrowed"]
        return {"format": FORMAT, "version": FORMAT_VERSION, **values}

    def to_json(self) -> str:
        """JSON text, which :meth:`from_json` reads back; floats come back exactly."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ExportDescription:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        OpenMaxError
            It is something else, of a newer version, or has a threshold for a class that it has
            not.
        """
        try:
            values, _ = without_header(parse_json(text), FORMAT, FORMAT_VERSION)
            description = rebuilt(cls, values)
            description.operating_point.limits(description.classes)
        except OpenMaxError as error:
            raise OpenMaxError(
                f"the metadata are not those of 'openmax export' ({error}); export the file again"
            ) from error
        return description

    @property
    def in_words(self) -> str:
        """A line for people: what decides, and how well it did."""
        point = self.operating_point
        method = f"method '{point.preset}'"
        if has_settings(point.preset or ""):
            method = f"OpenMax '{point.preset}'"
        threshold = threshold_text(point.threshold)
        if point.class_thresholds:
            threshold = "thresholds per class"
        weighted = f", weighted by kind: {point.mix_in_words}" if point.kinds else ""
        reject = "not measured"
        if point.reject_accuracy is not None:
            reject = f"{percent(point.reject_accuracy)} ({point.n_reject:,} pictures{weighted})"
        promised = f"; promised: {point.promise.in_words}" if point.promise else ""
        return (
            f"{self.workspace}: {self.architecture} with {method}, threshold "
            f"{threshold}; Test accuracy {percent(point.test_accuracy)} ({point.n_test:,} "
            f"pictures), Reject accuracy {reject}{promised}"
        )

    def prepare(
        self, source: Location | bytes, name: str | None = None, max_pixels: int = MAX_PIXELS
    ) -> Pixels:
        """Decode, resize and crop a picture to what the file takes: (3, H, W) uint8, RGB.

        Parameters
        ----------
        source : path or address, or the file's bytes
        name : what messages call it; the path without
        max_pixels : width × height that is still decoded

        Raises
        ------
        PictureError
            The content is no picture, is damaged, or has too many pixels.
        """
        if isinstance(source, bytes):
            with decoded_upload(source, name, max_pixels, self.transform) as picture:
                pixels = self.transform.pixels(picture)
        else:
            pixels = self.transform.pixels(decode(source, name, max_pixels, self.transform))
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
