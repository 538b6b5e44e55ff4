"""Routing: the machines that a target reaches, and why its jobs wait where no machine takes them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from farm.model import Machine, MachineState, MachineStatus, queue_for
from farm.model.suggestions import suggestion
from farm.spec.capability import is_capability, parse
from farm.store import PRESENT_S

#: Machines that a sentence names.
NAMED = 3
_INACTIVE = {MachineState.PAUSED: "paused", MachineState.DRAINING: "drained"}


def own_queue(machine: Machine) -> str:
    """Return the broker's queue that only this machine consumes."""
    return queue_for(f"machine:{machine.name}")


def fits(target: str, machine: Machine) -> bool:
    """Return whether a machine may run jobs for a target."""
    if is_capability(target):
        return parse(target).fits(machine.hardware)
    return queue_for(target) in machine.queues


def notes(targets: Sequence[str], known: Sequence[MachineStatus], now: datetime) -> Iterator[str]:
    """Yield a line for each target that no machine takes jobs for: the reason, and what its jobs wait for."""
    for target in targets:
        found = _obstacle(target, known, now)
        if found is not None:
            yield "{}: its jobs wait until {}".format(*found)


def waiting(jobs: Mapping[str, int], known: Sequence[MachineStatus], now: datetime) -> Iterator[str]:
    """Yield a line for each target whose waiting jobs no machine takes: how many jobs, and the reason."""
    for target, number in sorted(jobs.items()):
        found = _obstacle(target, known, now)
        if found is not None:
            yield f"{number} job{' waits' if number == 1 else 's wait'}: {found[0]}"


def _obstacle(target: str, known: Sequence[MachineStatus], now: datetime) -> tuple[str, str] | None:
    """Return why no machine takes jobs for a target, and until when; None where a machine takes them."""
    place, _, name = target.partition(":")
    fitting = [status for status in _latest(known) if fits(target, status.machine)]
    absent = {status.machine.name: why for status in fitting if (why := _absence(status, target, now))}
    if len(absent) < len(fitting) or (target == "any" and not fitting):  # any worker may join a new farm
        return None
    if place == "machine" and not fitting:
        likely = suggestion(name, {status.machine.name: status.machine.name for status in known})
        return f"no machine {name!r} is registered{likely}", "a `farm worker` of that name starts"
    if place == "machine":
        return f"{name} {absent[name]}", _remedy(name, fitting[0].wanted_state)
    kind = {"any": "machine", "hw": f"machine of class {name!r}"}.get(place, f"machine with {target}")
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
