"""First step of the guide: which folders of pictures, or tables of logits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from openmax_core.activations.tables import SUFFIXES
from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.pictures.locations import Location, is_address
from openmax_core.support.files import listed
from openmax_core.workspace.contents import require_folder, whole_set
from openmax_core.workspace.division import EVERY
from pages._shared import start
from pages._workspace.browser import Wanted
from pages._workspace.fields import sentence_on
from pages._workspace.guide import Guide, location, place_fault

KINDS = {"pictures": "Pictures in folders", "tables": "Tables of logits"}
FOLDERS = {"train": "Train folder", "test": "Test folder", "reject": "Reject folder"}
DIVISIONS = {"one": "One file for all sets", "several": "A file for each set"}
TABLES = {"train_table": "Train table", "test_table": "Test table", "reject_table": "Reject table"}
MAY_BE_EMPTY = ("reject", "reject_table")
PICTURES = Wanted("Choose this folder", has_pictures=True)
TABLE = Wanted(suffixes=SUFFIXES)


def show(guide: Guide) -> None:
    """Draw the fields."""
    fields = guide.fields
    if fields.kind("data", "Data", KINDS) == "tables":
        _show_tables(guide)
        return
    st.caption(
        "The train and test folders have one sub-folder for each class. The reject folder has "
        "pictures of unknowns: of nothing that the network knows. Nothing is copied."
    )
    for name, label in FOLDERS.items():
        fields.path(
            name,
            label,
            PICTURES,
            chosen=partial(_take, guide, name),
            choose_sets=partial(_take_sets, guide),
            help=sentence_on(name),
            placeholder="may be left out" if name in MAY_BE_EMPTY else "a folder or an address",
        )
        if name == "test" and _may_divide(guide):
            fields.flag(
                "divide",
                f"No test folder: every {EVERY}th picture of each class of train is for testing",
                "The workspace gets folders with links; no picture is copied or moved. Where "
                "several pictures show the same thing, divide them by hand, so that it stands in "
                "one set alone.",
            )


def _may_divide(guide: Guide) -> bool:
    """Tell whether there is a train folder on this machine, and no test folder."""
    train, test = (str(guide.fields.values.get(name) or "") for name in ("train", "test"))
    return bool(train) and not test and not is_address(train)


def _show_tables(guide: Guide) -> None:
    fields = guide.fields
    st.caption(
        "Another program ran the network, and wrote its logits, the outputs before softmax, as "
        f"{', '.join(SUFFIXES)}. Then neither pictures nor a network are needed."
    )
    if fields.kind("division", "Files", DIVISIONS) == "one":
        fields.path("table", "Table", TABLE, help=sentence_on("table"))
        st.caption(
            "A column split says the set of each row. Without it, every other known row of each "
            "class is train, and the rest test. Unknowns have a negative label."
        )
        return
    for name, label in TABLES.items():
        empty = "may be left out" if name in MAY_BE_EMPTY else None
        fields.path(
            name,
            label,
            TABLE,
            chosen=partial(_take, guide, name),
            help=sentence_on(name),
            placeholder=empty,
        )


def check(guide: Guide) -> bool:
    """Take the answers, if they can be used; else say below the fields what is wrong."""
    fields = guide.fields
    fields.begin_check()
    guide.are_tables = fields.values["data"] == "tables"
    guide.is_divided = (
        not guide.are_tables and _may_divide(guide) and bool(fields.values.get("divide"))
    )
    named = _tables(guide) if guide.are_tables else _folders(guide)
    if fields.has_faults:
        return False
    by_set = {
        "all" if name == "table" else name.removesuffix("_table"): str(path)
        for name, path in named.items()
        if path is not None
    }
    guide.sources = tuple(by_set.items())
    try:
        guide.contents(anew=True)
    except OpenMaxError as error:
        place_fault(fields, error, named)
        return False
    shown = start.roots().shown
    words = [f"{split} {shown(text)}" for split, text in by_set.items()]
    if guide.is_divided:
        words[1] = f"test: every {EVERY}th picture of it"
    if "reject" not in by_set and not guide.are_tables:
        words.append("no reject set")
    guide.finish(" · ".join(words).removeprefix("all "))
    return True


def _tables(guide: Guide) -> dict[str, Path | None]:
    names = ("table",) if guide.fields.values["division"] == "one" else tuple(TABLES)
    check_path = start.roots().check
    return {
        name: guide.fields.checked(name, check_path, required=name not in MAY_BE_EMPTY)
        for name in names
    }


def _folders(guide: Guide) -> dict[str, Location | None]:
    found: dict[str, Location | None] = {}
    for name in FOLDERS:
        if name == "test" and guide.is_divided:
            found[name] = found["train"]
            continue
        folder = guide.fields.checked(name, _folder, required=name not in MAY_BE_EMPTY)
        same = [other for other, item in found.items() if folder is not None and item == folder]
        if same:
            guide.fields.refuse(name, f"This is the {same[0]} folder already.")
        found[name] = folder
    if found["train"] is not None and found["test"] is None and not guide.fields.values["test"]:
        guide.fields.refuse(
            "test",
            "Fill this in. If your pictures are not divided yet, tick the box below, or move some "
            "of each class into a second folder with the same class folders.",
        )
    return found


def _folder(text: str) -> Location:
    """Folder of a set.

    Raises
    ------
    OpenMaxError
        It is not allowed, not there, or holds several sets.
    """
    folder = location(text)
    require_folder(folder)
    if sets := whole_set(folder):
        raise WorkspaceError(
            f"{folder} holds the folders {listed([*sets.values()])}: choose these, each for its "
            "set. The browser takes them all at once"
        )
    return folder


def _take(guide: Guide, name: str, path: Path) -> None:
    """Take what was chosen in the browser, and go on to the next field that is needed."""
    fields = guide.fields
    fields.set(name, str(path))
    all_names = [*FOLDERS] if name in FOLDERS else [*TABLES]
    needed = [other for other in all_names if other not in MAY_BE_EMPTY]
    fields.browse(next((other for other in needed if not fields.values.get(other)), None))


def _take_sets(guide: Guide, sets: dict[str, Path]) -> None:
    for name in FOLDERS:
        guide.fields.set(name, str(sets.get(name, "")))
    guide.fields.browse(None)
