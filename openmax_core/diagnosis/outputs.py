"""What logits say: how many are right, in what order, and whether they are logits at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.diagnosis.findings import (
    ERROR,
    WARNING,
    Finding,
    SetAccuracy,
    counted,
)
from openmax_core.support.arrays import Int
from openmax_core.support.files import listed
from openmax_core.support.shares import exact_percent
from openmax_core.tradeoff.intervals import share_interval

Logits = NDArray[np.float32]
# A well-known order is preferred to one that was made from the pictures unless that has clearly
# more of them right: with few pictures a made one follows chance mistakes.
NAMED_SHARE = 0.98
# Rows of float32 probabilities sum to one up to rounding; logits do not by chance, all of them.
SUM_TOLERANCE = 1e-3
# Less than a thousandth of the logits' size from picture to picture is rounding and noise.
CONSTANT_SHARE = 1e-3
# Beyond this lead of the largest logit, softmax is 1 to the last digit of a float32.
SATURATED_LEAD = 16.6
# Trained with cross-entropy, logits lie around zero: their mean is well within their own spread.
SHIFT = 3.0
MOST = 0.9  # of the pictures, where 'nearly all' is meant
ENOUGH = 5  # sampled pictures of a class, to say that none of it is right
FEW = 10  # pictures from which nothing is concluded


@dataclass(frozen=True)
class Known:
    """Known pictures of a set with their logits under the stored settings.

    Attributes
    ----------
    labels, predictions : (N,) int64
    logits : (K, C) float32, of some of them
    rows : (K,) which these are
    n_files : (C,) files of each class in the set; None where the folder was not listed
    is_whole : whether all readable pictures of the set are among them
    """

    labels: Int
    predictions: Int
    logits: NDArray[np.float32]
    rows: Int
    n_files: Int | None
    is_whole: bool

    @property
    def accuracy(self) -> SetAccuracy:
        """Of the network alone."""
        return SetAccuracy(len(self.labels), int((self.labels == self.predictions).sum()))


def predicted(logits: Logits) -> Int:
    """(N,) class with the largest logit of each; NaN is none."""
    return np.nan_to_num(logits, nan=-np.inf).argmax(axis=1).astype(np.int64)


@dataclass(frozen=True)
class Order:
    """An order of the classes under which the network is right.

    Attributes
    ----------
    names : tuple of C str
        Classes in the order of the outputs.
    in_words : str
        What order it is, if it is a well-known one; else empty.
    n, n_right, n_right_now : int
        Pictures that it was not made from; right under it, and under the present order.
    """

    names: tuple[str, ...]
    in_words: str
    n: int
    n_right: int
    n_right_now: int

    @property
    def share(self) -> float:
        """Accuracy under it."""
        return self.n_right / self.n

    @property
    def figures(self) -> dict[str, Any]:
        """Its counts and names, for JSON."""
        return {
            "pictures": self.n,
            "right": self.n_right,
            "right_now": self.n_right_now,
            "classes": list(self.names),
        }

    def n_right_of(self, classes: Sequence[str], labels: Int, predictions: Int) -> int:
        """Count the right ones among other pictures."""
        return int((_places(self.names, classes)[labels] == predictions).sum())


def confusion(labels: Int, predictions: Int, n_classes: int) -> Int:
    """(C, C) pictures by class (row) and prediction (column)."""
    pairs = labels * n_classes + predictions
    counts = np.bincount(pairs, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def find_order(
    classes: Sequence[str],
    made_from: tuple[Int, Int],
    counted_on: tuple[Int, Int],
) -> Order | None:
    """Find the order of the classes that explains the predictions, if one does.

    The candidates are well-known orders, and the one-to-one assignment of outputs to classes with
    the most right. It is said only where it at least halves the mistakes on pictures that it was
    not made from, and the 95 % intervals of both accuracies do not overlap.

    Parameters
    ----------
    made_from, counted_on : labels and predictions, each (N,); of different pictures
    """
    labels, predictions = counted_on
    if not len(labels):
        return None
    n, now = len(labels), int((labels == predictions).sum())
    orders = [
        Order(names, words, n, int((_places(names, classes)[labels] == predictions).sum()), now)
        for words, names in [*_well_known(classes), ("", _assigned(classes, *made_from))]
        if names != tuple(classes)
    ]
    if not orders:
        return None
    most = max(order.n_right for order in orders)
    best = max(orders, key=lambda item: (item.n_right >= NAMED_SHARE * most, bool(item.in_words)))
    if 2 * (n - best.n_right) > n - now:
        return None
    is_clear = share_interval(best.n_right, n).low > share_interval(now, n).high
    return best if is_clear else None


def _assigned(classes: Sequence[str], labels: Int, predictions: Int) -> tuple[str, ...]:
    """Names by output: of all one-to-one assignments one with the most pictures right."""
    from scipy.optimize import linear_sum_assignment

    n_classes = len(classes)
    # Among equals, classes stay where they are: the bonus of all together is less than a picture.
    worth = 2 * n_classes * confusion(labels, predictions, n_classes) + np.eye(n_classes)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    names = list(classes)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        names[column] = classes[row]
    return tuple(names)


def _places(names: Sequence[str], classes: Sequence[str]) -> Int:
    """(C,) output of each class where the outputs have these names."""
    place = {name: output for output, name in enumerate(names)}
    return np.array([place[name] for name in classes], dtype=np.int64)


def _well_known(classes: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Orders that training programs give to the names of folders."""
    return [
        ("the alphabetical order", tuple(sorted(classes))),
        ("the order of the numbers (1, 2, 10)", tuple(sorted(classes, key=_natural))),
        ("the alphabetical order without capitals", tuple(sorted(classes, key=str.casefold))),
        (
            "the alphabetical order of a Mac, accents after their letter",
            tuple(sorted(classes, key=lambda name: unicodedata.normalize("NFD", name))),
        ),
    ]


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


