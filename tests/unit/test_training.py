"""The course of a training: windows, epochs, decisions and checkpoints, with a workload that only counts."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pydantic import JsonValue

from farm.model import Epoch, Flag, Point, Rung, Stopped, WindowKind
from tests.factories import install_workload, job_spec
from workers.kinds.training import course as training
from workers.kinds.training.course import Scores
from workers.trial import main as trial
from workers.trial import protocol
from workers.trial.stage import Stage

#: Shorter than any epoch, and longer than any training.
NO_TIME_S, ALL_TIME_S = 1e-9, 3600.0


class Counting:
    """Epochs whose accuracies are in the point."""

    unit: ClassVar[str] = "image"

    def setup(self, point: Point, device: str, seed: int) -> None:
        self._accuracies = [float(part) for part in str(point["accuracies"]).split()]
        self.patience = int(str(point["patience"])) if "patience" in point else None
        self._diverges = bool(point.get("diverges"))
        self._keeps = bool(point.get("keeps"))
        self._kept: list[float] = []
        self._done = 0

    def run(self, stage: Stage) -> None:
        training.run(stage, self)

    @property
    def epochs(self) -> int:
        return len(self._accuracies)

    @property
    def kept_bytes(self) -> int:
        return training.MOST_KEPT_BYTES if self._keeps and self._kept else 0

    def train_epoch(self) -> int:
        self._kept.append(self._accuracies[self._done])
        self._done += 1
        time.sleep(0.001)
        return 100

    def validate(self) -> tuple[int, list[Scores]]:
        kept, self._kept = self._kept, []
        loss = None if self._diverges else 0.5
        return 10 * len(kept), [Scores(loss, loss, accuracy) for accuracy in kept]

    def state(self) -> dict[str, Any]:
        return {"done": self._done}

    def restore(self, state: dict[str, Any]) -> None:
        self._done = state["done"]

    def synchronize(self) -> None: ...

    def facts(self) -> dict[str, JsonValue]:
        return {}

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    install_workload(monkeypatch, "training", f"{__name__}:Counting")


class TrialEvents:
    """What a trial said."""

    def __init__(self, events: list[protocol.Event]) -> None:
        self.events = events
        self.last = events[-1]

    def windows(self, kind: WindowKind) -> list[tuple[int, int | None]]:
        """Index and units."""
        closed = [event.window for event in self.events if isinstance(event, protocol.Closed)]
        return [(window.index, window.units) for window in closed if window.kind == kind]

    @property
    def epochs(self) -> list[Epoch]:
        return [epoch for event in self.events if isinstance(event, protocol.Trained) for epoch in event.epochs]

    @property
    def stopped(self) -> Stopped | None:
        return next((event.why for event in self.events if isinstance(event, protocol.Ended)), None)

    @property
    def doubts(self) -> list[tuple[Flag | None, str]]:
        return [(event.flag, event.note) for event in self.events if isinstance(event, protocol.Doubt)]


def train(
    accuracies: str,
    window_s: float = NO_TIME_S,
    rungs: tuple[Rung, ...] = (),
    checkpoint: Path | None = None,
    hang_up_after: int | None = None,
    **point: str | int,
) -> TrialEvents:
    """Lead a training to its end, or hang up after so many of its windows."""
    spec = job_spec(kind="training", point={"device": "cpu", "accuracies": accuracies, **point}, rungs=rungs)
    spec = spec.model_copy(update={"measure": spec.measure.model_copy(update={"window_s": window_s})})
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=trial.main, args=(theirs,))
    thread.start()
    events: list[protocol.Event] = []
    with ours:
        channel = protocol.Channel(ours)
        channel.send(protocol.Start(spec=spec, checkpoint=str(checkpoint) if checkpoint else None))
        while not _is_over(events, hang_up_after):
            for line in channel.feed():
                events.append(protocol.EVENT.validate_json(line))
                if isinstance(events[-1], protocol.Edge | protocol.Settle):
                    channel.send(protocol.Go())
    thread.join(30)
    theirs.close()
    return TrialEvents(events)


def _is_over(events: list[protocol.Event], hang_up_after: int | None) -> bool:
    if events and isinstance(events[-1], protocol.Done | protocol.Failed):
        return True
    trained = sum(isinstance(event, protocol.Trained) for event in events)
    return hang_up_after is not None and trained >= hang_up_after


def test_windows_of_training_tell_the_steps_in_them_and_those_of_validation_none() -> None:
    events = train("0.1 0.2", batch_size=32)
    closed = [event.window for event in events.events if isinstance(event, protocol.Closed)]
    found = {(window.kind, window.batches) for window in closed}
    assert {(WindowKind.TRAINING, 4), (WindowKind.VALIDATION, None)} <= found  # 100 images


def test_a_long_epoch_has_windows_of_its_own() -> None:
    events = train("0.1 0.2 0.3")
    assert events.windows(WindowKind.TRAINING) == [(0, 100), (1, 100), (2, 100)]
    assert events.windows(WindowKind.VALIDATION) == [(0, 10), (1, 10), (2, 10)]
    assert [(e.index, e.window, e.validation_accuracy) for e in events.epochs] == [
        (0, 0, 0.1),
        (1, 1, 0.2),
        (2, 2, 0.3),
    ]
    assert events.stopped is None


def test_short_epochs_share_a_window_and_each_is_validated() -> None:
    events = train("0.1 0.2 0.3", ALL_TIME_S)
    assert events.windows(WindowKind.TRAINING) == [(0, 300)]
    assert events.windows(WindowKind.VALIDATION) == [(0, 30)]
    assert [(e.index, e.window, e.validation_accuracy) for e in events.epochs] == [
        (0, 0, 0.1),
        (1, 0, 0.2),
        (2, 0, 0.3),
    ]
    assert all(e.train_s > 0 for e in events.epochs)


def test_a_window_ends_where_too_much_memory_waits_for_validation() -> None:
    assert len(train("0.1 0.2 0.3", ALL_TIME_S, keeps=1).windows(WindowKind.TRAINING)) == 3


@pytest.mark.parametrize(
    ("least", "judges", "stopped"),
    [(0.25, "last", Stopped.PRUNED), (0.2, "last", None), (0.4, "best", None), (0.45, "best", Stopped.PRUNED)],
)
def test_a_training_below_its_rung_is_pruned(least: float, judges: str, stopped: Stopped | None) -> None:
    rung = Rung.model_validate({"epoch": 2, "least_accuracy": least, "judges": judges})
    events = train("0.4 0.2 0.5 0.6", ALL_TIME_S, rungs=(rung,))
    assert events.stopped == stopped
    assert len(events.epochs) == (2 if stopped else 4)
    assert isinstance(events.last, protocol.Done)


def test_patience_ends_a_training_that_gets_no_better() -> None:
    events = train("0.1 0.5 0.4 0.5 0.6", patience=2)
    assert events.stopped == Stopped.EARLY
    assert [e.validation_accuracy for e in events.epochs] == [0.1, 0.5, 0.4, 0.5]


def test_patience_is_asked_for_between_windows_that_are_no_longer_than_it() -> None:
    events = train("0.5 0.4 0.3 0.2 0.1", ALL_TIME_S, patience=2)
    assert events.windows(WindowKind.TRAINING) == [(0, 200), (1, 200)]
    assert events.stopped == Stopped.EARLY


def test_a_training_whose_loss_is_no_number_ends() -> None:
    events = train("0.1 0.1 0.1", diverges=1)
    assert events.stopped == Stopped.DIVERGED
    assert [e.train_loss for e in events.epochs] == [None]


def test_a_training_that_was_cut_off_resumes_and_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)
    checkpoint = tmp_path / "checkpoints" / "job.pt"
    cut_off = train("0.1 0.2 0.3 0.4", checkpoint=checkpoint, hang_up_after=3)
    saved = len(torch.load(checkpoint, weights_only=True)["epochs"])
    assert 2 <= saved <= 3 == len(cut_off.epochs)
    resumed = train("0.1 0.2 0.3 0.4", checkpoint=checkpoint)
    assert [e.index for e in resumed.epochs] == [0, 1, 2, 3]
    assert [e.validation_accuracy for e in resumed.epochs] == [0.1, 0.2, 0.3, 0.4]
    assert [e.window for e in resumed.epochs] == [None] * saved + list(range(4 - saved))
    assert [flag for flag, _ in resumed.doubts] == [Flag.RESUMED]


def half_of_it(saved: dict[str, Any], checkpoint: Path) -> None:
    torch.save(saved, checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])


def of_another_training(saved: dict[str, Any], checkpoint: Path) -> None:
    torch.save(saved | {"point": saved["point"] | {"accuracies": "0.3 0.4 0.5"}}, checkpoint)


def without_its_workload(saved: dict[str, Any], checkpoint: Path) -> None:
    torch.save(saved | {"workload": {"network": {}}}, checkpoint)


def with_an_epoch_missing(saved: dict[str, Any], checkpoint: Path) -> None:
    torch.save(saved | {"epochs": saved["epochs"][1:]}, checkpoint)


def with_text_for_epochs(saved: dict[str, Any], checkpoint: Path) -> None:
    torch.save(saved | {"epochs": "0.1 0.2"}, checkpoint)


@pytest.mark.parametrize(
    "damage",
    [
        half_of_it,
        of_another_training,
        without_its_workload,
        with_an_epoch_missing,
        with_text_for_epochs,
        lambda _, checkpoint: checkpoint.write_bytes(b"half a checkp"),
        lambda _, checkpoint: checkpoint.write_text("root:x:0:0\n"),
        lambda _, checkpoint: checkpoint.write_bytes(b""),
        lambda _, checkpoint: torch.save(torch.zeros(3), checkpoint),
        lambda _, checkpoint: torch.save([1, 2], checkpoint),
    ],
)
def test_a_checkpoint_that_does_not_serve_is_noted_and_deleted_and_the_training_begins_anew(
    damage: Callable[[dict[str, Any], Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoints" / "job.pt"
    with monkeypatch.context() as often:
        often.setattr(training, "CHECKPOINT_EVERY_S", 0.0)
        train("0.1 0.2 0.3", checkpoint=checkpoint, hang_up_after=2)
    damage(torch.load(checkpoint, weights_only=True), checkpoint)
    events = train("0.1 0.2 0.3", checkpoint=checkpoint)
    ((flag, note),) = events.doubts
    assert flag is None
    assert note.startswith(f"{checkpoint} is not a checkpoint of this training (")
    assert note.endswith("and was deleted: the training started from the beginning")
    assert not checkpoint.exists()
    assert [e.validation_accuracy for e in events.epochs] == [0.1, 0.2, 0.3]
    assert isinstance(events.last, protocol.Done)


def test_what_is_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    fifo = tmp_path / "job.pt"
    os.mkfifo(fifo)  # to open it would take for ever
    events = train("0.1 0.2", checkpoint=fifo)
    assert (events.doubts, len(events.epochs)) == ([], 2)


def test_a_full_disk_costs_the_checkpoint_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)
    (tmp_path / "file").write_text("no folder")
    events = train("0.1 0.2 0.3", checkpoint=tmp_path / "file" / "job.pt")
    assert {flag for flag, _ in events.doubts} == {None}
    assert isinstance(events.last, protocol.Done)
    assert len(events.epochs) == 3
