"""codecarbon: a model of CPU joules where nothing measures them.

A model, not a measurement: power follows from the load of the whole machine and the processor's rated power. Only
codecarbon's CPU model is used, read when the sampler reads; its tracker would keep two threads of its own, poll the
GPU's counter every second, and add a constant for memory. Nothing here needs the network or writes a file.
"""

import logging
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Self

from farm.model import Domain, Quality, Reading
from farm.model.errors import MeterLost, MeterUnavailable
from farm.settings import Settings


class Codecarbon:
    """The meter that returns codecarbon's estimate for the CPU, in J since the meter was entered.

    The estimate is not linear in the load: a steady step between readings matters.
    """

    name = "codecarbon"
    domains = frozenset({Domain.CPU})
    quality = Quality.MODELLED
    priority = 10
    update_period_s = 0.01  #: the model is computed when read, from the kernel's ticks
    poll_period_s: float | None = 1.0

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002 - the model needs none
        self._cpu: Any = None
        self._last_ns = 0
        self._energy_j = 0.0

    def __enter__(self) -> Self:
        try:
            cpu = _cpu()
            cpu.start()
            power_w = cpu.total_power().W
        except ImportError as error:
            raise MeterUnavailable(f"no codecarbon here ({error}): pip install 'wattfarm[worker]'") from None
        except Exception as error:  # it probes the machine in many ways
            raise MeterUnavailable(f"codecarbon cannot model this CPU: {error}") from None
        if not power_w > 0:
            raise MeterUnavailable(f"codecarbon cannot model this CPU: it estimates {power_w} W")
        self._cpu, self._last_ns, self._energy_j = cpu, time.monotonic_ns(), 0.0
        return self

    def read(self) -> Mapping[Domain, Reading]:
        """Return the joules, from the machine's load since the last reading."""
        if self._cpu is None:
            raise MeterLost(f"{self.name} is closed")
        try:
            power_w = self._cpu.total_power().W
        except Exception as error:
            raise MeterLost(f"codecarbon's model stopped: {error}") from None
        at_ns = time.monotonic_ns()
        self._energy_j += power_w * (at_ns - self._last_ns) / 1e9
        self._last_ns = at_ns
        return {Domain.CPU: Reading(at_ns, energy_j=self._energy_j)}

    def __exit__(self, *exc: object) -> None:
        self._cpu = None


def _cpu() -> Any:
    """Build codecarbon's CPU in load mode, for the whole machine."""
    hardware: Any = import_module("codecarbon.external.hardware")
    model, rated_w = _processor()
    return hardware.CPU.from_utils("", hardware.MODE_CPU_LOAD, model, rated_w, tracking_mode="machine")


@cache
def _processor() -> tuple[str, float | None]:
    """Return the processor's name, and the rated W of all sockets that codecarbon knows or guesses; takes a second."""
    cpu: Any = import_module("codecarbon.core.cpu")
    util: Any = import_module("codecarbon.core.util")
    logging.getLogger("codecarbon").setLevel(logging.ERROR)  # importing it sets INFO, on a handler to stderr
    tdp = cpu.TDP()
    return tdp.model, tdp.tdp * util.count_physical_cpus() if tdp.tdp else None
