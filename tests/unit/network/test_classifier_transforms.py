"""Transforms by name: bit for bit torchvision's own on PIL pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision import transforms

from openmax_core.errors import ClassifierError
from openmax_core.network.classifier import transform_by_name
from openmax_core.network.engines import normalised
from openmax_core.pictures.images import IMAGENET_MEAN, IMAGENET_STD, Transform

SIZES = [(300, 400), (500, 333), (90, 81), (256, 256)]


def picture(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def ours(transform: Transform, image: Image.Image) -> np.ndarray:
    return normalised(transform.pixels(image)[None], transform)[0]


@pytest.mark.parametrize("size", SIZES)
def test_imagenet_is_torchvisions_usual_evaluation_transform(size: tuple[int, int]) -> None:
    reference = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    found = ours(transform_by_name("imagenet", "resnet50"), picture(*size))
    np.testing.assert_array_equal(found, reference(picture(*size)).numpy())


# Bicubic and bilinear, other means, no margin, other sizes.
@pytest.mark.parametrize(
    "architecture",
    ["resnet18", "efficientnet_b0", "efficientnet_v2_l", "inception_v3", "swin_t", "vit_b_16"],
)
@pytest.mark.parametrize("size", [(300, 400), (611, 580)])
def test_weights_is_the_transform_of_torchvisions_weights(
    architecture: str, size: tuple[int, int]
) -> None:
    reference = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
    found = ours(transform_by_name("weights", architecture), picture(*size))
    expected = reference(picture(*size))
    assert torch.equal(torch.from_numpy(found), expected)


def test_every_architecture_of_torchvision_has_a_transform_of_its_own() -> None:
    for name in torchvision.models.list_models(module=torchvision.models):
        transform = transform_by_name("weights", name)
        assert not transform.doubts, name


def test_notebook_is_the_usual_transform() -> None:
    assert transform_by_name("notebook", "resnet50") == Transform()


def test_an_unknown_architecture_or_transform_is_named() -> None:
    with pytest.raises(ClassifierError, match="did you mean resnet50"):
        transform_by_name("weights", "resnet5")
    with pytest.raises(ClassifierError, match="there are notebook, imagenet, weights"):
        transform_by_name("mine", "resnet50")
