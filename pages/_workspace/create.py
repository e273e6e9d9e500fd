"""A form that makes a workspace, with the settings that ``openmax init`` has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core.errors import OpenMaxError
from openmax_core.network.classifier import (
    TRANSFORMS,
    WITH_TRANSFORM_INPUT,
    require_architecture,
    transform_by_name,
)
from openmax_core.pictures.images import ALPHAS, INTERPOLATIONS, Transform
from openmax_core.workspace.settings import HELP, parse_transform
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.format import plain
from pages._shared.widgets import show_error

REQUIRED = ("folder", "architecture", "weights", "train", "test")
TEXTS = ("resize", "crop", "mean", "std")
TRANSFORM_NAMES = {
    "notebook": "Notebook: 320 × 320 nearest, crop 224",
    "imagenet": "ImageNet: 256 bilinear, crop 224",
    "weights": "Of the weights: torchvision's own",
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
        form.text(left, "architecture", "Architecture", value="resnet50", help="torchvision's name")
        form.text(right, "weights", "Weights file", help=".safetensors, .pth or .pt")
        form.text(left, "train", "Train folder")
        form.text(right, "test", "Test folder")
        form.text(left, "reject", "Reject folder", help="may be empty")
        form.text(right, "classes", "Class names", help=_sentence("classes"))
        form.choice(
            st.container(),
            "transform",
            "Transform",
            {name: TRANSFORM_NAMES[name] for name in TRANSFORMS},
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
    form.text(left, "mean", "Mean", placeholder="0.485,0.456,0.406", help=_sentence("mean"))
    form.text(right, "std", "Std", placeholder="0.229,0.224,0.225", help=_sentence("std"))
    kinds = {"": "As the transform above", **{name: name.capitalize() for name in INTERPOLATIONS}}
    form.choice(left, "interpolation", "Interpolation", kinds, _sentence("interpolation"))
    form.choice(right, "exif", "EXIF orientation", EXIF, _sentence("exif"))
    names = {name: ALPHA[name] for name in ALPHAS}
    form.choice(left, "alpha", "Transparent pixels", names, _sentence("alpha"))
    form.text(right, "weights_entry", "Entry of the weights file", help=_sentence("weights_entry"))
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
    paths = {name: form.checked(name, roots.check) for name in ("folder", "weights")}
    pictures = {
        name: form.checked(name, roots.check_pictures) for name in ("train", "test", "reject")
    }
    with st.spinner("Checking pictures and weights …"):
        form.checked("architecture", require_architecture)
        transform = _transform(form)
        if values["transform_input"] and values["architecture"] not in WITH_TRANSFORM_INPUT:
            names = " and ".join(WITH_TRANSFORM_INPUT)
            form.refuse("transform_input", f"Only {names} have this. Leave it to be found out.")
        if form.has_errors:
            return None
        try:
            return Workspace.create(
                paths["folder"],
                values["architecture"],
                weights=paths["weights"],
                **pictures,
                classes=[item.strip() for item in values["classes"].split(",") if item.strip()],
                transform=transform,
                transform_input=values["transform_input"],
                weights_entry=values["weights_entry"] or None,
            )
        except OpenMaxError as error:
            show_error(error)
            return None


def _transform(form: _Form) -> Transform | None:
    """The named transform with the single values that differ."""
    own = {name: form.checked(name, partial(parse_transform, name)) for name in TEXTS}
    own["interpolation"] = form.values["interpolation"] or None
    own |= {name: form.values[name] for name in ("exif", "alpha")}
    given = {name: value for name, value in own.items() if value is not None}
    if form.has_errors:
        return None
    architecture = form.values["architecture"]
    named = form.checked("transform", lambda name: transform_by_name(name, architecture))
    if named is None:
        return None
    transform = replace(named, **given)
    if transform.has_bytes_scale:
        form.refuse("mean" if form.values["mean"] else "std", transform.doubts[0])
    return transform