# Nothing runs over pictures of tables: what is wrong with them is wrong where they are written.
ADVICE_OF_TABLES = {
    "not finite": "Look where the tables are written: where do such logits come from?",
    "probabilities": "Write into the tables what goes into the softmax, not what comes out of it.",
    "constant": "Look where the tables are written: has each row the logits of its own picture?",
    "one class": "Look where the tables are written: are the columns in the order of the classes, "
    "and were the pictures normalised as in training?",
    "saturated": "The network is overconfident, or its pictures were not normalised as in "
    "training. Train it for fewer epochs or with label smoothing.",
    "accuracy": "Look where the tables are written: do labels and logits belong together?",
}


def output_findings(
    logits: Logits, labels: Int, is_centred: bool, is_model: bool = False
) -> list[Finding]:
    """Say what is odd about the network's outputs.

    Parameters
    ----------
    logits : (N, C)
    labels : (N,) class indices
    is_centred : whether the workspace's method takes off what the network adds to all logits
    is_model : of an ONNX file, where logarithms of probabilities are taken knowingly
    """
    finite = np.isfinite(logits).all(axis=1)
    found = []
    if not finite.all():
        found.append(
            Finding(
                "not finite",
                ERROR,
                f"The network's output is not finite (NaN or Inf) for "
                f"{int((~finite).sum()):,} of {counted(len(logits), 'picture')}.",
                advice="Check the weights, and mean and std under [transform].",
                figures={"pictures": len(logits), "not_finite": int((~finite).sum())},
            )
        )
    values, known = logits[finite].astype(np.float64), labels[finite]
    if len(values) < FEW:
        return found
    odd = None if is_model else _probabilities(values)
    odd = odd or _constant(values) or _one_class(values, known)
    found += [odd] if odd else [item for item in (_saturated(values),) if item]
    if not odd and (shifted := _shifted(values, is_centred)) is not None:
        found.append(shifted)
    return found


