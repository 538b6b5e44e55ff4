"""Marks: a program tells the trial that runs it what it does, how much of it, and how well.

Example:
    >>> from farm import marks
    >>> with marks.window("train", unit="image") as window:
    ...     for images in batches:
    ...         step(images)
    ...         window.units += len(images)
    >>> marks.metric("accuracy", 0.93)

`window` waits until the meters of the machine are read, at its begin and at its end. So a window counts what ran within
it: synchronize a GPU before it ends. Outside of a trial all this does nothing. It needs the standard library alone.

A program in another language writes lines to the descriptor WATTFARM_MARKS_FD, or to the UNIX socket WATTFARM_MARKS,
and reads an answer to each: docs/marks.md.
"""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRWPair

#: The environment variable with the path of the trial's socket.
SOCKET = "WATTFARM_MARKS"
#: The environment variable with the number of a descriptor that is connected to it.
DESCRIPTOR = "WATTFARM_MARKS_FD"


@dataclass
class MarkedWindow:
    """A window of a program; `units` counts what was done in it."""

    name: str
    unit: str
    units: int = 0


@contextmanager
def window(name: str, unit: str = "") -> Iterator[MarkedWindow]:
    """Mark a window: from here to the end of the block.

    Args:
        name: What the program does in it, in one word such as `train`. Windows of one name belong together.
        unit: What it does again and again, such as `image`; count it in `units` of the window.
    """
    marked = MarkedWindow(name, unit)
    _ask(f"begin {name} {unit}".rstrip())
    try:
        yield marked
    finally:
        _ask(f"end {name} {marked.units}")


def metric(name: str, value: float) -> None:
    """Report a figure of the whole run, such as an accuracy between 0 and 1; the last value of a name counts."""
    _ask(f"metric {name} {float(value)!r}")


def units(count: int) -> None:
    """Count units of the whole run."""
    _ask(f"units {count}")


def is_measured() -> bool:
    """Return whether this program runs in a trial."""
    return SOCKET in os.environ


class _Connection(threading.local):
    """The connection of this thread of this process: a fork must not share the answers of its parent."""

    pid = 0
    file: BufferedRWPair | None = None

    def ask(self, line: str) -> str:
        if self.file is None or self.pid != os.getpid():
            with socket.socket(socket.AF_UNIX) as connected:
                connected.connect(os.environ[SOCKET])
                self.file, self.pid = connected.makefile("rwb"), os.getpid()
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        return self.file.readline().decode(errors="replace").strip()


_connection = _Connection()


def _ask(line: str) -> None:
    """Send a line, and wait for the answer. A program goes on where the trial refuses the line; stderr says why."""
    if not is_measured():
        return
    try:
        answer = _connection.ask(line)
    except OSError as error:
        _connection.file = None
        answer = str(error)
    if answer != "ok":
        with suppress(OSError, AttributeError):
            sys.stderr.write(f"farm.marks: {line}: {answer.removeprefix('error ') or 'the trial is gone'}\n")
