"""Where pictures come from: dropped files and archives, the camera, samples of the workspace."""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.pictures.intake import (
    MAX_ARCHIVE_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    Refused,
    Upload,
    megabytes,
)
from openmax_core.workspace.samples import sample_paths, sample_upload
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.components import samples
from pages._shared.format import plain
from pages._shared.guards import show_notice
from pages._shared.pictures import stored_thumbnail
from pages._shared.widgets import show_error
from pages._upload import basket

N_SAMPLES = 6
MOST_LISTED = 5


def show_ways_in(workspace: Workspace, evaluation: Evaluation) -> None:
    """Draw all sources of pictures; the basket then has the new pictures."""
    known = ", ".join(workspace.classes[:8]) + (" …" if len(workspace.classes) > 8 else "")
    key = f"upload_{st.session_state.setdefault('upload_turn', 0)}"
    st.file_uploader(
        f"Drop pictures of the known classes ({plain(known)}) and of anything else, or a ZIP",
        accept_multiple_files=True,
        key=key,
        on_change=lambda: _take(key),
        max_upload_size=MAX_ARCHIVE_BYTES // 1_000_000,
        help="JPEG, HEIC, PNG, WebP, AVIF, BMP, GIF or TIFF. The content decides, not the name.",
    )
    st.caption(
        f"Up to {MAX_FILES} pictures of {megabytes(MAX_FILE_BYTES)} each, a ZIP of up to "
        f"{megabytes(MAX_ARCHIVE_BYTES)}. They stay in this session's memory: no other visitor "
        "sees them, nothing is written to disk, and closing the page deletes them."
    )
    _show_samples(workspace, evaluation)
    # Only on request: the browser asks for permission as soon as a camera is drawn.
    if st.toggle("Use the camera", key="camera_open"):
        photo_key = f"camera_{st.session_state.setdefault('camera_turn', 0)}"
        st.camera_input(
            "Take a photo. It is treated like any other picture",
            key=photo_key,
            on_change=lambda: _photograph(photo_key),
            width=480,
        )


def show_refused(refused: tuple[Refused, ...]) -> None:
    """Name every file that was not accepted, with the reason and the way out."""
    if not refused:
        return
    one = len(refused) == 1
    head = f"**{len(refused)} file{'' if one else 's'} {'was' if one else 'were'} not accepted:**"
    lines = [f"- {plain(item.name)}: {plain(item.reason)}" for item in refused[:MOST_LISTED]]
    if (more := len(refused) - MOST_LISTED) > 0:
        lines.append(f"- and {more} more, listed below")
    st.warning("\n".join([head, *lines]), icon=":material/warning:")
    if more > 0:
        with st.expander(f"All {len(refused)} files that were not accepted"):
            st.dataframe(
                {
                    "file": [item.name for item in refused],
                    "reason": [item.reason for item in refused],
                },
                hide_index=True,
            )


def _take(key: str) -> None:
    """Take what was dropped, and make room for the next."""
    sent = st.session_state[key]
    if sent:
        basket.add(basket.received(sent))
        st.session_state["upload_turn"] += 1


def _photograph(key: str) -> None:
    photo = st.session_state[key]
    if photo is not None:
        st.session_state["camera_turn"] += 1
        name = f"photo {st.session_state['camera_turn']}.jpg"
        basket.add(Upload(name, upload.content) for upload in basket.received([photo]))


def _show_samples(workspace: Workspace, evaluation: Evaluation) -> None:
    """Draw pictures of the workspace; a click adds one or removes it."""
    added = _added_samples(workspace)
    held = {file.key for file in basket.files()}
    items: list[dict[str, Any]] = []
    for split, activations in (("test", evaluation.test), ("reject", evaluation.reject)):
        if activations is None:
            continue
        for path, caption in sample_paths(workspace, activations, N_SAMPLES):
            url = stored_thumbnail(workspace, split, path)["picture"]
            if url is not None:
                items.append(
                    {
                        "key": f"{split}/{path}",
                        "split": split,
                        "path": path,
                        "kind": "known" if split == "test" else "unknown",
                        "caption": caption,
                        "picture": url,
                        "pressed": added.get(f"{split}/{path}") in held,
                    }
                )
    if not items:
        return
    show_notice(workspace)
    clicked = samples(key="samples", data={"items": items}, on_clicked_change=lambda: None).clicked
    # Only what is offered can be asked for: the key comes back from the browser.
    for item in items:
        if clicked == item["key"]:
            _toggle(workspace, item, added)


def _added_samples(workspace: Workspace) -> dict[str, str]:
    """Keys in the basket of the samples that were added, by their place in this workspace.

    Another workspace may have other pictures of the same name.
    """
    by_workspace: dict[str, dict[str, str]] = st.session_state.setdefault("upload_samples", {})
    return by_workspace.setdefault(str(workspace.folder), {})


def _toggle(workspace: Workspace, item: dict[str, Any], added: dict[str, str]) -> None:
    if item["pressed"]:
        basket.remove([added.pop(item["key"])])
    else:
        try:
            upload = sample_upload(workspace, item["split"], item["path"], start.roots())
        except OpenMaxError as error:
            show_error(error)
            return
        basket.add([upload])
        added[item["key"]] = upload.key
    st.rerun()
