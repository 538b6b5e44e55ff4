"""The machines of the farm; for `farm machines`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from farm import __version__
from farm.kinds.points import point
from farm.model import Condition, MachineState, MachineStatus, RunningJob, verdict
from farm.model.durations import span
from farm.model.errors import InputError
from farm.report.document import Column, Document, Facts, Form, Note, Paragraph, Row, Table
from farm.report.facts import flat
from farm.report.numbers import UNKNOWN, number, several
from farm.scheduling.status.progress import doing
from farm.store import Store
from farm.store.operations import RECENT

SHORT_STATES: Mapping[MachineState, str] = {MachineState.PAUSED: "paused", MachineState.DRAINING: "draining"}
_STATES: Mapping[MachineState, str] = {
    MachineState.ACTIVE: "active, takes jobs",
    MachineState.PAUSED: "paused, takes no new job: `farm resume {name}` ends that",
    MachineState.DRAINING: "draining, takes no new job and leaves: `farm resume {name}` ends that",
}


@dataclass(frozen=True, slots=True)
class ObservedMachine:
    """A machine at one moment."""

    status: MachineStatus
    condition: Condition
    now: datetime
    silent_s: float  #: a machine without a heartbeat for longer is silent

    def since_s(self, at: datetime) -> float:
        """Return the seconds since a moment; at least 0, because two clocks may disagree."""
        return max((self.now - at).total_seconds(), 0.0)

    @property
    def unseen_s(self) -> float:
        """The seconds since the worker's last heartbeat."""
        return self.since_s(self.status.last_seen_at)

    @property
    def is_silent(self) -> bool:
        """Whether the worker has exited, or cannot reach the database."""
        return self.unseen_s > self.silent_s

    @property
    def unfit(self) -> str | None:
        """Why its worker takes no job, as far as that is known now."""
        return None if self.is_silent else self.status.live.unfit

    @property
    def differs(self) -> bool:
        """Whether the worker has another version than this program."""
        return self.status.version != __version__

    @property
    def runs_s(self) -> float:
        """The seconds since the running job started; 0 without one."""
        return self.since_s(self.condition.running.since) if self.condition.running else 0.0

    @property
    def flagged(self) -> float | None:
        """The share of the last trials that carry a flag; None without trials."""
        return self.condition.flagged / self.condition.trials if self.condition.trials else None


def look(store: Store, silent_s: float, now: datetime) -> list[ObservedMachine]:
    """Read the machines of the farm, by name."""
    conditions = store.conditions()
    known = (status for status in store.machines() if status.machine.id in conditions)
    return [ObservedMachine(status, conditions[status.machine.id], now, silent_s) for status in known]


def named(known: Sequence[ObservedMachine], name: str) -> list[ObservedMachine]:
    """Return the machines of a name; raises InputError where there is none."""
    found = [seen for seen in known if seen.status.machine.name == name]
    if not found:
        names = ", ".join(dict.fromkeys(seen.status.machine.name for seen in known))
        raise InputError(f"no machine {name!r}: there are {names or 'none: start `farm worker` on one'}")
    return found


def overview(seen: Sequence[ObservedMachine]) -> Document:
    """Show one row for each machine."""
    if not seen:
        text = "no machine has joined yet: `farm worker` on it, or `farm run SWEEP.yaml` here, joins one"
        return Document([Paragraph(text)], record=[])
    columns = [
        Column("machine", "machine", Form.TEXT),
        Column("hardware_class", "hardware class", Form.TEXT),
        Column("last_seen", "last seen", Form.TEXT),
        Column("temperature_c", "°C", Form.COUNT),
        Column("flagged", "flags", Form.PERCENT),
        Column("does", "does", Form.TEXT),
    ]
    rows = [
        Row(
            {
                "machine": _name(machine.status),
                "hardware_class": machine.status.machine.hardware_class,
                "last_seen": f"{_roughly(machine.unseen_s)} ago",
                "temperature_c": round(temperature.celsius) if (temperature := machine.condition.temperature) else None,
                "flagged": machine.flagged,
                "does": "; ".join(_doing(machine)),
            }
        )
        for machine in seen
    ]
    note = f"flags: share of its last {RECENT} trials that carry one; `farm machines NAME` shows all of a machine"
    unfit = [Note(f"{m.status.machine.name} is unfit: {m.unfit}") for m in seen if m.unfit]
    return Document([Table(columns, rows), *unfit, Note(note)], record=records(seen))


def details(seen: Sequence[ObservedMachine]) -> Document:
    """Show all facts about each machine, one on each line."""
    return Document([Facts(_details(machine)) for machine in seen], record=records(seen))


