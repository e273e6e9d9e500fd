"""What stored features take, told before the network runs."""

from __future__ import annotations

BYTES_OF_FEATURE = 2  # float16


def size_in_words(n: int | None, n_features: int | None, what: str = "picture") -> str:
    """How many bytes the features of a workspace take.

    Parameters
    ----------
    n : pictures or rows, where that is known
    n_features : D, where that is known
    what : 'picture' or 'row'
    """
    if n_features is None:
        return (
            f"features take 2 bytes each; how many a {what} has is known once the network was "
            "loaded"
        )
    if n is None:
        return f"features take {_in_units(BYTES_OF_FEATURE * n_features)} for each {what}"
    size = _in_units(BYTES_OF_FEATURE * n * n_features)
    plural = "s" * (n != 1)
    return f"features take {size}: {n:,} {what}{plural} × {n_features:,} features × 2 bytes"


def run_in_words(n: int, n_features: int | None, *, has_logits: bool) -> str:
    """What a run that stores features takes, in sentences.

    Parameters
    ----------
    n : pictures
    n_features : D, where that is known
    has_logits : logits are stored, and features are not yet
    """
    words = f"{size_in_words(n, n_features)}. The network takes as long as without them"
    if has_logits:
        words += (
            ". No features are stored yet, so every picture runs again; the stored logits stay in "
            "use until that is done"
        )
    return words


def _in_units(n_bytes: int) -> str:
    if n_bytes >= 1e9:
        return f"{n_bytes / 1e9:,.1f} GB"
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:,.1f} kB"
