"""Arrival processes. The loop is open: no request waits for the answer to another."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from farm.model import files
from farm.model.errors import InputError

Times = NDArray[np.float64]
#: The gaps in the study: 1 / rate x U(0.8, 1.2).
STUDY_JITTER = 0.2
#: A trace is read whole.
MOST_BYTES = 16 * files.MIB


class Arrivals(Protocol):
    """An arrival process. The same random numbers give the same arrivals."""

    @property
    def rate_per_s(self) -> float:
        """Mean rate in requests a second."""

    @property
    def is_endless(self) -> bool:
        """Whether the process has a steady state, which a simulation should reach before it counts requests."""

    def times_s(self, requests: int, random: np.random.Generator) -> Times:
        """Return the arrival times of the first requests in s, in order."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """A Poisson process: requests of many independent users."""

    rate_per_s: float
    is_endless = True

    def times_s(self, requests: int, random: np.random.Generator) -> Times:
        """Draw exponential gaps."""
        return np.cumsum(random.exponential(1 / self.rate_per_s, requests))

    def __str__(self) -> str:
        return "poisson"


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant rate whose gaps vary by up to a share of their mean either way."""

    rate_per_s: float
    jitter: float = STUDY_JITTER
    is_endless = True

    def times_s(self, requests: int, random: np.random.Generator) -> Times:
        """Draw uniform gaps."""
        return np.cumsum(random.uniform(1 - self.jitter, 1 + self.jitter, requests) / self.rate_per_s)

    def __str__(self) -> str:
        return f"constant ± {self.jitter:.0%}"


@dataclass(frozen=True)
class Recorded:
    """A recorded trace; all of its requests are used once."""

    name: str
    stamps_s: tuple[float, ...]  #: sorted time stamps from any origin; at least two, not all equal
    is_endless = False

    @cached_property
    def rate_per_s(self) -> float:
        """Mean rate between the first request and the last."""
        return (len(self.stamps_s) - 1) / (self.stamps_s[-1] - self.stamps_s[0])

    def times_s(self, requests: int, random: np.random.Generator) -> Times:  # noqa: ARG002 - nothing is left to chance
        """Return the times since the first request."""
        return np.array(self.stamps_s) - self.stamps_s[0]

    def __str__(self) -> str:
        return f"trace {self.name}"

    @classmethod
    def read(cls, path: str) -> "Recorded":
        """Read a trace from a file; raises InputError."""
        try:
            lines = StringIO(files.read_text(Path(path), MOST_BYTES))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InputError(f"arrivals: expected {', '.join(PROCESSES)} or a file, got {path}: {reason}") from None
        return cls.parse(path, lines)

    @classmethod
    def parse(cls, name: str, lines: Iterable[str]) -> "Recorded":
        """Parse a time stamp in seconds a line; empty lines and # comments are skipped.

        Raises InputError, which names the line but repeats nothing of it: a worker can read files that the author of
        a sweep cannot.
        """
        stamps: list[float] = []
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            stamp = _stamp(text)
            if stamp is None:
                raise InputError(f"{name}:{number}: expected a time stamp in seconds alone on its line")
            if stamps and stamp < stamps[-1]:
                raise InputError(f"{name}:{number}: the time is before that of the line above: sort the time stamps")
            stamps.append(stamp)
        if len(stamps) < 2 or stamps[0] == stamps[-1]:
            raise InputError(f"{name}: expected at least two different time stamps, one a line")
        return cls(name, tuple(stamps))


def _stamp(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


#: Processes by name, made from their rate; any other name is the path of a trace.
PROCESSES: Mapping[str, Callable[[float], Arrivals]] = {"poisson": Poisson, "constant": Constant}