def _details(machine: ObservedMachine) -> list[tuple[str, str]]:
    status = machine.status
    facts = {
        "machine": f"{_name(status)}, id {status.machine.id}",
        "hardware class": status.machine.hardware_class,
        "last seen": f"{span(machine.unseen_s)} ago{': silent' if machine.is_silent else ''}",
        "state": _STATES[status.wanted_state].format(name=status.machine.name),
        "runs": _running_in_full(machine),
        "temperature": _temperature(machine),
        **_record(machine),
        "spool": f"{several(status.spooled, 'report')} on its disk",
        "refused": f"{several(status.rejected, 'message')} since it started",
        "wattfarm": status.version + (f", but {__version__} here" if machine.differs else ""),
    }
    able = {
        name: ", ".join(map(str, value)) or None if isinstance(value, list) else value
        for name, value in status.machine.abilities.items()
    }
    live = [("unfit", machine.unfit)] if machine.unfit else []
    notes = () if machine.is_silent else (*live, *(("note", note) for note in status.live.notes))
    return [*facts.items(), *notes, *flat(status.machine.hardware), *flat({"worker": able}), *_probe(status)]


def _doing(machine: ObservedMachine) -> Iterator[str]:
    """Yield the machine's state in short phrases, the most serious first."""
    status = machine.status
    if machine.is_silent:
        yield "silent"
    if status.wanted_state != MachineState.ACTIVE:
        yield SHORT_STATES[status.wanted_state]
    if machine.unfit:
        yield "unfit, takes no job"
    if machine.condition.running:
        live = machine.condition.running.live
        does = f": {doing(live, machine.now)}" if live else f", for {span(machine.runs_s)}"
        yield f"{point(machine.condition.running.point)}{does}"
    elif status.wanted_state == MachineState.ACTIVE and not machine.is_silent and not status.live.unfit:
        yield "idle"
    if status.spooled:
        yield f"{several(status.spooled, 'report')} in its spool"
    if status.rejected:
        yield f"{several(status.rejected, 'message')} refused"
    if machine.differs:
        yield f"version {status.version}, here {__version__}"


def _running_in_full(machine: ObservedMachine) -> str:
    job = machine.condition.running
    if job is None:
        return UNKNOWN
    work = f"{point(job.point)}, repetition {job.repetition + 1}, of {job.sweep_name} ({job.sweep})"
    does = f"{doing(job.live, machine.now)}; " if job.live else ""
    return f"{work}, for {span(machine.runs_s)}: {does}trial {job.job}.{job.attempt}"


def _temperature(machine: ObservedMachine) -> str:
    seen = machine.condition.temperature
    if seen is None:
        return f"{UNKNOWN} (no measurement of its last trials has one)"
    return f"{number(seen.celsius)} °C ({seen.domain}), measured {span(machine.since_s(seen.at))} ago"


def _record(machine: ObservedMachine) -> dict[str, str]:
    """Count flags and failures in the machine's last trials."""
    condition = machine.condition
    if not condition.trials:
        return {"trials": "none yet"}
    flags = "".join(f", {flag} {count}" for flag, count in condition.flags.items())
    return {
        "flags": f"{condition.flagged} of its last {several(condition.trials, 'trial')}{flags}",
        "failed": f"{condition.failed} of them",
    }


def _probe(status: MachineStatus) -> Iterator[tuple[str, str]]:
    probe = status.machine.probe
    if probe is not None:
        yield "probed", f"{probe.probed_at:%Y-%m-%d %H:%M} UTC"
        yield from ((check.name, check.detail) for check in verdict.findings(probe))


def _name(status: MachineStatus) -> str:
    return status.machine.name + (" (simulated)" if status.machine.simulated else "")


def _roughly(seconds: float) -> str:
    """Format a duration in one unit."""
    return " ".join(span(seconds).split()[:2])


def records(seen: Sequence[ObservedMachine]) -> list[dict[str, Any]]:
    """Return the machines as plain records, with their hardware."""
    return [
        {
            **machine.status.machine.model_dump(mode="json"),
            "owner": machine.status.owner,
            "version": machine.status.version,
            "controller_version": __version__,
            "last_seen_at": machine.status.last_seen_at.isoformat(),
            "silent": machine.is_silent,
            "wanted_state": machine.status.wanted_state,
            "unfit": machine.unfit,
            "spooled": machine.status.spooled,
            "rejected": machine.status.rejected,
            "running_job": machine.status.running_job,
            "running": _running_record(machine.condition.running),
            "temperature": _temperature_record(machine),
            "recent_trials": {
                "trials": machine.condition.trials,
                "failed": machine.condition.failed,
                "flagged": machine.condition.flagged,
                "flags": machine.condition.flags,
            },
        }
        for machine in seen
    ]


def _running_record(job: RunningJob | None) -> dict[str, Any] | None:
    if job is None:
        return None
    live = job.live.model_dump(mode="json") if job.live else None
    return asdict(job) | {"since": job.since.isoformat(), "live": live}


def _temperature_record(machine: ObservedMachine) -> dict[str, Any] | None:
    found = machine.condition.temperature
    return asdict(found) | {"at": found.at.isoformat(), "age_s": machine.since_s(found.at)} if found else None
