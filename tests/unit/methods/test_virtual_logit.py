"""Virtual-logit matching against pytorch-ood, which is given the last layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.detector import ViM

from openmax_core.errors import FitError
from openmax_core.methods.virtual_logit import VirtualLogit, n_principal
from openmax_core.support.arrays import as_float16

N_CLASSES, WIDTH = 5, 24
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(N_CLASSES, WIDTH)) * 0.3
BIAS = RNG.normal(size=N_CLASSES)
MIX = RNG.normal(size=(WIDTH, WIDTH)) * np.geomspace(1.0, 0.05, WIDTH)


def made(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network, and its features before they are rounded."""
    rng = np.random.default_rng(seed)
    features = np.maximum(rng.normal(size=(n, WIDTH)) @ MIX + 0.5, 0)
    features[n // 2 :: 9] = features[0]
    return (features @ WEIGHTS.T + BIAS).astype(np.float32), features


def fitted(logits: np.ndarray, features: np.ndarray) -> VirtualLogit:
    return VirtualLogit().fit(logits, np.arange(len(logits)) % N_CLASSES, features=features)


def test_scores_are_those_of_pytorch_ood():
    """Up to what the rounding of features to float16 leaves of the last layer."""
    (logits, features), (new_logits, new) = made(600, 1), made(200, 2)
    reference = ViM(None, n_principal(WIDTH), torch.from_numpy(WEIGHTS), torch.from_numpy(BIAS))
    reference.fit_features(torch.from_numpy(features).float(), torch.zeros(600))
    expected = -reference.predict_features(torch.from_numpy(new).float()).numpy()
    method = fitted(logits, features)
    assert method.alpha_ == pytest.approx(reference.alpha, rel=2e-3)
    np.testing.assert_allclose(method.origin_, reference.u.numpy(), atol=5e-3)
    scores = method.decision_scores(new_logits, new)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=5e-3 * expected.std())


@pytest.mark.parametrize(
    ("width", "expected"), [(2048, 1000), (1280, 512), (768, 512), (512, 256), (3, 1)]
)
def test_the_principal_space_is_the_paper_s(width, expected):
    assert n_principal(width) == expected


def test_logits_that_no_linear_layer_makes_are_refused():
    logits, features = made(600, 1)
    with pytest.raises(FitError, match="do not come from one linear layer"):
        fitted(np.log(np.maximum(logits, 0.1)), features)
    fitted(2 * logits + 3, features)  # a layer as well


def test_fewer_pictures_than_features_are_refused():
    logits, features = made(25, 1)
    with pytest.raises(FitError, match="there are 25 pictures and 24 features"):
        fitted(logits, features)


def test_logits_that_are_not_positive_scale_nothing():
    logits, features = made(600, 1)
    with pytest.raises(FitError, match="needs a positive one"):
        fitted(logits - 30, features)


def test_features_without_a_residual_scale_nothing():
    logits, features = made(600, 1)
    flat = as_float16(features[:, :2] @ RNG.normal(size=(2, WIDTH)) * 0 + 1.0)
    with pytest.raises(FitError, match=r"linear layer|no residual"):
        fitted(logits, flat)
    with pytest.raises(FitError, match="no residual"):
        fitted(np.ones_like(logits), flat)


def test_a_feature_that_never_varies_changes_little():
    (logits, features), (new_logits, new) = made(600, 1), made(50, 2)

    def wider(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.zeros((len(values), 2))], axis=1)

    plain = fitted(logits, features)
    wide = fitted(logits, wider(features))
    np.testing.assert_allclose(wide.origin_, np.append(plain.origin_, [0, 0]), atol=1e-9)
    assert wide.decision_scores(new_logits, wider(new)).shape == (50,)
