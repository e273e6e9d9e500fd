"""Errors that a user can act on: each message names the file, class or setting and the way out."""


class OpenMaxError(Exception):
    """Base of every error that this package raises on purpose."""


class OpenMaxWarning(UserWarning):
    """Base of every warning that this package gives."""


class FitError(OpenMaxError):
    """Activations from which no OpenMax can be fitted."""


class ActivationsError(OpenMaxError):
    """Activations that cannot be scored or stored."""


class NoFeasibleThresholdError(OpenMaxError):
    """No threshold meets the constraint.

    Attributes
    ----------
    best_test_accuracy : float
        The largest Test accuracy that any threshold reaches.
    """

    def __init__(self, message: str, best_test_accuracy: float) -> None:
        super().__init__(message)
        self.best_test_accuracy = best_test_accuracy


class PictureError(OpenMaxError):
    """A file that cannot be decoded as a picture."""


class ClassifierError(OpenMaxError):
    """An architecture, weights file or device that cannot be used."""


class WorkspaceError(OpenMaxError):
    """A workspace folder, its settings file or its pictures are not as they should be."""
