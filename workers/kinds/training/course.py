"""The windows of a training: epochs and their validation alternate, in windows of their own.

An epoch that lasts as long as a measure window has a training window of its own. Shorter epochs share a window, because
no meter could separate them: the network that each leaves is kept, and all are validated in the validation window after
it. So joules of training and of validation are never mixed, and every epoch has its accuracy. Between windows the
training decides whether to go on; a window ends at the latest where a rung or the patience requires a decision.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from farm.model import Epoch, Flag, Stopped, WindowKind, disk
from workers.trial import protocol
from workers.trial.stage import Stage

#: The largest memory of networks that wait for their validation.
MOST_KEPT_BYTES = 1 << 30
#: A training is saved this often, between windows.
CHECKPOINT_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a network; a loss is a mean over images, and None where it is not finite."""

    train_loss: float | None  #: the loss during the epoch of training
    validation_loss: float | None
    validation_accuracy: float  #: share of the validation images, in evaluation mode


class Trainable(Protocol):
    """A workload that is trained epoch by epoch. The network that an epoch leaves is kept until it is validated."""

    @property
    def epochs(self) -> int: ...  #: to train, at most
    @property
    def patience(self) -> int | None: ...  #: epochs without a better accuracy; None: no early stopping
    @property
    def kept_bytes(self) -> int: ...  #: memory of networks that wait for validation
    def synchronize(self) -> None: ...
    def train_epoch(self) -> int: ...  #: enqueues one epoch and keeps its network; returns its images
    def validate(self) -> tuple[int, list[Scores]]: ...  #: scores what was kept, oldest first; and the images used
    def state(self) -> dict[str, Any]: ...  #: for a checkpoint: tensors and plain values
    def restore(self, state: dict[str, Any]) -> None: ...


def run(stage: Stage, workload: Trainable) -> None:
    """Train all epochs, or stop before where there is a reason."""
    course = Course(stage, workload)
    course.resume()
    while not course.is_over:
        course.go_on()
    if course.stopped is not None:
        stage.line.send(protocol.Ended(why=course.stopped))


