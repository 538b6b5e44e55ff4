"""Machines: what identifies one, what its meters can do, who holds a lease on it, and which messages it gets."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, Field, JsonValue

from farm.model.bounds import Facts, Name, Notes
from farm.model.conditions import Condition, is_capability, read
from farm.model.words import Frozen


class Probe(Frozen):
    """The properties of a machine's meters, as its probe found them; unknown is None."""

    version: Literal[1] = 1
    probed_at: AwareDatetime
    sensor: Literal["instant", "smoothed"] | None = None  #: the source of the GPU's power: NVML's field 186, or a mean
    sensor_update_period_s: float | None = None  #: the time between two values that the sensor publishes
    averaging_window_s: float | None = None  #: the time over which each of these values is a mean
    counter_update_period_s: float | None = None  #: the time between two values of the GPU's energy counter
    counter_update_period_u_s: float | None = None  #: the standard uncertainty of that period
    counter_update_jitter_s: float | None = None  #: the mean difference in lateness between two updates
    counter_over_power_idle: float | None = None  #: counted joules / integrated power, both read often, idle
    counter_over_power_load: float | None = None  #: the same under a steady load
    counter_trusted: bool | None = None  #: whether counter and power agree under load
    rapl_update_period_s: float | None = None  #: the time between two values of the CPU packages' energy counters
    notes: Notes = ()  #: why a property is unknown

    @property
    def counter_steady_when_polled(self) -> bool:
        """Whether the counter may be polled: the probe read it every 2 ms, and it agreed with power under load."""
        return self.counter_trusted is True


class Machine(Frozen):
    """A machine and its hardware, as its worker registers it."""

    id: Name  #: hash of name and hardware
    name: Name
    hardware_class: Name  #: machines of one class are interchangeable in a comparison
    hardware: Facts
    software: Facts = Field(default_factory=dict)  #: see `farm.model.software`; empty: unknown
    abilities: Facts = Field(default_factory=dict)  #: what its worker can run: `gpus`, `models`, ...
    simulated: bool = False
    probe: Probe | None = None

    @property
    def queues(self) -> tuple[str, ...]:
        """The broker's queues that the machine serves."""
        return tuple(queue_for(target) for target in ("any", f"hw:{self.hardware_class}", f"machine:{self.name}"))

    @property
    def facts(self) -> dict[str, JsonValue]:
        """The facts that conditions are about."""
        own: dict[str, JsonValue] = {"name": self.name, "class": self.hardware_class}
        return {**self.hardware, "machine": own, "worker": self.abilities}

    def takes(self, queue: str) -> bool:
        """Return whether jobs of a queue may run here: one that the machine serves, or a capability that it has."""
        return not self.lacks(queue) if is_capability(queue) else queue in self.queues

    def lacks(self, queue: str) -> tuple[Condition, ...]:
        """Return the conditions of a capability that the machine does not meet; other queues have none."""
        return read(queue).unmet(self.facts) if is_capability(queue) else ()


_OWNER = re.compile(r"(.*)/([1-9][0-9]{0,9})/([^/]*)")


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds a lease; the boot id distinguishes equal pids before and after a reboot."""

    host: str
    pid: int
    boot_id: str

    @classmethod
    def of_process(cls, pid: int | None = None) -> Self:
        """Return the identity of a process of this machine, by default this one."""
        try:
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            boot_id = "unknown"
        return cls(host=socket.gethostname(), pid=pid or os.getpid(), boot_id=boot_id)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the owner that was written as this text; None where it is of another form, as a rogue writes it."""
        found = _OWNER.fullmatch(text)
        return cls(host=found[1], pid=int(found[2]), boot_id=found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.boot_id}"


class Heartbeat(Frozen):
    """The store's answer to a worker's heartbeat."""

    held: bool  #: False: the lease was lost to another attempt
    cancel: bool  #: a user wants the job stopped


class JobMessage(Frozen):
    """A message on the broker: a job that waits, and its number of attempts when the message was sent."""

    job: str
    attempt: int
    queue: str
    priority: int = 5


#: A machine's name must fit this pattern, so that sweeps can name it as a target.
MACHINE_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"


def queue_for(target: str) -> str:
    """Return the broker's queue for a target: any, hw:CLASS or machine:NAME."""
    return ".".join(["farm", *(re.sub(r"[^A-Za-z0-9._-]", "-", part) for part in target.split(":", 1))])


class Check(Frozen):
    """One finding of `farm doctor`."""

    name: str
    state: Literal["ok", "note", "bad"]  #: note: it works with a limitation
    detail: str  #: the finding, and the remedy where one is needed
