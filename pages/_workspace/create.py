"""A form that makes a workspace, with the settings that ``openmax init`` has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core.errors import OpenMaxError
from openmax_core.network.class_names import read_labels
from openmax_core.network.classifier import (
    TRANSFORMS,
    WITH_TRANSFORM_INPUT,
    require_architecture,
)
from openmax_core.network.onnx_files import SUFFIX
from openmax_core.pictures.images import ALPHAS, INTERPOLATIONS, Transform
from openmax_core.workspace.settings import HELP, parse_transform
from openmax_core.workspace.weights import first_transform
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.format import plain
from pages._shared.widgets import show_error

REQUIRED = ("folder", "weights", "train", "test")
TEXTS = ("resize", "crop", "mean", "std")
TRANSFORM_NAMES = {
    "": "Usual: the notebook's; for timm its own",
    "notebook": "Notebook: 320 × 320 nearest, crop 224",
    "imagenet": "ImageNet: 256 bilinear, crop 224",
    "weights": "Of the weights: the library's own",
}
TRANSFORM_INPUT = {None: "Found out on training pictures", True: "Yes", False: "No"}
EXIF = {True: "Turn pictures", False: "Leave pictures as stored"}
ALPHA = {"white": "On white", "drop": "Stored colours"}


class _Form:
    """Values of the fields by name, each with a place below it for what is wrong with it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[str, DeltaGenerator] = {}
        self.has_errors = False

    def text(self, place: DeltaGenerator, name: str, label: str, **options: Any) -> None:
        with place.container(gap="xsmall"):
            self.values[name] = st.text_input(label, **options).strip()
            self.places[name] = st.empty()

    def choice(
        self, place: DeltaGenerator, name: str, label: str, options: dict[Any, str], words: str
    ) -> None:
        with place.container(gap="xsmall"):
            self.values[name] = st.selectbox(
                label, list(options), format_func=options.__getitem__, help=words
            )
            self.places[name] = st.empty()

    def refuse(self, name: str, problem: object) -> None:
        """Say below a field what is wrong with it."""
        self.has_errors = True
        self.places[name].error(plain(str(problem)), icon=":material/error:")

    def checked(self, name: str, check: Callable[[str], Any]) -> Any:
        """What a check makes of a field; None, and what is wrong below it, where it refuses it.

        None without a word where it is empty.
        """
        if not (value := self.values[name]):
            return None
        try:
            return check(value)
        except OpenMaxError as error:
            self.refuse(name, error)
            return None


def show_form(on_made: Callable[[Workspace], None]) -> None:
    """Draw the form.

    Parameters
    ----------
    on_made : called with the new workspace
    """
    st.subheader("Create one")
    st.caption(
        "The train and test folders have one sub-folder for each class. The reject folder has "
        "pictures of unknowns. Nothing is copied."
    )
    with st.form("create", border=False):
        form = _Form()
        form.text(st.container(), "folder", "Folder of the new workspace")
        left, right = st.columns(2)
        form.text(
            left,
            "architecture",
            "Architecture",
            value="resnet50",
            help="torchvision's name, or timm:NAME. An ONNX file needs none.",
        )
        form.text(
            right,
            "weights",
            "Weights file",
            help=".safetensors, .pth or .pt; or an ONNX file, which holds the whole network",
        )
        left, right = st.columns(2)  # anew for each row: on a phone, the order of reading
        form.text(left, "train", "Train folder")
        form.text(right, "test", "Test folder")
        left, right = st.columns(2)
        form.text(left, "reject", "Reject folder", help="may be empty")
        form.text(right, "classes", "Class names", help=_sentence("classes"))
        form.choice(
            st.container(),
            "transform",
            "Transform",
            {name: TRANSFORM_NAMES[name] for name in ("", *TRANSFORMS)},
            "What makes the network's input of a picture. It must be the one that the weights "
            "were tested with. Single values are under More settings.",
        )
        with st.expander("More settings", icon=":material/tune:"):
            _more_settings(form)
        is_sent = st.form_submit_button(
            "Create", icon=":material/create_new_folder:", type="primary"
        )
        if is_sent and (workspace := _made(form)) is not None:
            on_made(workspace)


