"""The visitor's pictures: in the session's memory and nowhere else, gone when it ends.

Nothing of them goes through ``st.cache_*``, which all visitors share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile

from openmax_core.methods.method import Method
from openmax_core.network.engines import Engine
from openmax_core.pictures.intake import Refused, Upload, take_in
from openmax_core.prediction.choice import Answer, answers
from openmax_core.support.jobs import Job
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs

FILES, REFUSED, ANSWERS = "upload_files", "upload_refused", "upload_answers"
SCORED = "upload_scored"


def files() -> list[Upload]:
    """Pictures that the session holds, in the order in which they came."""
    held: list[Upload] = st.session_state.setdefault(FILES, [])
    return held


def refused() -> tuple[Refused, ...]:
    """Files of the last drop that were not taken."""
    found: tuple[Refused, ...] = st.session_state.get(REFUSED, ())
    return found


def add(sent: Iterable[Upload]) -> None:
    """Take what was sent, as far as it may be taken."""
    intake = take_in(sent, files())
    files().extend(intake.files)
    st.session_state[REFUSED] = intake.refused


def remove(keys: Sequence[str]) -> None:
    """Forget pictures, and everything that was made of them."""
    st.session_state[FILES] = [file for file in files() if file.key not in keys]
    _forget_answers()


def clear() -> None:
    """Forget everything."""
    st.session_state[FILES], st.session_state[REFUSED] = [], ()
    _forget_answers()


def received(sent: Sequence[UploadedFile | DeletedFile]) -> list[Upload]:
    """Move files out of the server's hands, which would keep them until the session ends.

    A second drop, made while the first is taken, comes together with the first one's files, which
    are gone from there: they are passed over.
    """
    there = [item for item in sent if isinstance(item, UploadedFile)]
    moved = [Upload(item.name, item.getvalue()) for item in there]
    context = get_script_run_ctx()
    for item in there:
        if context is not None and hasattr(context.uploaded_file_mgr, "remove_file"):
            context.uploaded_file_mgr.remove_file(context.session_id, item.file_id)
    return moved


def engine_job(workspace: Workspace, method: Method) -> Job[None, Engine]:
    """Start loading the network in the background, once for everybody.

    It gives features too, where the method needs them.
    """
    key = (str(workspace.folder), workspace.classifier.key, method.needs_features)
    job = _load_engine(*key)
    if job.problem:  # the next visit tries again: memory or a drive may be there by then
        _load_engine.clear(*key)
    return job


@st.cache_resource(show_spinner=False, max_entries=2)
def _load_engine(folder: str, classifier_key: str, has_features: bool) -> Job[None, Engine]:
    # On the CPU: a few pictures are through it before torch would be imported for a GPU.
    return jobs.run_network(
        lambda report: Workspace.open(folder).classifier.load_engine(
            "cpu", has_features=has_features
        )
    )


def answered(workspace: Workspace, method: Method) -> list[Answer]:
    """Answers to all pictures; only those not seen in this session go through the network.

    A picture that turns out to be damaged is taken out, and named among the refused.

    Raises
    ------
    OpenMaxError
        The network cannot be loaded, or refuses the pictures.
    """
    known: dict[tuple[str, str], Answer] = st.session_state.setdefault(ANSWERS, {})
    seen_by = workspace.classifier.key + (" features" if method.needs_features else "")
    key_of = {file.key: (seen_by, file.digest) for file in files()}
    fresh = {key_of[file.key]: file for file in files() if key_of[file.key] not in known}
    if fresh:
        _run(workspace, method, fresh, known)
    damaged = {file.key: known[key_of[file.key]].logits for file in files()}
    reasons = {key: reason for key, reason in damaged.items() if isinstance(reason, str)}
    if reasons:
        unreadable = [Refused(f.name, reasons[f.key]) for f in files() if f.key in reasons]
        st.session_state[REFUSED] = (*refused(), *unreadable)
        remove(list(reasons))
    return [known[key_of[file.key]] for file in files()]


def _run(
    workspace: Workspace,
    method: Method,
    fresh: dict[tuple[str, str], Upload],
    known: dict[tuple[str, str], Answer],
) -> None:
    """Run pictures through the network; what is done stays known where the run is interrupted."""
    place = st.empty()

    def on_wait(before: int) -> None:
        place.info(
            f"The network is busy with pictures of {before} other visitor{'s' * (before > 1)}. "
            "Your pictures take turns with theirs.",
            icon=":material/hourglass_top:",
        )

    try:
        place.progress(0.0, text="Loading the network …")
        engine = engine_job(workspace, method).result()
        contents = [file.content for file in fresh.values()]
        found = zip(fresh, answers(engine, contents, on_wait), strict=True)
        for number, (key, answer) in enumerate(found, 1):
            known[key] = answer
            text = f"{number} of {len(fresh)} pictures are through the network"
            place.progress(number / len(fresh), text=text)
    finally:
        place.empty()


def _forget_answers() -> None:
    st.session_state.pop(SCORED, None)
    kept = {file.digest for file in files()}
    known: dict[tuple[str, str], Answer] = st.session_state.get(ANSWERS, {})
    for key in [key for key in known if key[1] not in kept]:
        del known[key]
