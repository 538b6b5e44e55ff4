"""A simulated machine in virtual time: a board, the load on it, what its driver refuses, and a powercap tree.

Faults are values with an `apply`: the physics process receives them from the test that injects them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from farm.model import Domain
from workers.simulator.loads import IDLE, Load
from workers.simulator.physics import Board, Reasons, Throttle
from workers.simulator.powercap import Powercap

#: Every question about the device, as a refusal's function.
EVERYTHING = "*"
#: NVML's numbers of the errors that a fault brings.
NOT_SUPPORTED, FUNCTION_NOT_FOUND, GPU_IS_LOST = 3, 13, 15


@dataclass(frozen=True, slots=True)
class Truth:
    """The true energies that were consumed up to a moment."""

    at_ns: int
    gpu_j: float
    cpu_j: float
    dram_j: float


@dataclass(slots=True)
class World:
    """A simulated machine."""

    board: Board
    load: Load = IDLE
    powercap: Powercap | None = None
    foreign: dict[int, float] = field(default_factory=dict)  #: load of processes that are not ours, by pid
    refusals: dict[str, int] = field(default_factory=dict)  #: NVML's error by function

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that hold a context on the board."""
        return *self.load.pids, *self.foreign

    def advance_to(self, now_ns: int) -> Iterator[Truth]:
        """Let time pass; yields the truth after each stretch of constant load."""
        for end_ns, level in self.load.until(self.board.now_ns, now_ns):
            self.board.context_held = bool(self.pids)
            duration_s = (end_ns - self.board.now_ns) / 1e9
            self.board.advance_to(end_ns, min(level + sum(self.foreign.values()), 1.0))
            if self.powercap is not None:
                self.powercap.advance(duration_s, level)
            yield self.truth()

    def truth(self) -> Truth:
        """Return the energy that was consumed so far."""
        counted = self.powercap.true_energy_j if self.powercap is not None else {}
        return Truth(
            self.board.now_ns, self.board.true_energy_j, counted.get(Domain.CPU, 0.0), counted.get(Domain.DRAM, 0.0)
        )


class Fault(Protocol):
    """An event that happens to the machine."""

    def apply(self, world: World) -> None:
        """Apply the fault now."""
        ...


@dataclass(frozen=True, slots=True)
class Refuse:
    """A function of NVML returns an error from now on; error 0 ends that.

    `function` may be `EVERYTHING`, or "field 186" for one value of nvmlDeviceGetFieldValues.
    """

    function: str
    error: int = NOT_SUPPORTED

    def apply(self, world: World) -> None:
        if self.error:
            world.refusals[self.function] = self.error
        else:
            world.refusals.pop(self.function, None)


#: Every question about the device fails.
GPU_LOST = Refuse(EVERYTHING, GPU_IS_LOST)
#: A board older than Volta.
NO_COUNTER = Refuse("nvmlDeviceGetTotalEnergyConsumption")


@dataclass(frozen=True, slots=True)
class ResetDriver:
    """The driver is loaded anew: the energy counter starts at 0."""

    def apply(self, world: World) -> None:
        world.board.reset_driver()


@dataclass(frozen=True, slots=True)
class FreezeCounter:
    """The published energy counter stands still, or is published again."""

    frozen: bool = True

    def apply(self, world: World) -> None:
        world.board.counter_frozen = self.frozen


@dataclass(frozen=True, slots=True)
class Slow:
    """The clock is lowered for these reasons; without reasons it is free again."""

    reasons: Reasons = Reasons.NONE
    clock_share: float = 1.0

    def apply(self, world: World) -> None:
        world.board.throttle = Throttle(self.reasons, self.clock_share)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A process that is not ours holds a context and makes this load; load None ends it."""

    pid: int
    load: float | None = 0.0

    def apply(self, world: World) -> None:
        if self.load is None:
            world.foreign.pop(self.pid, None)
        else:
            world.foreign[self.pid] = self.load


@dataclass(frozen=True, slots=True)
class Drift:
    """The board draws additional power at any load."""

    extra_w: float

    def apply(self, world: World) -> None:
        world.board.extra_w = self.extra_w


@dataclass(frozen=True, slots=True)
class Follow:
    """The load comes from elsewhere from now on. Not a fault, but it happens to the machine too."""

    load: Load

    def apply(self, world: World) -> None:
        world.load = self.load
