"""Second step of the guide: what the data hold, and the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.network.class_names import read_labels
from openmax_core.workspace.contents import N_SAMPLES, Contents, Row
from pages._shared import start
from pages._shared.format import plain
from pages._shared.pictures import thumbnail
from pages._shared.widgets import show_error, show_table
from pages._workspace.browser import Wanted
from pages._workspace.fields import EMPTY, sentence_on
from pages._workspace.guide import Guide

NAMES_FROM = {"data": "", "labels": "From a labels file", "typed": "Typed here"}
LABELS = Wanted(suffixes=(".txt", ".json", ".csv", ".names"))
PER_PAGE = 12
THUMBNAIL_HEIGHT, SET_WIDTH = 72, 70


def show(guide: Guide) -> None:
    """Draw the table of classes and sets, with pictures, and the names of the classes."""
    fields = guide.fields
    try:
        contents = guide.contents(_names(guide))
    except OpenMaxError as error:
        contents = None
        if not fields.is_faulty("labels", "classes", "names_from"):
            show_error(error)
    if contents is not None:
        _show_table(contents)
        _show_list(contents.problems, "error")
        _show_list(contents.warnings, "warning")
        _show_list(contents.notes, "info")
    from_data = (
        "From the tables"
        if guide.are_tables
        else "From the folders, or as the network's file notes them"
    )
    chosen = fields.choice(
        "names_from", "Class names and their order", NAMES_FROM | {"data": from_data}
    )
    if chosen == "labels":
        fields.path("labels", "Labels file", LABELS, help=sentence_on("labels"))
    elif chosen == "typed":
        fields.text("classes", "Class names", help=sentence_on("classes"), placeholder="a,b,c")


def check(guide: Guide) -> bool:
    """Take the names, if they fit the data; else say what is wrong."""
    fields = guide.fields
    fields.begin_check()
    chosen = fields.values["names_from"]
    names: Sequence[str] = ()
    if chosen == "labels":
        names = fields.checked("labels", _of_file, required=True) or ()
    elif chosen == "typed":
        names = _typed(guide)
        if not names:
            fields.refuse("classes", EMPTY)
    if fields.has_faults:
        return False
    guide.classes = tuple(names)
    try:
        contents = guide.contents(guide.classes, anew=True)
    except OpenMaxError as error:
        fields.refuse({"labels": "labels", "typed": "classes"}.get(chosen, "names_from"), error)
        return False
    if contents.problems:
        return False
    things = "rows" if guide.are_tables else "pictures"
    counts = [f"{n:,} {split}" for split, n in contents.totals.items()]
    at_least = "" if contents.is_whole else "at least "
    guide.finish(f"{len(contents.classes):,} classes · {at_least}{', '.join(counts)} {things}")
    return True


def _names(guide: Guide) -> tuple[str, ...]:
    """Names as far as they can be used now."""
    chosen = guide.fields.values.get("names_from")
    if chosen == "typed":
        return _typed(guide)
    if chosen == "labels" and (path := guide.fields.values.get("labels")):
        try:
            return tuple(_of_file(path))
        except OpenMaxError:  # it is said when the step is checked
            return ()
    return ()


def _typed(guide: Guide) -> tuple[str, ...]:
    text = str(guide.fields.values.get("classes") or "")
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _of_file(path: str) -> tuple[str, ...]:
    return read_labels(start.roots().check(path))


def _show_list(sentences: Sequence[str], kind: str) -> None:
    if not sentences:
        return
    icons = {"error": ":material/error:", "warning": ":material/warning:"}
    shown = [plain(start.roots().shown(f"{text[:1].upper()}{text[1:]}.")) for text in sentences]
    text = shown[0] if len(shown) == 1 else "\n".join(f"- {item}" for item in shown)
    {"error": st.error, "warning": st.warning, "info": st.info}[kind](
        text, icon=icons.get(kind, ":material/info:")
    )


def _show_table(contents: Contents) -> None:
    """Draw a row for each class and kind of unknowns."""
    n_pages = max(1, -(-len(contents.rows) // PER_PAGE))
    page = min(st.pagination(n_pages, key="guide_classes"), n_pages) if n_pages > 1 else 1
    rows = contents.rows[PER_PAGE * (page - 1) : PER_PAGE * page]
    has_samples = any(row.samples for row in rows)
    named = [
        {
            "class": row.name if row.is_known else f"unknown: {row.name}".removesuffix(": "),
            **{split: contents.in_words(row, split) for split in contents.sets},
        }
        for row in rows
    ]
    table = pd.DataFrame(named)
    columns: dict[str, Any] = {"class": st.column_config.TextColumn("class")}
    columns |= {
        split: st.column_config.TextColumn(split, width=SET_WIDTH, alignment="right")
        for split in contents.sets
    }
    if has_samples:
        with st.spinner("Opening a few pictures …"):
            for number in range(N_SAMPLES):
                table[f"sample {number}"] = [_sample(row, number) for row in rows]
        columns |= {
            f"sample {number}": st.column_config.ImageColumn(
                "samples" if not number else "", width="small"
            )
            for number in range(N_SAMPLES)
        }
    options = {"row_height": THUMBNAIL_HEIGHT} if has_samples else {}
    show_table(table, columns, **options)
    if not contents.is_whole:
        st.caption(
            f"Very many pictures: each class is counted up to {contents.most:,} in each set."
        )


def _sample(row: Row, number: int) -> str | None:
    """Thumbnail of one of a row's pictures, if it may be shown."""
    if number >= len(row.samples):
        return None
    try:
        return thumbnail(start.roots().check_pictures(row.samples[number]))
    except OpenMaxError:
        return None
