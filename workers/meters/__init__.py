"""Meters: one file each. A meter reads; it knows nothing of windows, trials or baselines.

The contract, which `tests/contract/test_meters.py` runs over every meter:

- Entering raises `MeterUnavailable` with a remedy where this machine cannot meter that; it never enters half-way.
- `read` raises `MeterLost` when a meter that worked stops working; a value it does not know is None, never 0.
- `energy_j` counts from any fixed moment and never falls, wrap-around included; SI units.
- `read` returns within a few milliseconds, never sleeps, and needs no root.
- Leaving is safe at any time, twice too.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Protocol, Self

from farm.model import Domain, Quality, Reading
from farm.settings import Settings


class Meter(Protocol):
    """One source of joules or watts."""

    name: str
    domains: frozenset[Domain]  #: known once entered
    quality: Quality
    update_period_s: float  #: how often the source publishes a new value
    poll_period_s: float | None  #: how often the sampler may read it; None: only at the edges of windows

    def __enter__(self) -> Self: ...
    def read(self) -> Mapping[Domain, Reading]:
        """One reading a domain, stamped with the monotonic clock."""
        ...

    def __exit__(self, *exc: object) -> None: ...


#: Meters by name, as "module:Class", imported on use. Order is precedence between equals.
REGISTRY: Mapping[str, str] = {
    "nvml-counter": "workers.meters.nvml:NvmlCounter",
    "nvml-power": "workers.meters.nvml:NvmlPower",
    "rapl": "workers.meters.rapl:Rapl",
    "codecarbon": "workers.meters.codecarbon:Codecarbon",
}


def load(name: str) -> Callable[[Settings], Meter]:
    """The class of a registered meter; it is built with the settings alone."""
    module, _, cls = REGISTRY[name].partition(":")
    factory: Callable[[Settings], Meter] = getattr(import_module(module), cls)
    return factory
