"""Meters: one file each. A meter reads; it knows nothing of windows, trials or baselines.

The contract, which `tests/contract/test_meters.py` runs over every meter:

- Entering raises `MeterUnavailable` with a remedy where this machine cannot meter that; it never enters partly.
- `read` raises `MeterLost` when a meter that worked stops working; a value it does not know is None, never 0.
- `energy_j` counts from any fixed moment and never falls, wrap-around included; SI units.
- `read` returns within a few milliseconds, never sleeps or waits for a network, and needs no root.
- A reading is stamped with the moment at which it was true: while it was read, or an update period before; never after.
  A value is never returned twice under a new stamp: a meter whose thread receives its values returns each of them once,
  and leaves out a domain that has no new one.
- Leaving is safe at any time, twice too.

Not written, because nothing here can run them; a meter at the wall stands in. Whoever has the hardware adds a
file, an entry point, and a rig in the contract suite:

- `amdsmi`, AMD GPUs. The package amdsmi of the ROCm release that is installed (its calls change with the release), and
  the groups render and video. Counter: `amdsmi_get_energy_count`, `energy_accumulator` (`power` before ROCm 6.2.1) x
  `counter_resolution`, in µJ. It stands still on some boards and has gone backwards under threads (ROCm/amdsmi issues
  22, 38, 115): the probe must hold it against integrated power before a trial trusts it. Power, in W:
  `amdsmi_get_power_info`, `current_socket_power` on MI300 and `average_socket_power` before; unknown is the text "N/A".
  HIP_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES set which GPU a trial uses. A partitioned board shares its sensors:
  refuse it, as with MIG.
- `jetson`, NVIDIA Jetson: sampled power, no counter. The board's INA3221 monitors, which tegrastats prints too:
  `in*_input` (mV) x `curr*_input` (mA) under /sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*, `in*_label` names the rail;
  before JetPack 5 `in_power*_input` (mW) and `rail_name_*` under /sys/bus/i2c/drivers/ina3221x. Where only root may
  read them, name the udev rule. Rails differ by module and are not our domains: VDD_GPU_SOC feeds the GPU and more,
  VDD_CPU_GPU_CV both processors, VDD_IN the whole module without its carrier board, which is not the wall. So it needs
  a table of modules, and a domain of its own for VDD_IN, of which the other rails are parts.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, Self

from farm.model import Domain, Quality, Reading
from farm.model.errors import MeterUnavailable, MeterUnset
from farm.settings import Settings


class Meter(Protocol):
    """A source of joules or watts.

    A meter whose maker states an accuracy has `class_u_share` too: the relative standard uncertainty of its joules.
    """

    name: str
    domains: frozenset[Domain]  #: known once entered
    quality: Quality
    priority: int  #: of two meters with one quality and domain, the one with the lower number counts
    update_period_s: float  #: the time between two values that the source publishes
    poll_period_s: float | None  #: the shortest time between two readings; None: read only at the edges of windows

    def __enter__(self) -> Self: ...
    def read(self) -> Mapping[Domain, Reading]:
        """Return a reading for each domain with a new value, stamped with the monotonic clock."""
        ...

    def __exit__(self, *exc: object) -> None: ...


#: The group of entry points in which a package names its meters.
GROUP = "wattfarm.meters"


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Find the meters of all installed packages, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load(name: str) -> Callable[[Settings], Meter]:
    """Import a meter's class; raises MeterUnavailable where that fails."""
    try:
        factory: Callable[[Settings], Meter] = installed()[name].load()
    except (ImportError, AttributeError) as error:
        raise MeterUnavailable(f"meter {name} cannot be imported ({error}): mend or remove its package") from None
    return factory


def open_meters(settings: Settings, stack: ExitStack) -> tuple[list[Meter], list[str]]:
    """Enter every installed meter that this machine supports; the stack leaves them.

    A model is entered only for a domain that nothing measures.

    Returns:
        The meters, the best quality first, and one line for each meter that is unavailable.
    """
    meters: list[Meter] = []
    missing: list[str] = []
    for meter in _by_precedence(settings, missing):
        metered = {domain for other in meters for domain in other.domains}
        if meter.quality is Quality.MODELLED and meter.domains <= metered:
            continue
        try:
            meters.append(stack.enter_context(meter))
        except MeterUnset:
            continue
        except MeterUnavailable as error:
            missing.append(str(error))
    return meters, list(dict.fromkeys(missing))


def _by_precedence(settings: Settings, missing: list[str]) -> list[Meter]:
    """Build every installed meter; of two that meter one domain, the first one counts."""
    built: list[Meter] = []
    for name in installed():
        try:
            built.append(load(name)(settings))
        except MeterUnavailable as error:
            missing.append(str(error))
    return sorted(built, key=lambda meter: (meter.quality.rank, meter.priority, meter.name))
