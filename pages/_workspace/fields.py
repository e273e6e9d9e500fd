"""Fields of a form that is filled in step by step: values and faults last as long as the session.

A widget forgets its value as soon as it is not drawn, on another page or in another step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.workspace.settings import HELP
from pages._shared.format import plain
from pages._shared.widgets import show_error
from pages._workspace.browser import Browsing, Wanted, show_browser

EMPTY = "Fill this in."


def sentence_on(name: str) -> str:
    """The shell's words on a setting, as a sentence."""
    return plain(f"{HELP[name][0].upper()}{HELP[name][1:]}.")


class Fields:
    """Values of fields by name, and what is wrong with them.

    Parameters
    ----------
    name : of the form; its widgets' keys begin with it
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[str, Any] = {}
        self.browsed: str | None = None  # the field that the browser is open for
        self._at = Browsing()
        self._faults: dict[str, tuple[Any, str]] = {}

    def text(self, name: str, label: str, default: str = "", **options: Any) -> str:
        """Draw a field of text, and what is wrong with it below."""
        self._seed(name, default)
        value = st.text_input(label, key=self._key(name), **options)
        self.values[name] = (value or "").strip()
        self._show_fault(name)
        return str(self.values[name])

    def choice(
        self, name: str, label: str, options: Mapping[Any, str], words: str | None = None
    ) -> Any:
        """Draw a choice of options, given with their words."""
        self._seed(name, next(iter(options)), options)
        self.values[name] = st.selectbox(
            label,
            list(options),
            key=self._key(name),
            format_func=lambda value: options.get(value, ""),
            help=words,
        )
        self._show_fault(name)
        return self.values[name]

    def flag(self, name: str, label: str, words: str) -> bool:
        """Draw something to tick."""
        self._seed(name, False)
        self.values[name] = st.checkbox(label, key=self._key(name), help=words)
        return bool(self.values[name])

    def kind(self, name: str, label: str, options: Mapping[str, str]) -> str:
        """Draw a choice of few options side by side."""
        self._seed(name, next(iter(options)), options)
        self.values[name] = st.segmented_control(
            label,
            list(options),
            key=self._key(name),
            format_func=options.__getitem__,
            required=True,
            label_visibility="collapsed",
        ) or next(iter(options))
        return str(self.values[name])

    def path(
        self,
        name: str,
        label: str,
        wanted: Wanted,
        *,
        chosen: Callable[[Path], None] | None = None,
        choose_sets: Callable[[dict[str, Path]], None] | None = None,
        **options: Any,
    ) -> str:
        """Draw a field for a folder or file: chosen in the browser below it, or typed.

        Parameters
        ----------
        chosen : called with what was chosen in the browser; without, the field takes its path
        choose_sets : as for :func:`show_browser`
        """
        self._seed(name, "")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            value = st.text_input(label, key=self._key(name), **options)
            self.values[name] = (value or "").strip()
            is_open = self.browsed == name
            st.button(
                "Close" if is_open else "Browse",
                key=f"{self._key(name)}_browse",
                icon=":material/close:" if is_open else ":material/folder_open:",
                on_click=self.browse,
                args=(None if is_open else name,),
            )
        self._show_fault(name)
        if is_open:
            show_browser(
                self._at, wanted, chosen or (lambda path: self._take(name, path)), choose_sets
            )
        return str(self.values[name])

    def browse(self, name: str | None) -> None:
        """Open the browser for a field, or close it."""
        self.browsed = name
        if name is not None:
            self._at.begin(str(self.values.get(name) or ""))

    def set(self, name: str, value: Any) -> None:
        """Give a field a value, in a callback or before it is drawn."""
        self.values[name] = st.session_state[self._key(name)] = value
        self._faults.pop(name, None)

    def refuse(self, name: str, problem: object) -> None:
        """Say below a field what is wrong with it, until its value is another."""
        self._faults[name] = (self.values.get(name), str(problem))

    def refuse_all(self, problem: object) -> None:
        """Say what no single field is to blame for, until one has another value."""
        self._faults[""] = (dict(self.values), str(problem))

    def show_fault_of_all(self) -> None:
        """Draw what :meth:`refuse_all` was told."""
        value, problem = self._faults.get("", (None, ""))
        if problem and value == self.values:
            show_error(problem)

    @property
    def has_faults(self) -> bool:
        """Something is wrong, since :meth:`begin_check`."""
        return bool(self._faults)

    def is_faulty(self, *names: str) -> bool:
        """Tell whether something is wrong with one of the fields."""
        return any(name in self._faults for name in names)

    def begin_check(self) -> None:
        """Forget what was wrong."""
        self._faults.clear()

    def checked(self, name: str, check: Callable[[str], Any], *, required: bool = False) -> Any:
        """What a check makes of a field; None where it refuses it, or where the field is empty."""
        value = self.values.get(name)
        if not value:
            if required:
                self.refuse(name, EMPTY)
            return None
        try:
            return check(value)
        except OpenMaxError as error:
            self.refuse(name, error)
            return None

    def _take(self, name: str, path: Path) -> None:
        self.set(name, str(path))
        self.browsed = None

    def _key(self, name: str) -> str:
        return f"{self.name}_{name}"

    def _seed(self, name: str, default: Any, options: Mapping[Any, str] | None = None) -> None:
        """Give a widget that is drawn anew the value that the field had."""
        key = self._key(name)
        if key not in st.session_state:
            value = self.values.get(name, default)
            st.session_state[key] = value if options is None or value in options else default
        elif options is not None and st.session_state[key] not in options:
            st.session_state[key] = default

    def _show_fault(self, name: str) -> None:
        value, problem = self._faults.get(name, (None, ""))
        if problem and value == self.values[name]:
            show_error(problem)
