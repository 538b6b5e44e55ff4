"""The supervisor's side of a trial: start it, answer its events, and find out how it ended."""

import selectors
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farm.model import Epoch, Failure, FailureKind, Flag, Requests, Stopped, Window
from workers.supervisor.stop import Stop
from workers.supervisor.zygote import ExitStatus, TrialProcess
from workers.trial import protocol

#: A trial that has sent its final event has this long to exit.
LEAVE_WITHIN_S = 10.0
#: All events of a trial together have at most so many bytes; one of a day has far fewer.
MOST_EVENT_BYTES = 2 * protocol.LONGEST_LINE_BYTES
_GARBAGE = "the trial sent data that is not an event: its code writes to descriptors of others, see the log"


class Viewer(Protocol):
    """Whoever follows a trial without a part in it."""

    def see(self, event: protocol.Event) -> None:
        """Follow an event, after it was answered."""
        ...


class Edges(Protocol):
    """The meters, which are read at the edges of windows while the trial waits."""

    def read_now(self) -> None:
        """Read once."""
        ...

    def settle(self, windows: Sequence[Window]) -> Sequence[Window]:
        """Wait until the board is at rest, given the windows so far; returns the window of that wait, if any."""
        ...


@dataclass
class TrialEvents:
    """The events that a trial has sent so far."""

    windows: list[Window] = field(default_factory=list)
    facts: protocol.Facts | None = None
    latencies_s: tuple[float, ...] = ()
    requests: tuple[Requests, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    stopped: Stopped | None = None
    flags: list[Flag] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: Failure | None = None
    is_done: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the final event has arrived."""
        return self.is_done or self.failure is not None


def follow(
    trial: TrialProcess, start: protocol.Start, edges: Edges, stop: Stop, viewer: Viewer | None = None
) -> TrialEvents:
    """Follow a trial until it ends, dies, reaches its time limit or is stopped; its process is gone afterwards."""
    events = TrialEvents()
    try:
        _exchange(trial, start, edges, stop, events, viewer)
    except (EOFError, ConnectionError):
        pass  # the trial died: the exit status shows why
    except ValueError:
        events.failure = Failure(kind=FailureKind.ERROR, message=_GARBAGE)
        trial.kill()
    finally:
        if stop.failure is not None:
            trial.kill()
        status = _end(trial, patiently=events.is_over)
    if stop.failure is not None and not events.is_done:
        events.failure = stop.failure
    elif not events.is_over:
        events.failure = _crash(status)
    return events


def _exchange(
    trial: TrialProcess,
    start: protocol.Start,
    edges: Edges,
    stop: Stop,
    events: TrialEvents,
    viewer: Viewer | None,
) -> None:
    limit_s = start.spec.time_limit_s
    deadline_s = time.monotonic() + limit_s
    received = 0
    with selectors.DefaultSelector() as selector:
        selector.register(trial.channel.sock, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        trial.channel.send(start)
        while not events.is_over and stop.failure is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                limit = f"the trial exceeded its time limit of {limit_s:.0f} s: raise time_limit in the sweep"
                events.failure = Failure(kind=FailureKind.TIMEOUT, message=limit)
                trial.kill()
            elif stop.failure is None:
                for line in trial.channel.feed():
                    received += len(line)
                    if received > MOST_EVENT_BYTES:
                        raise ValueError("events without an end")
                    event = protocol.EVENT.validate_json(line)
                    handle(event, trial, edges, events)
                    if viewer:
                        viewer.see(event)


def handle(event: protocol.Event, trial: TrialProcess, edges: Edges, events: TrialEvents) -> None:  # noqa: C901 - a case an event
    """Do what an event of the trial asks for, and keep what it tells."""
    match event:
        case protocol.Edge():
            edges.read_now()
            trial.channel.send(protocol.Go())
        case protocol.Settle():
            events.windows += edges.settle(events.windows)
            trial.channel.send(protocol.Go())
        case protocol.Closed(window=window):
            events.windows.append(window)
        case protocol.Facts():
            events.facts = event
        case protocol.Latencies(values_s=values_s):
            events.latencies_s = values_s
        case protocol.Served(requests=requests):
            events.requests += (requests,)
        case protocol.Trained(epochs=epochs):
            events.epochs += epochs
        case protocol.Ended(why=why):
            events.stopped = why
        case protocol.Doubt(flag=flag, note=note):
            events.flags += [flag] if flag else []
            events.notes.append(note)
        case protocol.Failed(failure=failure):
            events.failure = failure
        case protocol.Done():
            events.is_done = True


def _end(trial: TrialProcess, patiently: bool) -> ExitStatus | None:
    """Wait for the process: longer after a final event (`patiently`); then kill its process group."""
    status = trial.wait(LEAVE_WITHIN_S if patiently else 1.0)
    if status is None:
        trial.kill()
        status = trial.wait(LEAVE_WITHIN_S)
    return status


def _crash(status: ExitStatus | None) -> Failure:
    if status is None or status.signal is None:
        code = "unknown" if status is None or status.code is None else status.code
        return Failure(kind=FailureKind.CRASHED, message=f"the trial exited without a final event, exit status {code}")
    name = {s.value: s.name for s in signal.Signals}.get(status.signal, "real-time")
    hint = ": the kernel does that when memory runs out" if status.signal == signal.SIGKILL else ""
    message = f"the trial was killed by signal {status.signal} ({name}){hint}"
    return Failure(kind=FailureKind.CRASHED, message=message, signal=status.signal)
