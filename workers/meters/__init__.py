"""Meters: one file each. A meter reads; it knows nothing of windows, trials or baselines.

The contract, which `tests/contract/test_meters.py` runs over every meter:

- Entering raises `MeterUnavailable` with a remedy where this machine cannot meter that; it never enters half-way.
- `read` raises `MeterLost` when a meter that worked stops working; a value it does not know is None, never 0.
- `energy_j` counts from any fixed moment and never falls, wrap-around included; SI units.
- `read` returns within a few milliseconds, never sleeps or waits for a network, and needs no root.
- A reading is stamped with the moment at which it was true: while it was read, or an update period before; never after.
  What is not new is not said again under a new stamp: a meter that learns of its values in a thread of its own hands
  each of them out once, and leaves a domain out of which it has heard nothing since.
- Leaving is safe at any time, twice too.

Not written, because nothing here can run them; a meter at the wall stands in. Whoever has the hardware adds a file, a
line in the registry, and a rig in the contract suite:

- `amdsmi`, AMD GPUs. The package amdsmi of the ROCm release that is installed (its calls change with the release), and
  the groups render and video. Counter: `amdsmi_get_energy_count`, `energy_accumulator` (`power` before ROCm 6.2.1) x
  `counter_resolution`, in µJ. It stands still on some boards and has gone backwards under threads (ROCm/amdsmi issues
  22, 38, 115): the probe must hold it against integrated power before a trial trusts it. Power, in W:
  `amdsmi_get_power_info`, `current_socket_power` on MI300 and `average_socket_power` before; unknown is the text "N/A".
  HIP_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES say which GPU a trial uses. A partitioned board shares its sensors:
  refuse it, as with MIG.
- `jetson`, NVIDIA Jetson: sampled power, no counter. The board's INA3221 monitors, which tegrastats prints too:
  `in*_input` (mV) x `curr*_input` (mA) under /sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*, `in*_label` names the rail;
  before JetPack 5 `in_power*_input` (mW) and `rail_name_*` under /sys/bus/i2c/drivers/ina3221x. Where only root may
  read them, name the udev rule. Rails differ by module and are not our domains: VDD_GPU_SOC feeds the GPU and more,
  VDD_CPU_GPU_CV both processors, VDD_IN the whole module without its carrier board, which is not the wall. So it needs
  a table of modules, and a domain of its own for VDD_IN, of which the other rails are parts.
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
        """One reading a domain of which there is something new, stamped with the monotonic clock."""
        ...

    def __exit__(self, *exc: object) -> None: ...


#: Meters by name, as "module:Class", imported on use. Order is precedence between equals.
REGISTRY: Mapping[str, str] = {
    "nvml-counter": "workers.meters.nvml:NvmlCounter",
    "nvml-power": "workers.meters.nvml:NvmlPower",
    "rapl": "workers.meters.rapl:Rapl",
    "wall": "workers.meters.external:Wall",
    "codecarbon": "workers.meters.codecarbon:Codecarbon",
}


def load(name: str) -> Callable[[Settings], Meter]:
    """The class of a registered meter; it is built with the settings alone."""
    module, _, cls = REGISTRY[name].partition(":")
    factory: Callable[[Settings], Meter] = getattr(import_module(module), cls)
    return factory
