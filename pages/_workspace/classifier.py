"""Third step of the guide: the network, and what makes its input of a picture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.network.classifier import (
    TRANSFORMS,
    WITH_TRANSFORM_INPUT,
    require_architecture,
)
from openmax_core.network.onnx_files import SUFFIX
from openmax_core.network.suggestions import suggestions
from openmax_core.pictures.images import ALPHAS, INTERPOLATIONS, Transform
from openmax_core.workspace.browsing import propose_folder
from openmax_core.workspace.settings import parse_transform
from openmax_core.workspace.weights import first_transform
from pages._shared import start
from pages._workspace.browser import Wanted
from pages._workspace.fields import EMPTY, sentence_on
from pages._workspace.guide import Guide, place_fault

KINDS = {"train": "Train one here", "weights": "A weights file", "model": "An ONNX file"}
OTHER = "other"
WEIGHTS = Wanted(suffixes=(".safetensors", ".pth", ".pt", ".ckpt", ".bin"))
MODEL = Wanted(suffixes=(SUFFIX,))
TEXTS = ("resize", "crop", "mean", "std")
TRANSFORM_NAMES = {
    "": "Usual: the notebook's; for timm its own",
    "notebook": "Notebook: 320 × 320 nearest, crop 224",
    "imagenet": "ImageNet: 256 bilinear, crop 224",
    "weights": "Of the weights: the library's own",
}
TRANSFORM_INPUT = {"": "Found out on training pictures", True: "Yes", False: "No"}
EXIF = {True: "Turn pictures", False: "Leave pictures as stored"}
ALPHA = {"white": "On white", "drop": "Stored colours"}
MORE = (
    *(*TEXTS, "interpolation", "exif", "alpha", "weights_entry", "transform_input"),
    "features_output",
)


def show(guide: Guide) -> None:
    """Draw the fields."""
    fields = guide.fields
    kind = fields.kind("classifier", "Classifier", KINDS)
    if kind == "model":
        st.caption(
            "An ONNX file holds a whole network: of Keras, Hugging Face, scikit-learn and others."
        )
        fields.path("model", "ONNX file", MODEL)
        fields.text(
            "output",
            "Output of an ONNX file",
            help=sentence_on("output"),
            placeholder="only where it has several",
        )
    elif kind == "weights":
        st.caption("Weights of torchvision or timm that were trained on these classes.")
        fields.text("architecture", "Architecture", "resnet50", help=sentence_on("architecture"))
        fields.path("weights", "Weights file", WEIGHTS, help=sentence_on("weights"))
    else:
        _show_suggestions(guide)
    fields.choice(
        "transform",
        "Transform",
        {name: TRANSFORM_NAMES[name] for name in ("", *TRANSFORMS)},
        "What makes the network's input of a picture. It must be the one that the weights were "
        "tested with. Single values are under More settings.",
    )
    is_faulty = fields.is_faulty(*MORE)
    with st.expander("More settings", icon=":material/tune:", expanded=is_faulty, key="guide_more"):
        _show_more(guide, kind)
        _show_features(guide, kind)


def _show_suggestions(guide: Guide) -> None:
    st.caption(
        "The next page trains it on your train folder, from the library's weights or from weights "
        "of yours. A small network is enough to begin with."
    )
    options = {item.architecture: item.in_words for item in suggestions()}
    chosen = guide.fields.choice(
        "suggested",
        "Architecture",
        options | {OTHER: "Another one …"},
        sentence_on("architecture"),
    )
    if chosen == OTHER:
        guide.fields.text("architecture", "Name", "resnet50", help=sentence_on("architecture"))


def _show_more(guide: Guide, kind: str) -> None:
    fields = guide.fields
    st.caption("Empty fields keep what the transform above has.")
    hints = {
        "resize": ("Resize", "256 or 320,320"),
        "crop": ("Crop", "224 or 224,224"),
        "mean": ("Mean", "0.485,0.456,0.406"),
        "std": ("Std", "0.229,0.224,0.225"),
    }
    # Columns are made anew for each row: on a phone, fields follow the order of reading.
    for names in (("resize", "crop"), ("mean", "std")):
        for place, name in zip(st.columns(2), names, strict=True):
            label, hint = hints[name]
            with place:
                fields.text(name, label, placeholder=hint, help=sentence_on(name))
    kinds = {"": "As the transform above", **{name: name.capitalize() for name in INTERPOLATIONS}}
    left, right = st.columns(2)
    with left:
        fields.choice("interpolation", "Interpolation", kinds, sentence_on("interpolation"))
    with right:
        fields.choice("exif", "EXIF orientation", EXIF, sentence_on("exif"))
    left, right = st.columns(2)
    with left:
        alphas = {name: ALPHA[name] for name in ALPHAS}
        fields.choice("alpha", "Transparent pixels", alphas, sentence_on("alpha"))
    if kind == "model":
        return
    if kind == "weights":
        with right:
            fields.text(
                "weights_entry", "Entry of the weights file", help=sentence_on("weights_entry")
            )
        left, right = st.columns(2)
    with left if kind == "weights" else right:
        fields.choice(
            "transform_input", "transform_input", TRANSFORM_INPUT, sentence_on("transform_input")
        )


def _show_features(guide: Guide, kind: str) -> None:
    guide.fields.flag("features", "Store features", sentence_on("features"))
    if kind == "model":
        guide.fields.text(
            "features_output", "Features of an ONNX file", help=sentence_on("features_output")
        )


def check(guide: Guide) -> bool:
    """Take the classifier, if it fits the data; else say what is wrong."""
    fields = guide.fields
    fields.begin_check()
    kind = str(fields.values["classifier"])
    with st.spinner("Checking pictures and network …"):
        return _check(guide, kind)


def _check(guide: Guide, kind: str) -> bool:
    fields, values = guide.fields, guide.fields.values
    model = weights = architecture = None
    if kind == "model":
        model = fields.checked("model", start.roots().check, required=True)
    else:
        architecture = _architecture(guide, kind)
    if kind == "weights":
        weights = fields.checked("weights", start.roots().check, required=True)
    transform = _transform(guide, architecture, model)
    asked = values.get("transform_input", "")
    asked = None if kind == "model" or asked == "" else bool(asked)
    if asked and architecture not in WITH_TRANSFORM_INPUT:
        those = " and ".join(WITH_TRANSFORM_INPUT)
        fields.refuse("transform_input", f"Only {those} have this. Leave it to be found out.")
    features = bool(values.get("features"))
    features_output = (values.get("features_output") or None) if kind == "model" else None
    if features_output and not features:
        fields.refuse(
            "features_output", "This is of features that are stored: tick Store features."
        )
    if fields.has_faults:
        return False
    guide.classifier = {
        "architecture": architecture,
        "weights": weights,
        "model": model,
        "output": (values.get("output") or None) if model else None,
        "transform": transform,
        "transform_input": asked,
        "weights_entry": (values.get("weights_entry") or None) if weights else None,
        "features": features,
        "features_output": features_output,
    }
    try:
        folder = propose_folder(start.roots(), None)
        made = guide.make(folder, only_check=True)
    except OpenMaxError as error:
        place_fault(fields, error, {"model": model, "weights": weights})
        return False
    name = model.name if model else architecture
    words = {"train": "trained here", "weights": f"weights {weights.name if weights else ''}"}
    guide.finish(
        " · ".join(filter(None, (name, words.get(kind), made.settings.transform.in_words)))
    )
    return True


def _architecture(guide: Guide, kind: str) -> str | None:
    fields = guide.fields
    suggested = fields.values.get("suggested") if kind == "train" else OTHER
    if suggested != OTHER:
        return suggested
    if not (name := fields.values.get("architecture")):
        fields.refuse("architecture", EMPTY)
        return None
    fields.checked("architecture", require_architecture)
    return str(name)


def _transform(guide: Guide, architecture: str | None, model: Path | None) -> Transform | None:
    """The named transform with the single values that differ."""
    fields, values = guide.fields, guide.fields.values
    own: dict[str, Any] = {
        name: fields.checked(name, partial(parse_transform, name)) for name in TEXTS
    }
    own["interpolation"] = values["interpolation"] or None
    own |= {name: values[name] for name in ("exif", "alpha")}
    given = {name: value for name, value in own.items() if value is not None}
    if fields.has_faults:
        return None
    try:
        named = first_transform(values["transform"] or None, architecture, model)
    except OpenMaxError as error:
        fields.refuse("transform" if model is None else "model", error)
        return None
    transform = replace(named, **given)
    if transform.has_bytes_scale:
        fields.refuse("mean" if values["mean"] else "std", transform.doubts[0])
    return transform
