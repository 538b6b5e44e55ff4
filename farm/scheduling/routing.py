"""Routing: the machines that a target reaches, and why its jobs wait where no machine takes them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from farm.model import Machine, MachineState, MachineStatus, queue_for
from farm.model.catalog import package_of
from farm.model.conditions import Condition, is_capability, read
from farm.model.suggestions import suggestion
from farm.report.numbers import several
from farm.spec.capability import queue_of
from farm.store import PRESENT_S

#: Machines that a sentence names.
NAMED = 3
_INACTIVE = {MachineState.PAUSED: "paused", MachineState.DRAINING: "drained"}


def own_queue(machine: Machine) -> str:
    """Return the broker's queue that only this machine consumes."""
    return queue_for(f"machine:{machine.name}")


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """What jobs wait for: a target, and what their points need of a machine there."""

    target: str
    capability: str = ""  #: what a machine must have, with what the target says of it; empty: any machine of the target

    @classmethod
    def of(cls, target: str, queue: str) -> "Route":
        """Return the route of a job from its target and its queue."""
        return cls(target, queue if is_capability(queue) else "")

    @property
    def queue(self) -> str:
        """The queue of the jobs."""
        return self.capability or queue_of(self.target)

    @property
    def needs(self) -> tuple[Condition, ...]:
        """What the points need, besides what the target says."""
        own = {"machine.name", "machine.class"} if ":" in self.target else set[str]()
        said = read(self.target).conditions if is_capability(self.target) else ()
        conditions = read(self.capability).conditions if self.capability else ()
        return tuple(one for one in conditions if one not in said and one.path not in own)

    def __str__(self) -> str:
        return f"{self.target}, {_phrases(self.needs)}" if self.needs else self.target

    def fits(self, machine: Machine) -> bool:
        """Return whether a machine may run the jobs."""
        return machine.takes(self.queue)


def notes(jobs: Mapping[Route, int], known: Sequence[MachineStatus], now: datetime) -> Iterator[str]:
    """Yield a line for each route that no machine takes jobs of: the reason, and what they wait for."""
    for route, number in jobs.items():
        if lack := _lack(route, known):
            yield f"{_wait(number)} for {lack}"
        elif found := _obstacle(route, known, now):
            yield "{}: its jobs wait until {}".format(*found)


def waiting(jobs: Mapping[Route, int], known: Sequence[MachineStatus], now: datetime) -> Iterator[str]:
    """Yield a line for each route whose waiting jobs no machine takes: how many jobs, and the reason."""
    for route, number in sorted(jobs.items()):
        if lack := _lack(route, known):
            yield f"{_wait(number)} for {lack}"
        elif found := _obstacle(route, known, now):
            yield f"{_wait(number)}: {found[0]}"


def _wait(jobs: int) -> str:
    return f"{several(jobs, 'job')} wait{'s' if jobs == 1 else ''}"


def _lack(route: Route, known: Sequence[MachineStatus]) -> str | None:
    """Return what the points of a route need and no known machine of its target has; None where one has it."""
    of_target = [status.machine for status in _latest(known) if Route(route.target).fits(status.machine)]
    if not of_target or any(route.fits(machine) for machine in of_target):
        return None
    place, _, name = route.target.partition(":")
    is_gpu = [str(need) for need in route.needs] == ["worker.gpus >= 1"]
    if len(of_target) == 1:
        why = f"{of_target[0].name} {'has none' if is_gpu else 'does not fit'}"
    else:
        why = f"none of {len(of_target)} {'has one' if is_gpu else 'fits'}"
    where = name if place == "machine" else f"a {_kind(route.target)}"
    return ": ".join([f"{where} {_phrases(route.needs)}", why, *filter(None, map(_remedy_of, route.needs))])


def _phrases(needs: Iterable[Condition]) -> str:
    """Describe what points need of a machine: `with a GPU`, `that may load nets:TinyNet`."""
    return " and ".join(_phrase(need) for need in needs)


def _phrase(need: Condition) -> str:
    match need.path, need.value:
        case "worker.gpus", float(number):
            return "with a GPU" if number <= 1 else f"with {number:g} GPUs"
        case "worker.models", model:
            return f"that may load {model}"
        case "worker.workloads", workload:
            return f"with the workload {workload}"
        case "worker.extras", extra:
            return f"with the extra {extra}"
    return f"with {need}"


def _remedy_of(need: Condition) -> str | None:
    match need.path, need.value:
        case "worker.models", str(model):
            return f"`farm worker --allow-models '{package_of(model)}.*'` allows it"
        case "worker.workloads", _:
            return "install the package that brings it"
        case "worker.extras", extra:
            return f"`pip install 'wattfarm[{extra}]'` there"
    return None


def _kind(target: str) -> str:
    """Describe a machine of a target."""
    place, _, name = target.partition(":")
    return {"any": "machine", "hw": f"machine of class {name!r}"}.get(place, f"machine with {target}")


def _obstacle(route: Route, known: Sequence[MachineStatus], now: datetime) -> tuple[str, str] | None:
    """Return why no machine takes jobs of a route, and until when; None where a machine takes them."""
    target = route.target
    place, _, name = target.partition(":")
    fitting = [status for status in _latest(known) if route.fits(status.machine)]
    absent = {status.machine.name: why for status in fitting if (why := _absence(status, target, now))}
    if len(absent) < len(fitting) or (target == "any" and not fitting):  # any worker may join a new farm
        return None
    if place == "machine" and not fitting:
        likely = suggestion(name, {status.machine.name: status.machine.name for status in known})
        return f"no machine {name!r} is registered{likely}", "a `farm worker` of that name starts"
    if place == "machine":
        return f"{name} {absent[name]}", _remedy(name, fitting[0].wanted_state)
    kind = " ".join([_kind(target), *([_phrases(route.needs)] if route.needs else [])])
    if not fitting:
        return f"no {kind} is registered", "one joins"
    named = [f"{name} {why}" for name, why in absent.items()]
    others = [f"{len(named) - NAMED} more"] if len(named) > NAMED else []
    return f"no {kind} is at work ({', '.join(named[:NAMED] + others)})", "one is"


def _latest(known: Sequence[MachineStatus]) -> list[MachineStatus]:
    """Return one machine of each name, the one that was seen last: its hardware may have changed."""
    latest = {s.machine.name: s for s in sorted(known, key=lambda s: s.last_seen_at)}
    return [latest[name] for name in sorted(latest)]


def _absence(status: MachineStatus, target: str, now: datetime) -> str | None:
    if status.wanted_state in _INACTIVE:
        return f"is {_INACTIVE[status.wanted_state]}"
    if target == "any" or now - status.last_seen_at <= timedelta(seconds=PRESENT_S):
        return None
    return f"was last seen {status.last_seen_at:%Y-%m-%d %H:%M} UTC"


def _remedy(name: str, wanted_state: MachineState) -> str:
    return f"`farm resume {name}`" if wanted_state in _INACTIVE else "its `farm worker` starts again"