def accuracy_findings(
    split: str, known: Known, floor: float, train_command: str, has_trials: bool
) -> list[Finding]:
    """Say that accuracy is low, where nothing explains it.

    Parameters
    ----------
    split : name of the set
    floor : Test accuracy that the workspace asks for
    train_command : what trains the network
    has_trials : whether other transforms were tried
    """
    item = known.accuracy
    largest = int(np.bincount(known.labels).max())
    limits = share_interval(item.n_right, item.n)
    tried = "no order of the classes and no transform that was tried explains it"
    tried = tried if has_trials else "no order of the classes explains it"
    right = f"{item.n_right:,} of {counted(item.n, split + ' picture')}"
    figures = {"split": split, "pictures": item.n, "right": item.n_right}
    if limits.low <= largest / item.n:
        return [
            Finding(
                "accuracy",
                ERROR,
                f"The network alone gets {right} right, no more than one class for all would "
                f"({largest:,}), and {tried}.",
                advice="The weights are of another problem or not trained, or the pictures "
                "lie in wrong folders. Set the right weights, or train the network.",
                run=train_command,
                figures=figures,
            )
        ]
    if limits.high < floor:
        return [
            Finding(
                "accuracy",
                WARNING,
                f"The network alone gets {right} right. Rejection only lowers that, so "
                f"no threshold reaches the Test accuracy of {exact_percent(floor)} that is asked "
                f"for; and {tried}.",
                advice="Train the network further, or ask for less: min_test_accuracy under "
                "[defaults].",
                figures=figures,
            )
        ]
    return []


def class_findings(split: str, fitted: Known, classes: Sequence[str], needed: int) -> list[Finding]:
    """Say which classes have too few right pictures for a tail.

    Parameters
    ----------
    split : name of the set that the method is calibrated on
    needed : pictures of a tail
    """
    right = np.bincount(fitted.labels[fitted.labels == fitted.predictions], minlength=len(classes))
    looked = np.bincount(fitted.labels, minlength=len(classes))
    files = looked if fitted.n_files is None else fitted.n_files
    # Of a sample: none of several right says much; some right say that there are more.
    unseen = np.where((looked >= ENOUGH) & (right == 0), 0, files)
    most = right if fitted.is_whole else unseen
    found = []
    none = [c for c in range(len(classes)) if files[c] and most[c] < 2]
    few = [c for c in range(len(classes)) if 2 <= most[c] < needed]
    if none:
        shown = [f"{classes[c]} ({right[c]} of {looked[c]})" for c in none]
        # Others lend their tails, as far as there are others.
        is_lent = bool((most >= 2).any())
        borrows = "it borrows its tail" if len(none) == 1 else "they borrow their tails"
        follows = f"{borrows} from the other classes" if is_lent else "no tail can be fitted"
        found.append(
            Finding(
                "none right",
                WARNING if is_lent else ERROR,
                f"{len(none):,} {'class has' if len(none) == 1 else 'classes have'} fewer than "
                f"2 {split} pictures that the network gets right, so {follows}: {listed(shown)}.",
                advice="Look at their pictures and at what they are taken for; add pictures, "
                "or train the network on them.",
                figures={"classes": {classes[c]: int(right[c]) for c in none}},
            )
        )
    if few:
        shown = [f"{classes[c]} ({most[c]})" for c in few]
        found.append(
            Finding(
                "few right",
                WARNING,
                f"{len(few):,} {'class has' if len(few) == 1 else 'classes have'} fewer right "
                f"{split} pictures than the tail needs (η = {needed}): {listed(shown)}.",
                advice="Their Weibull rests on all they have, ordinary pictures among them. "
                "Add pictures, or choose a smaller η.",
                figures={"needed": needed, "classes": {classes[c]: int(most[c]) for c in few}},
            )
        )
    return found


