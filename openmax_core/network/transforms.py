"""Evaluation transforms by name: the notebook's, ImageNet's usual one, torchvision's own."""

from __future__ import annotations

from openmax_core.errors import ClassifierError
from openmax_core.pictures.images import Transform

# By name, and which networks they are right for.
TRANSFORMS = {
    "notebook": "the notebook's, right for its networks and for those of 'openmax train'",
    "imagenet": "ImageNet's usual one, right for most networks that were trained on ImageNet",
    "weights": "torchvision's own, right for its pretrained weights of this architecture",
}
DEFAULT_TRANSFORM = "notebook"


def transform_by_name(name: str, architecture: str) -> Transform:
    """Return an evaluation transform; 'weights' imports torchvision.

    Parameters
    ----------
    name : 'notebook', 'imagenet' or 'weights', see :data:`TRANSFORMS`
    architecture : torchvision's name; 'weights' gives the transform of its newest weights

    Raises
    ------
    ClassifierError
        There is no such transform, no such architecture, or it has no weights.
    """
    if name == "notebook":
        return Transform()
    if name == "imagenet":
        return Transform(resize=256, interpolation="bilinear")
    if name != "weights":
        raise ClassifierError(f"there is no transform '{name}'; there are {', '.join(TRANSFORMS)}")
    import torchvision

    from openmax_core.network.classifier import require_architecture

    require_architecture(architecture)
    try:
        own = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
        (resize,), (crop,) = own.resize_size, own.crop_size
        return Transform(
            resize, (crop, crop), own.interpolation.value, tuple(own.mean), tuple(own.std)
        )
    except (AttributeError, TypeError, ValueError):
        raise ClassifierError(
            f"torchvision has no transform of its own for {architecture}; give --resize, --crop, "
            "--interpolation, --mean and --std"
        ) from None
