"""Classifier, OpenMax and thresholds as one exported PyTorch program, for CUDA and CPU.

The program computes what :mod:`openmax_core.export.graph` does, OpenMax in float64. All its
constants are buffers, so that it runs on whatever device it is moved to.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.export.description import EXTRA_FILE, REJECTED, ExportDescription
from openmax_core.methods.distances import EUCOS_SCALE, SCALED_EUCOS
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.arrays import Float
from openmax_core.weibull.fit import TailFit

if TYPE_CHECKING:
    import torch
    from torch import nn

    from openmax_core.network.classifier import Classifier


def openmax_module(openmax: OpenMax, limits: Float) -> nn.Module:
    """Build a module from (N, C) float32 logits to probabilities, decision and score.

    Parameters
    ----------
    openmax : fitted
    limits : (C,) thresholds of pictures predicted as a class
    """
    import torch
    from torch import nn

    settings, tail = openmax.settings_, openmax.weibull_
    is_libmr = isinstance(tail, TailFit)
    # Where a tail begins, for libMR's form; where it ends, for the other.
    bound = tail.smallest_tail_value - tail.translate if isinstance(tail, TailFit) else tail.loc

    class OpenMaxModule(nn.Module):
        means: torch.Tensor
        weights: torch.Tensor
        factors: torch.Tensor
        bound: torch.Tensor
        scale: torch.Tensor
        shape: torch.Tensor
        limits: torch.Tensor
        zero: torch.Tensor
        one: torch.Tensor
        nothing: torch.Tensor
        rejected: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            values: dict[str, ArrayLike] = {
                "means": openmax.means_,
                "weights": openmax.rank_weights(),
                "factors": openmax.distance_factors_,
                "bound": bound,
                "scale": tail.scale,
                "shape": tail.shape,
                "limits": [*limits, np.inf],
                "zero": 0.0,
                "one": 1.0,
                "nothing": np.nan,
            }
            for name, value in values.items():
                self.register_buffer(name, _double(value))
            self.register_buffer("rejected", torch.tensor(REJECTED))

        def forward(self, logits: torch.Tensor) -> dict[str, torch.Tensor]:
            raw = logits.double()
            v = self.centred(raw)
            # Stable: of equal logits the lower class comes first.
            ranked = torch.sort(v, dim=1, descending=True, stable=True)[1]
            ranked = ranked[:, : len(self.weights)]
            cdf = self.cdf(self.distances(v).gather(1, ranked), ranked)
            weighted = torch.zeros_like(v).scatter(1, ranked, cdf * self.weights)
            giving = torch.maximum(v, self.zero) if settings["unknown_from"] == "positive" else v
            moved = giving * weighted
            revised = torch.cat([v - moved, moved.sum(1, keepdim=True)], dim=1)
            powers = (revised - revised.amax(1, keepdim=True)).exp()
            probabilities = powers / powers.sum(1, keepdim=True)
            score = probabilities.amax(1)
            if settings["second_softmax"]:
                score = self.one / (probabilities - score[:, None]).exp().sum(1)
            score = torch.where(torch.isfinite(raw).all(1), score, self.nothing)
            prediction = probabilities.argmax(1)
            is_accepted = score >= self.limits[prediction]
            return {
                "probabilities": probabilities,
                "decision": torch.where(is_accepted, prediction, self.rejected),
                "score": score,
            }

        def centred(self, logits: torch.Tensor) -> torch.Tensor:
            if settings["centring"] == "none":
                return logits
            relative = logits - logits.amax(1, keepdim=True)
            if settings["centring"] == "mean":
                return relative - relative.mean(1, keepdim=True)
            return relative - relative.amin(1, keepdim=True)

        def distances(self, v: torch.Tensor) -> torch.Tensor:
            name = settings["distance"]
            if name == "cosine":
                return self.cosine(v)
            # Differences, not the expanded form, which loses digits near the mean.
            euclidean = torch.cdist(v, self.means, compute_mode="donot_use_mm_for_euclid_dist")
            if name == "squared_euclidean":
                return euclidean * euclidean
            if name == "eucos":
                return euclidean / EUCOS_SCALE + self.cosine(v)
            if name == SCALED_EUCOS:
                return euclidean * self.factors[0] + self.cosine(v) * self.factors[1]
            return euclidean

        def cosine(self, v: torch.Tensor) -> torch.Tensor:
            dot = v @ self.means.T
            lengths = (v * v).sum(1, keepdim=True) * (self.means * self.means).sum(1)
            length = lengths.sqrt()
            return self.one - torch.where(length > self.zero, dot / length, self.zero)

        def cdf(self, distances: torch.Tensor, ranked: torch.Tensor) -> torch.Tensor:
            own = self.bound[ranked]
            beyond = distances - own if is_libmr else own - distances
            beyond = torch.maximum(beyond, self.zero)
            power = (beyond / self.scale[ranked]) ** self.shape[ranked]
            return -torch.expm1(-power) if is_libmr else torch.exp(-power)

    return OpenMaxModule()


def export_program(
    classifier: Classifier, openmax: OpenMax, limits: Float, description: ExportDescription
) -> bytes:
    """Content of a ``.pt2`` file: uint8 'pictures' to a dict of logits and OpenMax's outputs.

    Raises
    ------
    Exception
        Of many kinds: what ``torch.export`` cannot follow in the network.
    """
    import torch

    program = torch.export.export(
        _deployable(classifier, openmax, limits).eval(),
        (torch.zeros(2, 3, *classifier.transform.crop, dtype=torch.uint8),),
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        strict=False,
    )
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, stream, extra_files={EXTRA_FILE: description.to_json()})
    return stream.getvalue()


def _deployable(classifier: Classifier, openmax: OpenMax, limits: Float) -> nn.Module:
    import torch
    from torch import nn

    class Deployable(nn.Module):
        largest: torch.Tensor
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = classifier.network
            self.openmax = openmax_module(openmax, limits)
            # A tensor: by a plain number a GPU would multiply with its rounded inverse.
            self.register_buffer("largest", torch.tensor(255.0))
            for name in ("mean", "std"):
                numbers = torch.tensor(getattr(classifier.transform, name))
                self.register_buffer(name, numbers.view(3, 1, 1))

        def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
            batch = (pictures.float() / self.largest - self.mean) / self.std
            logits = self.network(batch).float()
            return {"logits": logits, **self.openmax(logits)}

    return Deployable()


def _double(value: ArrayLike) -> torch.Tensor:
    import torch

    return torch.tensor(np.asarray(value, dtype=np.float64))
