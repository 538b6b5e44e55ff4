"""Batch policies: they decide when waiting requests become a batch."""

import re
from dataclasses import dataclass
from math import ceil, inf, isinf
from typing import Self

from farm.model.durations import duration_s, spelt_s
from farm.model.errors import InputError

#: The number of requests in a measure window if a sweep names none: enough to claim a p99.
USUAL_REQUESTS = 512
_EXPECTED = "fixed:8, greedy:8 or timeout:8:20ms"
#: A batch size from 1 to 999,999, as sweeps may name it too.
_SIZE = re.compile(r"0{0,9}[1-9]\d{0,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Policy:
    """A batch policy: a batch begins when `size` requests wait, or `timeout_s` after the first of them arrived.

    The greedy policy never waits; the fixed batch size waits for ever. No batch begins before the previous one is done;
    requests that arrive meanwhile join the next batch.
    """

    size: int
    timeout_s: float

    @classmethod
    def fixed(cls, size: int) -> Self:
        """Return a policy that waits until the batch is full, however long that takes."""
        return cls(size, inf)

    @classmethod
    def greedy(cls, size: int) -> Self:
        """Return a policy that takes all waiting requests, up to `size`."""
        return cls(size, 0.0)

    @classmethod
    def parse(cls, text: str, where: str = "--policy") -> Self:
        """Parse fixed:8, greedy:8 or timeout:8:20ms; raises InputError."""
        name, *rest = text.strip().split(":")
        if name not in {"fixed", "greedy", "timeout"} or len(rest) != 1 + (name == "timeout"):
            raise InputError(f"{where}: expected {_EXPECTED}, got {text!r}")
        if not _SIZE.fullmatch(rest[0]):
            raise InputError(f"{where}: expected a batch size from 1 to 999999, as in {_EXPECTED}, got {text!r}")
        if name == "timeout":
            return cls(int(rest[0]), duration_s(rest[1], f"{where} {text}"))
        return cls.fixed(int(rest[0])) if name == "fixed" else cls.greedy(int(rest[0]))

    @property
    def is_fixed(self) -> bool:
        """Whether a batch begins only when it is full."""
        return isinf(self.timeout_s)

    def __str__(self) -> str:
        if self.is_fixed:
            return f"fixed:{self.size}"
        return f"timeout:{self.size}:{spelt_s(self.timeout_s)}" if self.timeout_s else f"greedy:{self.size}"

    def filled(self, requests: int) -> int:
        """Return the number of requests, rounded up to whole batches if the batch size is fixed."""
        return -(-requests // self.size) * self.size if self.is_fixed else requests

    @property
    def in_words(self) -> str:
        """Description of the policy."""
        if self.size == 1:
            return "one request at a time"
        if self.is_fixed:
            return f"batches of {self.size}, however long they take to fill"
        if not self.timeout_s:
            return f"batches of whatever waits, up to {self.size}"
        return f"batches of {self.size}, or of what has come {spelt_s(self.timeout_s, ' ')} after the first"


def requests_in(window_s: float, rate_per_s: float, requests: int | None, policy: Policy) -> int:
    """Return the number of requests in a measure window of a live trial.

    Args:
        window_s: The length of the window in seconds.
        rate_per_s: The mean rate of arrivals.
        requests: The number that a sweep names; None selects the usual one. It grows to fill the window and each batch.
        policy: The batch policy.
    """
    return policy.filled(max(requests or USUAL_REQUESTS, ceil(rate_per_s * window_s)))
