"""Numbers as text, the same on every page."""

from __future__ import annotations

import re

from openmax_core.support.files import printable
from openmax_core.support.shares import percent, percent_range
from openmax_core.tradeoff.intervals import Interval, share_interval
from openmax_core.tradeoff.outcomes import Outcome

# What Markdown makes a link of without any sign of its own; no escape prevents it.
LINKS = re.compile(r"https?:(?=//)|www(?=\.)|(?<=[\w.+-])@(?=[\w-]+\.)", re.IGNORECASE)
WORD_JOINER = "\u2060"  # has no width
MARKDOWN_SIGNS = frozenset("\\`*_[]<>$~:#!|&")


def interval(item: Interval) -> str:
    """Return an interval of a share as '82.8–87.2 %'."""
    return percent_range(item.low, item.high)


def counted(count: int, total: int, kind: str) -> str:
    """Return a share with what it was counted on and its interval of a kind, as Markdown."""
    if not total:
        return "no pictures"
    bounds = interval(share_interval(count, total, kind))
    return f"**{percent(count / total)}** ({count:,} of {total:,}; {bounds})"


def rejected_in_words(outcome: Outcome, kind: str) -> str:
    """Return Reject accuracy as :func:`counted`; weighted by the kinds where these have shares."""
    found = counted(outcome.rejected_unknown, outcome.n_reject, kind)
    if outcome.mix is None:
        return found
    bounds = interval(outcome.reject_interval(kind))
    pictures = f"unweighted {outcome.rejected_unknown:,} of {outcome.n_reject:,}"
    return f"**{percent(outcome.reject_accuracy)}** (weighted by kind; {pictures}; {bounds})"


def code(text: str) -> str:
    """Text as code, where Markdown takes a backslash for a sign like others; on one line."""
    text = printable(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"


def plain(text: str) -> str:
    """Text that Markdown leaves as it is: names of files, classes and folders may hold anything.

    Lines are joined: a new one could begin a list, a heading or code. An invisible sign keeps web
    and mail addresses from becoming links.
    """
    one_line = " ".join(line.strip() for line in text.splitlines() if line.strip())
    one_line = LINKS.sub(rf"\g<0>{WORD_JOINER}", one_line)
    escaped = "".join(f"\\{sign}" if sign in MARKDOWN_SIGNS else sign for sign in one_line)
    # At its beginning a dash, plus or number makes a list, and an equals sign a heading.
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", escaped)


def sentence(words: str) -> str:
    """Words of the core as a sentence, see :func:`plain`."""
    return plain(f"{words[:1].upper()}{words[1:]}.") if words else ""
