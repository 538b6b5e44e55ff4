"""The supervisor's side of a trial's life: start it, answer it, and find out how it ended."""

import selectors
import signal
import time
from dataclasses import dataclass, field
from typing import Protocol

from farm.model import Epoch, Failure, FailureKind, Flag, Requests, Stopped, Window
from workers.supervisor.stop import Stop
from workers.supervisor.zygote import ExitStatus, TrialProcess
from workers.trial import protocol

#: A trial that said its last word has this long to leave.
LEAVE_WITHIN_S = 10.0
_GARBAGE = "the trial sent what is no event: its code writes to descriptors that are not its own, see the log"


class Edges(Protocol):
    """What is read at the edge of a window, while the trial stands still."""

    def read_now(self) -> None:
        """Read once."""
        ...


@dataclass
class TrialEvents:
    """What a trial has said so far."""

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
        """Whether the last word was said."""
        return self.is_done or self.failure is not None


def follow(trial: TrialProcess, start: protocol.Start, edges: Edges, stop: Stop) -> TrialEvents:
    """Lead a trial to its last word, to its death, to its time limit or to a stop; it is gone when this returns."""
    events = TrialEvents()
    try:
        _listen(trial, start, edges, stop, events)
    except (EOFError, ConnectionError):
        pass  # it died: the exit status says of what
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


def _listen(trial: TrialProcess, start: protocol.Start, edges: Edges, stop: Stop, events: TrialEvents) -> None:
    limit_s = start.spec.time_limit_s
    deadline_s = time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        selector.register(trial.channel.sock, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        trial.channel.send(start)
        while not events.is_over and stop.failure is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                limit = f"the trial outlived its limit of {limit_s:.0f} s: raise time_limit in the sweep"
                events.failure = Failure(kind=FailureKind.TIMEOUT, message=limit)
                trial.kill()
            elif stop.failure is None:
                for line in trial.channel.feed():
                    _hear(protocol.EVENT.validate_json(line), trial, edges, events)


def _hear(event: protocol.Event, trial: TrialProcess, edges: Edges, events: TrialEvents) -> None:  # noqa: C901 - a case an event
    match event:
        case protocol.Edge():
            edges.read_now()
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
    """See the trial off: a moment for one that died or said its last word, then its process group is killed."""
    status = trial.wait(LEAVE_WITHIN_S if patiently else 1.0)
    if status is None:
        trial.kill()
        status = trial.wait(LEAVE_WITHIN_S)
    return status


def _crash(status: ExitStatus | None) -> Failure:
    if status is None or status.signal is None:
        code = "unknown" if status is None or status.code is None else status.code
        return Failure(kind=FailureKind.CRASHED, message=f"the trial left without a word, exit status {code}")
    name = {s.value: s.name for s in signal.Signals}.get(status.signal, "real-time")
    hint = ": the kernel kills so when memory runs out" if status.signal == signal.SIGKILL else ""
    message = f"the trial was killed by signal {status.signal} ({name}){hint}"
    return Failure(kind=FailureKind.CRASHED, message=message, signal=status.signal)
