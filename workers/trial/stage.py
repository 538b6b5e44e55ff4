"""A trial's windows: at both edges of each the trial waits until the supervisor has read the meters."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Protocol

from pydantic import JsonValue

from farm.model import Flag, Frozen, Window, WindowKind
from workers.trial import protocol
from workers.trial.environment import environment


class SupervisorGone(Exception):
    """The supervisor has closed the connection."""


@dataclass
class Tally:
    """The units and batches done in a window; None where the window does no work, or work that does not repeat."""

    units: int | None = None
    batches: int | None = None


class Described(Protocol):
    """Whatever can say what runs."""

    @property
    def unit(self) -> str: ...
    def facts(self) -> Mapping[str, JsonValue]: ...


class Line:
    """The trial's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = protocol.Channel(sock)

    def receive(self) -> protocol.Order:
        """Wait for the supervisor."""
        try:
            return protocol.ORDER.validate_json(self._channel.receive())
        except (EOFError, OSError):
            raise SupervisorGone from None

    def send(self, event: Frozen) -> None:
        """Send an event to the supervisor."""
        try:
            self._channel.send(event)
        except OSError:
            raise SupervisorGone from None

    def edge(self, edge: protocol.Edge) -> None:
        """Wait until the meters are read."""
        self.send(edge)
        self.receive()

    def settle(self) -> None:
        """Wait until the board is at rest, as its supervisor sees it."""
        self.send(protocol.Settle())
        self.receive()


class Stage:
    """The stage of a workload: its job, its device, and the windows that the supervisor meters."""

    def __init__(self, line: Line, start: protocol.Start, device: str) -> None:
        self.line = line
        self.start = start
        self.spec = start.spec
        self.measure = start.spec.measure
        self.device = device  #: cpu or cuda:N
        self._phase = Random(start.spec.job)  # noqa: S311 - a pause, not a secret

    def doubt(self, flag: Flag | None, note: str) -> None:
        """Report a reason to doubt what follows, or a note alone."""
        self.line.send(protocol.Doubt(flag=flag, note=note))

    def report_facts(self, workload: Described) -> None:
        """Report what runs. A workload that knows more at its end reports again; the last report counts."""
        self.line.send(
            protocol.Facts(
                device=self.device, unit=workload.unit, workload=dict(workload.facts()), environment=environment()
            )
        )

    @contextmanager
    def window(self, kind: WindowKind, index: int = 0, guard_s: float = 0.0, of: int | None = None) -> Iterator[Tally]:
        """Open a window between two edges and two guards; the block must end synchronized, and tally its units.

        `of` tells people who watch how many windows of this kind the trial has.
        """
        tally = Tally()
        self.line.edge(protocol.Edge(opens=kind, index=index, of=of))
        read_ns = time.monotonic_ns()
        time.sleep(guard_s + self._phase_s())
        started, begin_ns = datetime.now(UTC), time.monotonic_ns()
        yield tally
        end_ns = time.monotonic_ns()
        time.sleep(guard_s + (self._out_of_step_s(read_ns, guard_s) if guard_s else 0.0))
        self.line.edge(protocol.Edge())
        window = Window(
            kind=kind,
            index=index,
            begin_at_ns=begin_ns,
            end_at_ns=end_ns,
            started_at_utc=started,
            units=tally.units,
            batches=tally.batches,
        )
        self.line.send(protocol.Closed(window=window))

    def settle(self) -> None:
        """Wait until the GPU's meters have published what ran before, and its power is back at rest."""
        if self.start.meter_period_s is not None:
            time.sleep(self.measure.guard_s)
            self.line.settle()

    def _phase_s(self) -> float:
        """Return a random part of the meter's period.

        An edge may be read when the counter ticks. Work that always began so long after it would always begin at the
        same phase of a sensor that sees part of each period: an error that is the same in all windows.
        """
        return self._phase.uniform(0.0, self.start.meter_period_s or 0.0)

    def _out_of_step_s(self, read_ns: int, guard_s: float) -> float:
        """Return the time missing to a whole number of the meter's periods since the last reading, a guard from now.

        Readings so far apart are of the same age: their difference has no error from it.
        """
        period_s = self.start.meter_period_s
        if period_s is None:
            return 0.0
        return -((time.monotonic_ns() - read_ns) / 1e9 + guard_s) % period_s
