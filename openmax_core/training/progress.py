"""How far a training is: the epochs that are done, the present step, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PHASES = {"head": "the last layer", "all": "all layers"}
# What a step of a training does; what belongs to an epoch is in PHASES.
STAGES = {
    "pictures": "checking the pictures",
    "weights": "getting the weights to start from",
    "held out": "held-out pictures",
    **PHASES,
}
# Work of a training picture in passes through the network: forward; forward and backward.
WORK = {"head": 1, "all": 3}


@dataclass(frozen=True)
class Epoch:
    """One finished pass, for progress reports.

    Attributes
    ----------
    phase : a key of :data:`PHASES`
    number : from 1 on, within the phase
    train_loss : mean cross-entropy over the batches, while the weights changed
    held_out_loss, held_out_accuracy : of the held-out pictures, after the epoch
    n_held_out : these pictures; 0 where an earlier version wrote the epoch
    """

    phase: str
    number: int
    train_loss: float
    held_out_loss: float
    held_out_accuracy: float
    n_held_out: int = 0


@dataclass(frozen=True)
class Step:
    """How far a training is.

    Attributes
    ----------
    stage : a key of :data:`STAGES`
    done, total : pictures of the stage; 0 and 0 where nothing is counted
    epochs : those that are done, of an interrupted run before as well
    phase, number, of : the present epoch, and how many its phase has at most; '' and 0 before
    share : of the whole work, from 0 to 1
    seconds_left : at most, for the training may stop earlier; None where it is not known yet
    """

    stage: str
    done: int = 0
    total: int = 0
    epochs: tuple[Epoch, ...] = ()
    phase: str = ""
    number: int = 0
    of: int = 0
    share: float = 0.0
    seconds_left: float | None = None

    @property
    def in_words(self) -> str:
        """One line for a progress bar."""
        count = f"{self.done:,} of {self.total:,}" if self.total else ""
        if not self.phase:
            words = STAGES[self.stage]
            words = f"{words[0].upper()}{words[1:]}"
            return f"{words} · {count}" if count else f"{words} …"
        things = STAGES["held out"] if self.stage == "held out" else "pictures"
        parts = [f"Epoch {self.number} of {self.of}, {PHASES[self.phase]}", f"{count} {things}"]
        if self.seconds_left is not None:
            minutes, seconds = divmod(int(self.seconds_left), 60)
            parts.append(f"at most {minutes}:{seconds:02d} left")
        return " · ".join(parts)


class Clock:
    """Measures the work of a training, and with it the time that is left.

    Parameters
    ----------
    epochs : planned epochs by phase, in their order
    n_train, n_held_out : pictures
    now : seconds of a clock
    """

    def __init__(
        self,
        epochs: Mapping[str, int],
        n_train: int,
        n_held_out: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epochs, self._n_train, self._n_held_out, self._now = epochs, n_train, n_held_out, now
        self._works = [self._of_epoch(phase) * count for phase, count in epochs.items()]
        # Phase, time and work at its first step: a new phase has a pace of its own.
        self._began: tuple[str, float, float] | None = None

    def step(
        self, phase: str, number: int, done: int, epochs: tuple[Epoch, ...], is_check: bool = False
    ) -> Step:
        """Make the step after some pictures of an epoch.

        Parameters
        ----------
        done : pictures trained on in this epoch, or held-out pictures with ``is_check``
        epochs : those that are done
        """
        before = sum(self._works[: list(self._epochs).index(phase)])
        trained = self._n_train if is_check else done
        checked = done if is_check else 0
        work = before + self._of_epoch(phase) * (number - 1) + WORK[phase] * trained + checked
        if self._began is None or self._began[0] != phase:
            self._began = phase, self._now(), work
        _, began, first = self._began
        left = None
        if work > first:
            left = (sum(self._works) - work) * (self._now() - began) / (work - first)
        return Step(
            "held out" if is_check else phase,
            done,
            self._n_held_out if is_check else self._n_train,
            epochs,
            phase,
            number,
            self._epochs[phase],
            work / sum(self._works),
            left,
        )

    def _of_epoch(self, phase: str) -> int:
        return WORK[phase] * self._n_train + self._n_held_out
