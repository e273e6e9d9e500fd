"""Pictures of a workspace or a batch: thumbnails by the page, and one of them opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.activations.table_rows import is_row
from openmax_core.analysis import figures
from openmax_core.errors import WorkspaceError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.pictures.locations import Location, RemotePath
from openmax_core.prediction.cards import N_NEAREST
from openmax_core.prediction.verdicts import ScoredPictures
from openmax_core.support.files import modified
from openmax_core.workspace.samples import picture_bytes, thumbnail_url
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.components import gallery
from pages._shared.format import plain
from pages._shared.widgets import show_warning

PER_PAGE = 12
GONE = "The picture is no longer there."
NO_PATH = "The table names no picture"
OUTSIDE = "Its folder is not under an allowed one"
STILL = {"displayModeBar": False, "staticPlot": True}


def show_gallery(
    n: int, key: str, pager: str, items: Callable[[int, int], Sequence[dict[str, Any]]]
) -> int | None:
    """Draw a page of thumbnails, with a pager where there are more; returns the one just clicked.

    Parameters
    ----------
    n : pictures on all pages
    key, pager : keys of the component and of the pager
    items : given the first picture's place and how many at most, what the page shows: each with
        ``key``, ``path``, ``picture`` (data URL or None), ``lines``, and ``gone``, why there is
        no picture

    Returns
    -------
    Place of the picture among all.
    """
    page = 1
    if (n_pages := -(-n // PER_PAGE)) > 1:
        page = min(st.pagination(n_pages, key=pager), n_pages)
    first = PER_PAGE * (page - 1)
    shown = items(first, PER_PAGE)
    opened = gallery(key=key, data={"items": shown}, on_opened_change=lambda: None).opened
    # Only what is shown can be opened: the key comes back from the browser.
    keys = [item["key"] for item in shown]
    return first + keys.index(opened) if opened in keys else None


def stored_picture(workspace: Workspace, split: str, path: str) -> Location:
    """Find a picture that a workspace's stored table names.

    Raises
    ------
    WorkspaceError
        It may not be shown: it leads out of its folder, or lies under no allowed one.
    """
    return start.roots().picture(workspace, split, path)


def stored_thumbnail(workspace: Workspace, split: str, path: str) -> dict[str, str | None]:
    """Return ``picture`` of an item of :func:`show_gallery`, or ``gone``, why there is none."""
    if workspace.settings.tables and is_row(path):
        return {"picture": None, "gone": NO_PATH}
    try:
        return {"picture": thumbnail(stored_picture(workspace, split, path))}
    except WorkspaceError:
        return {"picture": None, "gone": OUTSIDE}


def show_picture(find: Callable[[], Location], caption: str, gone: str = GONE) -> None:
    """Draw an opened picture so that it fits the screen, or say why it is not to be had.

    Parameters
    ----------
    find : returns its file; may raise a WorkspaceError
    """
    try:
        content = picture_bytes(find())
    except WorkspaceError as error:
        content, gone = None, str(error)
    if content is None:
        show_warning(gone)
    else:
        st.image(content, width="stretch")
    st.caption(plain(caption))


def show_nearest(evaluation: Evaluation, scored: ScoredPictures, row: int) -> None:
    """Draw where a scored picture lies in the tails of its nearest classes; of OpenMax alone."""
    if not scored.has_tails:
        return
    distances, cdf = scored.distances[row], scored.cdf[row]
    st.markdown("**Distance to the nearest classes**, and where it lies in their Weibull CDFs")
    columns = st.columns(N_NEAREST, gap="medium")
    for column, index in zip(columns, scored.ranked(row), strict=False):
        column.markdown(
            f"Class {plain(evaluation.openmax.class_names_[index])}: CDF **{cdf[index]:.4f}** at "
            f"distance {distances[index]:.4g}"
        )
        column.plotly_chart(
            figures.weibull_figure(evaluation.openmax, index, distances[index]),
            key=f"opened_weibull_{index}",
            config=STILL,
        )


def thumbnail(file: Location) -> str | None:
    """Data URL of a picture's thumbnail; None if it is no longer there.

    Whether it may be shown is the caller's to check. A picture at an address is looked at anew
    every ten minutes, and not at all while the address is silent.
    """
    if not isinstance(file, RemotePath):
        return _thumbnail(str(file), modified(file))
    try:
        return _remote_thumbnail(file.root, file.relative) if _answers(file.root) else None
    except WorkspaceError:
        return None


@st.cache_data(show_spinner=False, max_entries=2000)
def _thumbnail(file: str, moment: int | None) -> str | None:
    return thumbnail_url(Path(file))


@st.cache_data(show_spinner=False, ttl=30, max_entries=100)
def _answers(root: str) -> bool:
    try:
        return RemotePath(root).exists()
    except WorkspaceError:
        return False


@st.cache_data(show_spinner=False, ttl=600, max_entries=2000)
def _remote_thumbnail(root: str, relative: str) -> str | None:
    return thumbnail_url(RemotePath(root, relative))