def _probabilities(values: NDArray[np.float64]) -> Finding | None:
    sums = values.sum(axis=1)
    if values.min() >= -SUM_TOLERANCE and np.abs(sums - 1).max() <= SUM_TOLERANCE:
        return Finding(
            "probabilities",
            ERROR,
            "The network gives probabilities, not logits: every picture's outputs sum to 1.",
            advice="Take the softmax off the end of the network and save the weights again; "
            "OpenMax needs what goes into it.",
            figures={"smallest_sum": float(sums.min()), "largest_sum": float(sums.max())},
        )
    if values.max() <= SUM_TOLERANCE and (
        np.abs(np.exp(values).sum(axis=1) - 1).max() <= SUM_TOLERANCE
    ):
        return Finding(
            "probabilities",
            ERROR,
            "The network gives logarithms of probabilities, not logits: every picture's outputs "
            "are at most 0, and their exponentials sum to 1.",
            advice="Take the log-softmax off the end of the network and save the weights again; "
            "OpenMax needs what goes into it.",
            figures={"largest": float(values.max())},
        )
    return None


def _constant(values: NDArray[np.float64]) -> Finding | None:
    own = values - values.mean(axis=1, keepdims=True)
    spread, size = float(own.std(axis=0).max()), float(np.abs(own).max())
    if spread > CONSTANT_SHARE * size:
        return None
    return Finding(
        "constant",
        ERROR,
        f"The network gives the same logits for all of {counted(len(values), 'picture')}: they "
        f"differ by {spread:.2g} where their size is {size:.2g}.",
        advice="The weights are not those of a trained network, or mean and std under "
        "[transform] hide the picture.",
        figures={"spread": spread, "size": size},
    )


def _one_class(values: NDArray[np.float64], labels: Int) -> Finding | None:
    """Nearly all pictures get one class, most of which are of others."""
    counts = np.bincount(values.argmax(axis=1), minlength=values.shape[1])
    winner = int(counts.argmax())
    n, own = len(values), int((labels == winner).sum())
    if counts[winner] < MOST * n or 2 * own > n:
        return None
    return Finding(
        "one class",
        ERROR,
        f"The network gives {int(counts[winner]):,} of {counted(n, 'picture')} the same class, "
        f"and only {own:,} of them {'is' if own == 1 else 'are'} of it.",
        advice="The weights are not those of a network trained on these classes, or mean and std "
        "under [transform] are not those of its training.",
        figures={"output": winner, "pictures": n, "given": int(counts[winner]), "of_it": own},
    )


def _saturated(values: NDArray[np.float64]) -> Finding | None:
    ordered = np.partition(values, -2, axis=1)
    share = float((ordered[:, -1] - ordered[:, -2] > SATURATED_LEAD).mean())
    if share < MOST:
        return None
    return Finding(
        "saturated",
        WARNING,
        f"The logits are so large that softmax is 1 for {100 * share:.0f} % of the pictures: a "
        "threshold on the largest probability can hardly tell them apart.",
        advice="Check mean and std under [transform]. If they are right, the network is "
        "overconfident: train it for fewer epochs or with label smoothing.",
        figures={"share": share, "largest": float(np.abs(values).max())},
    )


def _shifted(values: NDArray[np.float64], is_centred: bool) -> Finding | None:
    mean, spread = float(values.mean()), float(values.std(axis=1).mean())
    if is_centred or abs(mean) <= SHIFT * spread:
        return None
    return Finding(
        "shifted",
        WARNING,
        f"The logits lie around {mean:.3g}, which is {abs(mean) / spread:.0f} times their spread "
        "within a picture: the method depends on what is added to all logits, unlike softmax.",
        advice="Use the method 'openmax', which takes it off, or train the network with a softmax "
        "cross-entropy.",
        write='[defaults]\npreset = "openmax"',
        figures={"mean": mean, "spread": spread},
    )
