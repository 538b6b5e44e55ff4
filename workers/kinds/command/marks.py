"""The trial's side of marks: a socket, on which a program says what it does. docs/marks.md describes every byte.

Each line has an answer, `ok` or `error` and the reason, so a window that the program marks begins and ends after the
meters were read. What a program writes can be wrong in any way: it is refused, and the run goes on.
"""

import math
import re
import selectors
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from farm.model import Window, WindowKind
from workers.trial import protocol
from workers.trial.stage import Line

#: A trial measures so many windows; a program that marks more should mark longer ones.
MOST_WINDOWS = 1000
#: Names of windows, and of metrics; connections at a time.
MOST_NAMES, MOST_CONNECTIONS = 100, 256
LONGEST_LINE = 1000
LARGEST_COUNT = 10**15
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,16}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", re.ASCII)


class Refused(ValueError):
    """A line that is not done; the text is the answer to the program."""


@dataclass(frozen=True, slots=True)
class _Open:
    index: int | None  #: its number; None: it is beyond the limit, and not measured
    begin_ns: int
    started_at_utc: datetime


@dataclass
class Marked:
    """What a program has marked so far, and the answers to its lines."""

    line: Line | None  #: to the supervisor; None: the meters are not read, and no window is measured
    units: int | None = None  #: units of the whole run; None: the program counted none
    units_of: Counter[str] = field(default_factory=Counter)  #: units of all windows, by their unit
    metrics: dict[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  #: the unit of each name of a window
    measured: defaultdict[str, list[JsonValue]] = field(default_factory=lambda: defaultdict(list))  #: their windows
    not_measured: Counter[str] = field(default_factory=Counter)  #: windows beyond the limit, by name
    _open: dict[str, _Open] = field(default_factory=dict)
    _begun: int = 0

    def answer(self, line: bytes) -> bytes:
        """Do what a line says; returns the answer."""
        words = line.decode(errors="replace").split()
        try:
            match words:
                case ["begin", name]:
                    self._begin(_named(name), "")
                case ["begin", name, unit]:
                    self._begin(_named(name), _named(unit))
                case ["end", name]:
                    self._end(name, 0)
                case ["end", name, count]:
                    self._end(name, _counted(count))
                case ["units", count]:
                    self.units = (self.units or 0) + _counted(count)
                case ["metric", name, value]:
                    self._keep(_named(name), value)
                case _:
                    raise Refused("expected begin NAME [UNIT], end NAME [COUNT], units COUNT or metric NAME VALUE")
        except Refused as refused:
            return f"error {refused}\n".encode()
        return b"ok\n"

    def never_ended(self) -> Sequence[str]:
        """Return the names of the windows that are still open; they are not measured."""
        return list(self._open)

    def parts(self) -> list[JsonValue]:
        """Return the fact `parts`: one for each name, in the order of their first windows."""
        return [
            {"kind": "marked", "name": name, "unit": unit, "windows": self.measured[name]}
            for name, unit in self.names.items()
        ]

    def _begin(self, name: str, unit: str) -> None:
        if name in self._open:
            raise Refused(f"{name} has begun already")
        if name not in self.names and len(self.names) == MOST_NAMES:
            raise Refused(f"a run has at most {MOST_NAMES} names of windows")
        if self.names.setdefault(name, unit) != unit:
            raise Refused(f"the unit of {name} was {self.names[name] or 'none'} before")
        index = None
        if self.line is not None and self._begun < MOST_WINDOWS:
            index = self._begun
            self._begun += 1
            self.line.edge(protocol.Edge(opens=WindowKind.MARKED, index=index))
        self._open[name] = _Open(index, time.monotonic_ns(), datetime.now(UTC))

    def _end(self, name: str, count: int) -> None:
        end_ns = time.monotonic_ns()
        opened = self._open.pop(name, None)
        if opened is None:
            raise Refused(f"{name} has not begun")
        self.units_of[self.names[name]] += count
        if self.line is None or opened.index is None:
            self.not_measured[name] += 1
            return
        self.line.edge(protocol.Edge())
        window = Window(
            kind=WindowKind.MARKED,
            index=opened.index,
            begin_at_ns=opened.begin_ns,
            end_at_ns=end_ns,
            started_at_utc=opened.started_at_utc,
            units=count,
        )
        self.measured[name].append(opened.index)
        self.line.send(protocol.Closed(window=window))

    def _keep(self, name: str, value: str) -> None:
        if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            raise Refused("expected a finite number after the name of the metric")
        if name not in self.metrics and len(self.metrics) == MOST_NAMES:
            raise Refused(f"a run has at most {MOST_NAMES} metrics")
        self.metrics[name] = float(value)


def _named(word: str) -> str:
    if not _NAME.fullmatch(word):
        raise Refused("expected a name of at most 60 letters, digits, _, . and -")
    return word


def _counted(word: str) -> int:
    if not _COUNT.fullmatch(word) or int(word) > LARGEST_COUNT:
        raise Refused("expected a count, 0 or more")
    return int(word)


class MarksServer:
    """The socket of one run. `serve` answers until the program has ended; only one thread uses it."""

    def __init__(self, marked: Marked, folder: Path) -> None:
        """Open the socket in a folder of this trial; raises OSError where that is not possible."""
        self._marked = marked
        self._selector = selectors.DefaultSelector()
        self.path = folder / "marks"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._listener.setblocking(False)
        ours, self.theirs = socket.socketpair()  #: the program inherits `theirs`
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[socket.socket, bytes] = {}
        self._accept(ours)

    def serve(self, program: int, watch: Callable[[], float]) -> None:
        """Answer until a program has ended, and then what it left unread.

        Args:
            program: a descriptor of its process, which can be read when it has ended.
            watch: called now and then; returns the seconds until it wants to be called again.
        """
        self.theirs.close()
        self._selector.register(program, selectors.EVENT_READ)
        due_s = time.monotonic()
        while not any(key.fileobj == program for key in self._answer(max(due_s - time.monotonic(), 0.0))):
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + watch()
        self._selector.unregister(program)
        while self._answer(0.0):
            pass

    def close(self) -> None:
        """Close all sockets; safe at any time, twice too."""
        for connection in (*self._connections, self._listener, self.theirs):
            connection.close()
        self._selector.close()

    def _answer(self, timeout_s: float) -> Sequence[selectors.SelectorKey]:
        ready = [key for key, _ in self._selector.select(timeout_s)]
        for key in ready:
            if key.fileobj is self._listener:
                self._accept(self._listener.accept()[0])
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj)
        return ready

    def _accept(self, connection: socket.socket) -> None:
        if len(self._connections) == MOST_CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        self._connections[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        """Answer the complete lines of a connection; close it where the program did, or does not read the answers."""
        try:
            chunk = connection.recv(1 << 14)
            *lines, rest = (self._connections[connection] + chunk).split(b"\n")
            for line in lines:
                connection.send(self._marked.answer(line[:LONGEST_LINE]))
            if not chunk or len(rest) > LONGEST_LINE:
                raise ConnectionError
        except (OSError, ConnectionError):
            self._selector.unregister(connection)
            del self._connections[connection]
            connection.close()
        else:
            self._connections[connection] = rest
