"""Errors that a user can act on: each message names the file, class or setting and the way out."""

from __future__ import annotations

import re

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class OpenMaxError(Exception):
    """Base of every error that this package raises on purpose."""


class FitError(OpenMaxError):
    """Activations to which no method can be fitted."""


class ActivationsError(OpenMaxError):
    """Activations that cannot be scored or stored."""


class PictureError(OpenMaxError):
    """A file that cannot be decoded as a picture."""


class NotReadError(PictureError):
    """A file that the machine did not give: no permission, no memory, a disk or network that fails.

    That says nothing about the picture, which may be sound: it is not remembered, and is tried
    again at the next run.
    """


class NotRead(str):
    """Why a picture gave no logits, where the reason is that of a :class:`NotReadError`."""

    __slots__ = ()


class ClassifierError(OpenMaxError):
    """An architecture, weights file or device that cannot be used."""


class WorkspaceError(OpenMaxError):
    """A workspace folder, its settings file or its pictures are not as they should be."""


class FolderError(WorkspaceError):
    """A picture folder that is missing, is empty, or holds folders that are no classes.

    Attributes
    ----------
    way_out : what to do where no ``workspace.toml`` names the folder; may be empty
    in_settings : what to do in the ``workspace.toml`` that names it
    """

    def __init__(
        self, problem: str, way_out: str = "", in_settings: str = "correct it under [folders]"
    ) -> None:
        super().__init__(f"{problem}; {way_out}" if way_out else problem)
        self.way_out, self.in_settings = way_out, in_settings


class ClusterError(OpenMaxError):
    """A Ray cluster that cannot be reached, or whose nodes cannot do the work."""


def first_line(error: BaseException) -> str:
    """First line of another library's message, without colours; what the error is where none."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return ANSI.sub("", lines[0]).strip()
