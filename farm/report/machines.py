"""The machines of the farm, for the terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm import verdict
from farm.errors import InputError
from farm.report.numbers import UNKNOWN, label, number, span
from farm.store import MachineStatus

#: How a fact is written whose name ends so; the unit moves from the name to the value.
_UNITS: Mapping[str, Callable[[float], str]] = {
    "_bytes": lambda size: f"{number(size / 2**30)} GiB",
    "_hz": lambda clock: f"{clock / 1e6:.0f} MHz",
    "_w": lambda power: f"{number(power)} W",
}


def named(known: Sequence[MachineStatus], name: str) -> list[MachineStatus]:
    """The machines of that name; raises InputError where there is none."""
    found = [status for status in known if status.machine.name == name]
    if not found:
        names = ", ".join(dict.fromkeys(status.machine.name for status in known)) or "none: start `farm worker` on one"
        raise InputError(f"no machine {name!r}: there are {names}")
    return found


def table(known: Sequence[MachineStatus], now: datetime) -> RenderableType:
    """One row a machine."""
    if not known:
        return Text("no machine has joined yet: `farm worker` on it, or `farm run SWEEP.yaml` here, joins one")
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("machine", "hardware class"):
        out.add_column(heading, overflow="fold")
    for heading in ("last seen", "runs", "version"):
        out.add_column(heading, no_wrap=True)
    for status in known:
        out.add_row(_name(status), status.machine.hardware_class, _ago(status, now), _job(status), status.version)
    return out


def details(known: Sequence[MachineStatus], now: datetime) -> RenderableType:
    """Everything about each machine, one fact a line."""
    return Group(*(_details(status, now) for status in known))


def _details(status: MachineStatus, now: datetime) -> Table:
    out = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    out.add_column(no_wrap=True, style="dim")
    out.add_column(overflow="fold")
    facts = {
        "machine": f"{_name(status)}, id {status.machine.id}",
        "hardware class": status.machine.hardware_class,
        "last seen": _ago(status, now),
        "runs": _job(status),
        "wattfarm": status.version,
    }
    for name, value in (*facts.items(), *_flat(status.machine.hardware), *_probe(status)):
        out.add_row(name, value)
    return out


def _probe(status: MachineStatus) -> Iterator[tuple[str, str]]:
    probe = status.machine.probe
    if probe is not None:
        yield "probed", f"{probe.probed_at:%Y-%m-%d %H:%M} UTC"
        yield from ((check.name, check.detail) for check in verdict.findings(probe))


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as lines: `cpu model`, `cpu threads`, ..."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name} ")
        else:
            unit = next((unit for unit in _UNITS if name.endswith(unit)), None)
            shown = _UNITS[unit](value) if unit and isinstance(value, int | float) else label(value)
            yield f"{above}{name.removesuffix(unit or '')}".replace("_", " "), shown


def _name(status: MachineStatus) -> str:
    return status.machine.name + (" (simulated)" if status.machine.simulated else "")


def _ago(status: MachineStatus, now: datetime) -> str:
    return f"{span(max((now - status.last_seen_at).total_seconds(), 0))} ago"


def _job(status: MachineStatus) -> str:
    return status.running_job or UNKNOWN


def records(known: Sequence[MachineStatus]) -> list[dict[str, Any]]:
    """As plain records, hardware included."""
    return [
        {
            **status.machine.model_dump(mode="json"),
            "owner": status.owner,
            "version": status.version,
            "last_seen_at": status.last_seen_at.isoformat(),
            "running_job": status.running_job,
        }
        for status in known
    ]
