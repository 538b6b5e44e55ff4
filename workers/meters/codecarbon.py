"""A model of CPU joules where nothing measures them, from the rated power that codecarbon knows.

A model, not a measurement: power P follows from the load u of the whole machine and its processors' rated power R,

    P = R (0.1 + 0.9 u)

At rest and at full load that is codecarbon's own estimate. Between them codecarbon takes u³, of the mean load since its
last reading, so that its joules depend on when it is read: a reading each second across the step from idle to work
loses up to a third of a second's joules. A straight line gives the same joules for the same work, whenever it is read
(Fan, Weber, Barroso: Power provisioning for a warehouse-sized computer, ISCA 2007: power is nearly linear in load).

Nothing here needs the network or writes a file.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Self

import psutil

from farm.model import Domain, Quality, Reading
from farm.model.errors import MeterLost, MeterUnavailable
from farm.settings import Settings

#: codecarbon's estimate of the share of the rated power that a processor draws at rest.
REST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Rating:
    """The rated power of a machine's processors."""

    power_w: float
    source: str  #: who says so; for a guess, also the remedy

    def __str__(self) -> str:
        return f"{self.power_w:g} W, {self.source}"


class Codecarbon:
    """The meter that returns an estimate for the CPU, in J since the meter was entered."""

    name = "codecarbon"
    domains = frozenset({Domain.CPU})
    quality = Quality.MODELLED
    priority = 10
    update_period_s = 0.01  #: the kernel counts the time of processors in such ticks
    poll_period_s: float | None = None  #: between the edges of windows a reading would add nothing

    def __init__(self, settings: Settings) -> None:
        self._set_w = settings.cpu_tdp_w
        self.rating: Rating | None = None  #: known once entered
        self._threads = 0
        self._begin_ns = 0
        self._begin_busy_s = 0.0

    def __enter__(self) -> Self:
        rating = Rating(self._set_w, "set by FARM_CPU_TDP_W") if self._set_w else codecarbons_rating()
        try:
            self._begin_ns, self._begin_busy_s = _now()
        except OSError as error:
            raise MeterUnavailable(f"the load of this CPU cannot be read: {error}") from None
        self._threads, self.rating = psutil.cpu_count() or 1, rating
        return self

    def read(self) -> Mapping[Domain, Reading]:
        """Return the joules, from the time that the machine's processors have worked."""
        if self.rating is None:
            raise MeterLost(f"{self.name} is closed")
        try:
            at_ns, busy_s = _now()
        except OSError as error:
            raise MeterLost(f"the load of this CPU cannot be read any more: {error}") from None
        rest_s, full_s = (at_ns - self._begin_ns) / 1e9, (busy_s - self._begin_busy_s) / self._threads
        energy_j = self.rating.power_w * (REST_SHARE * rest_s + (1 - REST_SHARE) * full_s)
        return {Domain.CPU: Reading(at_ns, energy_j=energy_j)}

    def __exit__(self, *exc: object) -> None:
        self.rating = None


def _now() -> tuple[int, float]:
    """Return the monotonic time in ns, and the time in s that all processors have worked; stolen time is no work."""
    times = psutil.cpu_times()
    return time.monotonic_ns(), times.user + times.nice + times.system + times.irq + times.softirq


@cache
def codecarbons_rating() -> Rating:
    """Return the rated power that codecarbon knows or guesses for this machine; it takes a second.

    Raises:
        MeterUnavailable: codecarbon is missing, or does not say.
    """
    warnings: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        warnings.append(record.getMessage())
        return False

    log = logging.getLogger("codecarbon")
    try:
        cpu: Any = import_module("codecarbon.core.cpu")
        util: Any = import_module("codecarbon.core.util")
        log.setLevel(logging.WARNING)  # importing it sets INFO, on a handler to stderr
        log.addFilter(keep)
        model, each_w, sockets = *_model_and_power_w(cpu.TDP()), util.count_physical_cpus()
    except ImportError as error:
        raise MeterUnavailable(f"no codecarbon here ({error}): pip install 'wattfarm[worker]'") from None
    except Exception as error:  # it probes the machine in many ways
        raise MeterUnavailable(f"codecarbon cannot rate this CPU ({error}): set FARM_CPU_TDP_W") from None
    finally:
        log.removeFilter(keep)
    if warnings:  # its table lacks this processor; the guess counts the threads of all sockets
        return Rating(each_w, "codecarbon's guess; set FARM_CPU_TDP_W")
    several = "" if sockets == 1 else f", {sockets} sockets of {each_w:g} W"
    return Rating(each_w * sockets, f"codecarbon's table for {model}{several}")


def _model_and_power_w(tdp: Any) -> tuple[str, float]:
    """Return a processor's name and the rated W of one socket; raises ValueError if codecarbon knows none."""
    if not (tdp.tdp or 0) > 0:
        raise ValueError("it has no name that codecarbon knows")
    return tdp.model, tdp.tdp