def _more_settings(form: _Form) -> None:
    st.caption("Empty fields keep what the transform above has.")
    left, right = st.columns(2)
    form.text(left, "resize", "Resize", placeholder="256 or 320,320", help=_sentence("resize"))
    form.text(right, "crop", "Crop", placeholder="224 or 224,224", help=_sentence("crop"))
    left, right = st.columns(2)
    form.text(left, "mean", "Mean", placeholder="0.485,0.456,0.406", help=_sentence("mean"))
    form.text(right, "std", "Std", placeholder="0.229,0.224,0.225", help=_sentence("std"))
    left, right = st.columns(2)
    kinds = {"": "As the transform above", **{name: name.capitalize() for name in INTERPOLATIONS}}
    form.choice(left, "interpolation", "Interpolation", kinds, _sentence("interpolation"))
    form.choice(right, "exif", "EXIF orientation", EXIF, _sentence("exif"))
    left, right = st.columns(2)
    names = {name: ALPHA[name] for name in ALPHAS}
    form.choice(left, "alpha", "Transparent pixels", names, _sentence("alpha"))
    form.text(right, "output", "Output of an ONNX file", help=_sentence("output"))
    left, right = st.columns(2)
    form.text(left, "labels", "Labels file", help=_sentence("labels"))
    form.text(right, "weights_entry", "Entry of the weights file", help=_sentence("weights_entry"))
    left, right = st.columns(2)
    form.choice(
        left, "transform_input", "transform_input", TRANSFORM_INPUT, _sentence("transform_input")
    )


def _sentence(name: str) -> str:
    """The shell's words on a setting."""
    return plain(f"{HELP[name][0].upper()}{HELP[name][1:]}.")


def _made(form: _Form) -> Workspace | None:
    """The workspace; None where a field is wrong, which is said below it."""
    roots, values = start.roots(), form.values
    for name in REQUIRED:
        if not values[name]:
            form.refuse(name, "Fill this in.")
    paths = {name: form.checked(name, roots.check) for name in ("folder", "weights", "labels")}
    file = paths["weights"]
    is_model = file is not None and file.suffix.lower() == SUFFIX
    architecture = None if is_model else values["architecture"]
    if architecture == "":
        form.refuse("architecture", "Fill this in.")
    names = [item.strip() for item in values["classes"].split(",") if item.strip()]
    if names and values["labels"]:
        form.refuse("labels", "Class names are given above; leave one of them empty.")
    pictures = {
        name: form.checked(name, roots.check_pictures) for name in ("train", "test", "reject")
    }
    with st.spinner("Checking pictures and weights …"):
        if not is_model:
            form.checked("architecture", require_architecture)
        if paths["labels"] is not None:
            names = list(form.checked("labels", lambda _: read_labels(paths["labels"])) or ())
        transform = _transform(form, architecture, file if is_model else None)
        if values["transform_input"] and architecture not in WITH_TRANSFORM_INPUT:
            those = " and ".join(WITH_TRANSFORM_INPUT)
            form.refuse("transform_input", f"Only {those} have this. Leave it to be found out.")
        if form.has_errors:
            return None
        try:
            return Workspace.create(
                paths["folder"],
                architecture,
                weights=None if is_model else file,
                model=file if is_model else None,
                output=values["output"] or None,
                **pictures,
                classes=names,
                transform=transform,
                transform_input=values["transform_input"],
                weights_entry=values["weights_entry"] or None,
            )
        except OpenMaxError as error:
            show_error(error)
            return None


def _transform(form: _Form, architecture: str | None, model: Path | None) -> Transform | None:
    """The named transform with the single values that differ."""
    own = {name: form.checked(name, partial(parse_transform, name)) for name in TEXTS}
    own["interpolation"] = form.values["interpolation"] or None
    own |= {name: form.values[name] for name in ("exif", "alpha")}
    given = {name: value for name, value in own.items() if value is not None}
    if form.has_errors:
        return None
    try:
        named = first_transform(form.values["transform"] or None, architecture, model)
    except OpenMaxError as error:
        form.refuse("transform" if model is None else "weights", error)
        return None
    transform = replace(named, **given)
    if transform.has_bytes_scale:
        form.refuse("mean" if form.values["mean"] else "std", transform.doubts[0])
    return transform
