"""A trial is led to its end whatever it says, and however it ends."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from farm.model import Epoch, Failure, FailureKind, Flag, JobSpec, Stopped, Window, WindowKind
from tests.factories import FACTS, KINDS, ConstantMeter, Script, ScriptedTrial, TrialEnd, job_spec, measured
from workers.supervisor import conversation
from workers.supervisor.conversation import TrialEvents, follow
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop
from workers.supervisor.zygote import ExitStatus
from workers.trial import protocol

TAIL = Window(
    kind=WindowKind.TAIL, begin_at_ns=0, end_at_ns=1, started_at_utc=datetime(2026, 1, 1, tzinfo=UTC)
)  # fmt: skip


class Edges(Sampler):
    """Reads a meter at the edges, and has a tail to report each time the board is to settle."""

    def __init__(self, meters: Sequence[ConstantMeter]) -> None:
        super().__init__(meters, 1.0)

    def settle(self, windows: Sequence[Window]) -> Sequence[Window]:
        assert [window.kind for window in windows] == [WindowKind.WARMUP]
        return [TAIL]


@pytest.fixture
def stop() -> Iterator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "LEAVE_WITHIN_S", 0.3)


def events_of(
    script: Script, stop: Stop, meter: ConstantMeter | None = None, spec: JobSpec | None = None
) -> tuple[TrialEvents, ScriptedTrial]:
    trial = ScriptedTrial(script)
    events = follow(trial, protocol.Start(spec=spec or job_spec()), Edges([meter] if meter else []), stop)
    assert trial.channel.sock.fileno() == -1
    return events, trial


def started(end: TrialEnd) -> None:
    assert isinstance(end.receive(), protocol.Start)


def test_what_a_trial_sends_is_kept_and_each_edge_is_metered(stop: Stop) -> None:
    meter = ConstantMeter()
    events, trial = events_of(measured, stop, meter)
    assert events.failure is None
    assert tuple(window.kind for window in events.windows) == KINDS
    assert events.facts == FACTS
    assert events.latencies_s == (0.01, 0.02)
    assert meter.reads == 2 * len(KINDS)
    assert not trial.is_killed


def test_a_trial_waits_for_the_board_to_settle_and_the_tail_is_a_window(stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.windows([WindowKind.WARMUP])
        end.send(protocol.Settle())
        assert isinstance(end.receive(), protocol.Go)
        end.send(protocol.Done())
        return ExitStatus(code=0)

    events, _ = events_of(script, stop)
    assert [window.kind for window in events.windows] == [WindowKind.WARMUP, WindowKind.TAIL]


def test_the_trial_is_given_its_job(stop: Stop) -> None:
    orders: list[protocol.Order] = []

    def script(end: TrialEnd) -> ExitStatus:
        orders.append(end.receive())
        end.send(protocol.Done())
        return ExitStatus(code=0)

    events_of(script, stop, spec=job_spec(seed=42))
    assert orders == [protocol.Start(spec=job_spec(seed=42))]


def test_epochs_add_up_and_the_reason_to_stop_is_kept(stop: Stop) -> None:
    first, second = (
        Epoch(index=i, window=i, train_loss=1.0, validation_loss=None, validation_accuracy=0.5, train_s=2.0)
        for i in range(2)
    )

    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.send(protocol.Trained(epochs=(first,)), protocol.Trained(epochs=(second,)))
        end.send(protocol.Ended(why=Stopped.PRUNED), protocol.Done())
        return ExitStatus(code=0)

    events, _ = events_of(script, stop)
    assert (events.epochs, events.stopped) == ((first, second), Stopped.PRUNED)


def test_a_note_alone_raises_no_flag(stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.send(protocol.Doubt(flag=None, note="it began anew"), protocol.Done())
        return ExitStatus(code=0)

    events, _ = events_of(script, stop)
    assert (events.flags, events.notes) == ([], ["it began anew"])


def test_doubts_are_kept_with_their_notes(stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.send(protocol.Doubt(flag=Flag.NO_STEADY_STATE, note="it shook"), protocol.Done())
        return ExitStatus(code=0)

    events, _ = events_of(script, stop)
    assert (events.flags, events.notes) == ([Flag.NO_STEADY_STATE], ["it shook"])


@pytest.mark.parametrize("kind", [FailureKind.OOM, FailureKind.INVALID, FailureKind.ERROR])
def test_a_failure_is_taken_at_its_word_and_what_came_before_is_kept(kind: FailureKind, stop: Stop) -> None:
    failure = Failure(kind=kind, message="as it says")

    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.windows(KINDS[:1])
        end.send(protocol.Failed(failure=failure))
        return ExitStatus(code=1)

    events, trial = events_of(script, stop)
    assert events.failure == failure
    assert len(events.windows) == 1
    assert not trial.is_killed


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (ExitStatus(signal=signal.SIGSEGV), "the trial was killed by signal 11 (SIGSEGV)"),
        (
            ExitStatus(signal=signal.SIGKILL),
            "the trial was killed by signal 9 (SIGKILL): the kernel does that when memory runs out",
        ),
        (ExitStatus(signal=signal.SIGRTMIN + 2), "the trial was killed by signal 36 (real-time)"),
        (ExitStatus(code=3), "the trial exited without a final event, exit status 3"),
        (ExitStatus(), "the trial exited without a final event, exit status unknown"),
    ],
)
def test_a_trial_that_dies_has_crashed_and_the_failure_names_the_cause(
    status: ExitStatus, message: str, stop: Stop
) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.send(protocol.Edge())
        return status

    events, _ = events_of(script, stop)
    assert events.failure == Failure(kind=FailureKind.CRASHED, message=message, signal=status.signal)


def test_a_trial_that_is_dead_before_it_gets_an_order_has_crashed(stop: Stop) -> None:
    events, _ = events_of(lambda _: ExitStatus(signal=signal.SIGBUS), stop)
    assert events.failure is not None
    assert (events.failure.kind, events.failure.signal) == (FailureKind.CRASHED, signal.SIGBUS)


def test_a_trial_that_hangs_is_killed_at_its_time_limit(stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.hang()
        return ExitStatus(code=0)

    events, trial = events_of(script, stop, spec=job_spec(time_limit_s=0.05))
    assert events.failure is not None
    assert events.failure.kind == FailureKind.TIMEOUT
    assert "time_limit" in events.failure.message
    assert trial.is_killed


def test_a_trial_that_talks_all_the_time_has_a_time_limit_too(stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        while True:
            end.send(protocol.Doubt(flag=Flag.TOO_SHORT, note="and on"))

    events, trial = events_of(script, stop, spec=job_spec(time_limit_s=0.1))
    assert events.failure is not None
    assert events.failure.kind == FailureKind.TIMEOUT
    assert trial.is_killed


def test_a_trial_that_sent_its_final_event_and_does_not_exit_is_killed(stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.send(protocol.Done())
        end.hang()
        return ExitStatus(code=0)

    events, trial = events_of(script, stop)
    assert events.failure is None
    assert trial.is_killed


@pytest.mark.parametrize("kind", [FailureKind.CANCELLED, FailureKind.INTERRUPTED, FailureKind.LOST])
def test_a_stop_kills_a_running_trial(kind: FailureKind, stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        threading.Timer(0.02, stop.request, [kind]).start()
        end.hang()
        return ExitStatus(code=0)

    events, trial = events_of(script, stop)
    assert events.failure is not None
    assert events.failure.kind == kind
    assert trial.is_killed


@pytest.mark.parametrize(
    "line",
    [b"not json\n", b"\xff\xfe\n", b"\n", b"[]\n", b'{"type": "unheard"}\n', b'{"type": "closed"}\n'],
)
def test_garbage_from_a_trial_is_its_failure(line: bytes, stop: Stop) -> None:
    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.sock.sendall(line)
        end.hang()
        return ExitStatus(code=0)

    events, trial = events_of(script, stop)
    assert events.failure is not None
    assert events.failure.kind == FailureKind.ERROR
    assert "not an event" in events.failure.message
    assert trial.is_killed


def test_a_line_without_an_end_is_garbage_too(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LONGEST_LINE_BYTES", 100_000)
    sent = 0

    def script(end: TrialEnd) -> ExitStatus:
        nonlocal sent
        started(end)
        while True:
            sent += end.sock.send(b"x" * 10_000)

    events, trial = events_of(script, stop)
    assert events.failure is not None
    assert events.failure.kind == FailureKind.ERROR
    assert sent < 10_000_000
    assert trial.is_killed


def test_a_long_line_in_many_pieces_is_one_event(stop: Stop) -> None:
    values_s = tuple(i / 7 for i in range(50_000))

    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        end.send(protocol.Latencies(values_s=values_s), protocol.Done())
        return ExitStatus(code=0)

    events, _ = events_of(script, stop)
    assert events.failure is None
    assert events.latencies_s == values_s


def test_a_line_may_come_in_pieces() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = protocol.Channel(ours)
        theirs.sendall(b'{"type":')
        assert list(channel.feed()) == []
        theirs.sendall(b' "edge"}\n{"type": "done"}\n{')
        assert list(channel.feed()) == [b'{"type": "edge"}', b'{"type": "done"}']
        theirs.sendall(b"}\n")
        assert list(channel.feed()) == [b"{}"]


def test_a_trial_whose_events_have_no_end_is_ended(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MOST_EVENT_BYTES", 1000)

    def script(end: TrialEnd) -> ExitStatus:
        started(end)
        with contextlib.suppress(OSError):
            while True:
                end.send(protocol.Doubt(flag=None, note="again"))
        return ExitStatus(code=1)

    events, trial = events_of(script, stop)
    assert trial.is_killed
    assert events.failure is not None
    assert events.failure.kind is FailureKind.ERROR
    assert 0 < len(events.notes) < 1000 / len("again")