class Course:
    """One training, from window to window."""

    def __init__(self, stage: Stage, workload: Trainable) -> None:
        self._stage = stage
        self._workload = workload
        self._checkpoint = Path(stage.start.checkpoint) if stage.start.checkpoint else None
        self._saved_s = time.monotonic()
        self._epochs: list[Epoch] = []
        self._window = 0
        self.stopped: Stopped | None = None

    @property
    def is_over(self) -> bool:
        """Whether the training has ended."""
        return self.stopped is not None or len(self._epochs) >= self._workload.epochs

    def resume(self) -> None:
        """Continue from the checkpoint of an earlier attempt at this job; one that does not serve is deleted."""
        if self._checkpoint is None or not self._checkpoint.is_file():
            return
        before = deepcopy(self._workload.state())
        try:
            epochs = self._restore(torch.load(self._checkpoint, map_location="cpu", weights_only=True))
        except Exception as error:  # whatever a file holds: no checkpoint is worth the job
            self._workload.restore(before)
            with suppress(OSError):
                self._checkpoint.unlink()
            what = f"{self._checkpoint} is not a checkpoint of this training ({type(error).__name__}) and was deleted"
            self._stage.doubt(None, f"{what}: the training started from the beginning")
            return
        self._epochs = epochs
        self._stage.line.send(protocol.Trained(epochs=tuple(epochs)))
        note = f"resumed after {len(epochs)} epochs of an earlier attempt: their joules are not in this trial"
        self._stage.doubt(Flag.RESUMED, note)

    def _restore(self, saved: dict[str, Any]) -> list[Epoch]:
        """Take over what was saved; returns its epochs. Raises whatever a file that does not fit leads to."""
        epochs = [Epoch.model_validate_json(line).model_copy(update={"window": None}) for line in saved["epochs"]]
        if saved["point"] != self._stage.spec.point or [epoch.index for epoch in epochs] != list(range(len(epochs))):
            raise ValueError("it is that of another training")
        self._workload.restore(saved["workload"])
        return epochs

    def go_on(self) -> None:
        """Train and validate one window's worth of epochs, and decide whether to go on."""
        lasted_s = self._train()
        scores = self._validate()
        epochs = [
            Epoch(
                index=len(self._epochs) + place,
                window=self._window,
                train_loss=score.train_loss,
                validation_loss=score.validation_loss,
                validation_accuracy=score.validation_accuracy,
                train_s=train_s,
            )
            for place, (score, train_s) in enumerate(zip(scores, lasted_s, strict=True))
        ]
        self._epochs += epochs
        self._window += 1
        self._stage.line.send(protocol.Trained(epochs=tuple(epochs)))
        self.stopped = self._verdict(scores)
        if not self.is_over and time.monotonic() - self._saved_s >= CHECKPOINT_EVERY_S:
            self.save()

    def _train(self) -> list[float]:
        """Train in one window; returns how long each of its epochs took."""
        last = self._next_decision()
        lasted_s: list[float] = []
        self._stage.settle()
        with self._stage.window(WindowKind.TRAINING, self._window, self._stage.measure.guard_s) as tally:
            tally.units = 0
            while not lasted_s or (
                sum(lasted_s) < self._stage.measure.window_s
                and len(self._epochs) + len(lasted_s) < last
                and self._workload.kept_bytes < MOST_KEPT_BYTES
            ):
                begin_ns = time.monotonic_ns()
                tally.units += self._workload.train_epoch()
                self._workload.synchronize()
                lasted_s.append((time.monotonic_ns() - begin_ns) / 1e9)
            batch_size = self._stage.spec.point.get("batch_size")
            tally.batches = math.ceil(tally.units / batch_size) if isinstance(batch_size, int) else None
        return lasted_s

    def _validate(self) -> list[Scores]:
        self._stage.settle()
        with self._stage.window(WindowKind.VALIDATION, self._window, self._stage.measure.guard_s) as tally:
            tally.units, scores = self._workload.validate()
            self._workload.synchronize()
        return scores

    def _next_decision(self) -> int:
        """Return the number of epochs after which the training must decide whether to go on."""
        done = len(self._epochs)
        rungs = [rung.epoch for rung in self._stage.spec.rungs if rung.epoch > done]
        patience = [] if self._workload.patience is None else [done + self._workload.patience]
        return min([self._workload.epochs, *rungs, *patience])

    def _verdict(self, scores: Sequence[Scores]) -> Stopped | None:
        """Return the reason to stop here, or None; after the last epoch there is none."""
        accuracies = [epoch.validation_accuracy for epoch in self._epochs]
        if len(accuracies) >= self._workload.epochs:
            return None
        if scores[-1].train_loss is None:
            return Stopped.DIVERGED
        rung = next((rung for rung in self._stage.spec.rungs if rung.epoch == len(accuracies)), None)
        if rung and not rung.is_passed(accuracies):
            return Stopped.PRUNED
        since_best = len(accuracies) - 1 - accuracies.index(max(accuracies))
        if self._workload.patience is not None and since_best >= self._workload.patience:
            return Stopped.EARLY
        return None

    def save(self) -> None:
        """Write the checkpoint, and then replace the last one; a full disk costs only the checkpoint."""
        if self._checkpoint is None:
            return
        saved = {
            "point": dict(self._stage.spec.point),
            "epochs": [epoch.model_dump_json() for epoch in self._epochs],
            "workload": self._workload.state(),
        }
        try:
            disk.make_private(self._checkpoint.parent)
            with disk.replacing(self._checkpoint, is_private=True) as file:
                torch.save(saved, file)
        except (OSError, RuntimeError) as error:
            self._stage.doubt(None, f"the training cannot be saved, so it could not be resumed: {error}")
        self._saved_s = time.monotonic()
