"""The protocol between supervisor and trial: JSON, one message a line, over a socket of its own.

The supervisor sends `Start`, the trial sends events. After `Edge` or `Settle` the trial waits until the supervisor
sends `Go`, so the meters are read while the device is settled and idle. A trial ends with `Done` or `Failed`; a socket
that closes without either means that its process died.
"""

import socket
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from farm.model import Epoch, Failure, Flag, Frozen, JobSpec, Requests, Stopped, Window, WindowKind


class Start(Frozen):
    """Supervisor to trial: what to run, and how the GPU's meters read."""

    type: Literal["start"] = "start"
    spec: JobSpec
    meter_period_s: float | None = None  #: time between two values of the meter that gives the joules; None: unknown
    sensor_period_s: float | None = None  #: time between two values of the power sensor; None: unknown
    sensor_window_s: float | None = None  #: the part of each period that the sensor sees; None: unknown
    jitter: bool | None = None  #: whether the first trial of this point paused at random; None: this is the first one
    #: The file to resume from, where it exists, and to save to; None: the job is not resumable.
    checkpoint: str | None = None
    allow_commands: tuple[str, ...] = ()  #: patterns of the command lines that may run
    import_from: str | None = None  #: a folder of modules that are not installed


class Go(Frozen):
    """Supervisor to trial: the meters are read, or the board is at rest: go on."""

    type: Literal["go"] = "go"


class Facts(Frozen):
    """Trial to supervisor, after setup: what runs here, on which software."""

    type: Literal["facts"] = "facts"
    device: str  #: the chosen device: cpu or cuda:N
    unit: str
    workload: dict[str, JsonValue]
    environment: dict[str, JsonValue]


class Edge(Frozen):
    """Trial to supervisor: a window is about to open or has closed, the device is settled; answered by `Go`."""

    type: Literal["edge"] = "edge"
    opens: WindowKind | None = None  #: None: the window has closed
    index: int = 0
    of: int | None = None  #: the number of windows of this kind in the trial; None: unknown


class Settle(Frozen):
    """Trial to supervisor: the next window needs a board at rest; answered by `Go`."""

    type: Literal["settle"] = "settle"


class Closed(Frozen):
    """Trial to supervisor: a window is over."""

    type: Literal["closed"] = "closed"
    window: Window


class Latencies(Frozen):
    """Trial to supervisor: the duration of each batch that was timed."""

    type: Literal["latencies"] = "latencies"
    values_s: tuple[float, ...]


class Served(Frozen):
    """Trial to supervisor: the requests of a measure window."""

    type: Literal["served"] = "served"
    requests: Requests


class Trained(Frozen):
    """Trial to supervisor: epochs that were trained and validated."""

    type: Literal["trained"] = "trained"
    epochs: tuple[Epoch, ...]


class Ended(Frozen):
    """Trial to supervisor: the training stopped before its last epoch."""

    type: Literal["ended"] = "ended"
    why: Stopped


class Doubt(Frozen):
    """Trial to supervisor: a reason to doubt what follows, or what a reader should know."""

    type: Literal["doubt"] = "doubt"
    flag: Flag | None  #: None: a note alone
    note: str


class Done(Frozen):
    """Trial to supervisor: everything ran."""

    type: Literal["done"] = "done"


class Failed(Frozen):
    """Trial to supervisor: the trial failed."""

    type: Literal["failed"] = "failed"
    failure: Failure


Event = Annotated[
    Facts | Edge | Settle | Closed | Latencies | Served | Trained | Ended | Doubt | Done | Failed,
    Field(discriminator="type"),
]
Order = Annotated[Start | Go, Field(discriminator="type")]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
ORDER: TypeAdapter[Order] = TypeAdapter(Order)
#: Far above the size of a million latencies: a longer line is malformed, and would fill the supervisor's memory.
LONGEST_LINE_BYTES = 1 << 26


class Channel:
    """One end of the connection. Not thread-safe. The supervisor calls `feed` when its selector reports data."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def send(self, message: Frozen) -> None:
        """Send one message; raises OSError when the other end is gone."""
        self.sock.sendall(message.model_dump_json().encode() + b"\n")

    def feed(self) -> Iterator[bytes]:
        """Read the available data, and yield the complete lines.

        Raises EOFError when the other end has closed, ValueError when a line has no end.
        """
        chunk = self.sock.recv(1 << 16)
        if not chunk:
            raise EOFError
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        if len(self._buffer) > LONGEST_LINE_BYTES:
            raise ValueError("a line without an end")
        yield from lines

    def receive(self) -> bytes:
        """Wait for exactly one line, as the trial does: the supervisor sends one order at a time."""
        lines: list[bytes] = []
        while not lines:
            lines = list(self.feed())
        return lines[0]
