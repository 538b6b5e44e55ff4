"""Facts as names and values: nested facts, such as the hardware of a machine, and the record of a trial."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

from farm.model import TrialRow
from farm.report.numbers import label, number

#: Functions that write facts, by the end of their names; the unit moves from the name to the value.
_UNITS: Mapping[str, Callable[[float], str]] = {
    "_bytes": lambda size: f"{number(size / 2**30)} GiB",
    "_hz": lambda clock: f"{clock / 1e6:.0f} MHz",
    "_w": lambda power: f"{number(power)} W",
}


_LEFT_OUT = frozenset({"epochs", "asked", "block"})


def flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield a name such as `cpu model` and a text for each fact."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name} ")
        else:
            unit = next((unit for unit in _UNITS if name.endswith(unit)), None)
            shown = _UNITS[unit](value) if unit and isinstance(value, int | float) else label(value)
            yield f"{above}{name.removesuffix(unit or '')}".replace("_", " "), shown


def trial_record(row: TrialRow) -> dict[str, Any]:
    """Return a trial as a record for JSON, without its epochs."""
    kept = {field.name: getattr(row, field.name) for field in fields(TrialRow) if field.name not in _LEFT_OUT}
    times = {
        name: value.isoformat() if (value := kept[name]) else None for name in ("started_at_utc", "finished_at_utc")
    }
    failure = row.failure.model_dump(mode="json") if row.failure else None
    return kept | times | {"carbon": asdict(row.carbon), "failure": failure}
