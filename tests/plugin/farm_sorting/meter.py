"""A meter, made up to show the seam: 5 W, and 10 J for each second that a core is busy."""

import time
from collections.abc import Mapping
from typing import Self

import psutil

from farm.model import Domain, Quality, Reading
from farm.settings import Settings

IDLE_W, BUSY_W = 5.0, 10.0


class BusyCores:
    """Counts joules of the CPU from the kernel's times of all cores."""

    name = "busy-cores"
    domains = frozenset({Domain.CPU})
    quality = Quality.COUNTER  #: a lie: an honest one would say MODELLED, and count only where nothing measures
    priority = 0  #: before every other counter of the CPU
    update_period_s = 0.01
    poll_period_s: float | None = None

    def __init__(self, settings: Settings) -> None:
        """Take the settings of the worker; this meter needs none."""

    def __enter__(self) -> Self:
        return self

    def read(self) -> Mapping[Domain, Reading]:
        """Return the joules since a fixed moment, stamped with the monotonic clock."""
        at_ns = time.monotonic_ns()
        times = psutil.cpu_times()
        return {Domain.CPU: Reading(at_ns, energy_j=IDLE_W * at_ns / 1e9 + BUSY_W * (times.user + times.system))}

    def __exit__(self, *exc: object) -> None: ...
