"""Who measures, and how they are told: machines, leases, messages."""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, JsonValue

from farm.model.words import Frozen


class Probe(Frozen):
    """What a machine's meters are worth, found out by watching them closely; what could not be told is None."""

    version: Literal[1] = 1
    probed_at: AwareDatetime
    sensor: Literal["instant", "smoothed"] | None = None  #: the GPU's power: NVML's field 186, or its average
    sensor_update_period_s: float | None = None  #: between two values that the sensor publishes
    averaging_window_s: float | None = None  #: each of them is the mean power over so long
    counter_update_period_s: float | None = None  #: of the GPU's energy counter
    counter_update_period_u_s: float | None = None  #: its standard uncertainty
    counter_update_jitter_s: float | None = None  #: two of its updates differ so much in how late they are, on average
    counter_over_power_idle: float | None = None  #: counted joules / integrated power, both read often, idle
    counter_over_power_load: float | None = None  #: the same under a steady load
    counter_trusted: bool | None = None  #: whether the two agree under load
    rapl_update_period_s: float | None = None  #: of the CPU packages' energy counters
    notes: tuple[str, ...] = ()  #: why something could not be told


class Machine(Frozen):
    """Comparable hardware: what a worker registers."""

    id: str  #: hash of name and hardware
    name: str
    hardware_class: str  #: machines of one class are interchangeable in a comparison
    hardware: dict[str, JsonValue]
    simulated: bool = False
    probe: Probe | None = None  #: what its meters are worth

    @property
    def queues(self) -> tuple[str, ...]:
        """The broker's queues that it serves."""
        return tuple(queue_for(target) for target in ("any", f"hw:{self.hardware_class}", f"machine:{self.name}"))


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease: a name may be used again after a reboot, so the boot id is in it."""

    host: str
    pid: int
    boot_id: str

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.boot_id}"


class Heartbeat(Frozen):
    """What the store answers to a worker's beat."""

    held: bool  #: False: the lease was lost to another attempt
    cancel: bool  #: somebody wants the job stopped


class JobMessage(Frozen):
    """A message on the broker: the job that waits, and the attempts seen when it was sent."""

    job: str
    attempt: int
    queue: str
    priority: int = 5


#: How a machine may be called, so that sweeps can name it as a target.
MACHINE_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"


def queue_for(target: str) -> str:
    """The broker's queue for a target: any, hw:CLASS or machine:NAME."""
    return ".".join(["farm", *(re.sub(r"[^A-Za-z0-9._-]", "-", part) for part in target.split(":", 1))])


class Check(Frozen):
    """One finding of `farm doctor`."""

    name: str
    state: Literal["ok", "note", "bad"]  #: note: works, but a reader should know
    detail: str  #: what was found, and the remedy where one is needed
