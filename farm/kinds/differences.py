"""What two sweeps differ in: their settings, the software of their trials, the hardware of their machines."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from farm.kinds import registry
from farm.model import Machine, SweepRecord
from farm.model.errors import InputError
from farm.model.reading import Unreadable, reading
from farm.report.document import Block, Column, Document, Form, Paragraph, Row, Table, paragraphs
from farm.report.numbers import label
from farm.spec import profile_settings, stopping_rule

#: The values of each setting or fact, by its path: several where trials or machines of one sweep differ.
Found = Mapping[str, Sequence[JsonValue]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sweeps, with what its trials ran on."""

    record: SweepRecord
    environments: Sequence[Mapping[str, JsonValue]]
    machines: Sequence[Machine]

    @property
    def parts(self) -> Mapping[str, Found]:
        """What is compared, by its title."""
        return {
            "settings": _gathered([_settings(self.record)]),
            "software": _gathered(self.environments),
            "machines": _gathered(
                {"name": machine.name, "hardware_class": machine.hardware_class, **machine.hardware}
                for machine in self.machines
            ),
        }


def differences(one: Side, other: Side) -> Document:
    """Return what two sweeps differ in, side by side; what they have in common is left out."""
    parts = {title: _apart(found, other.parts[title]) for title, found in one.parts.items()}
    without_trial = [side.record for side in (one, other) if not side.environments]
    if without_trial:
        parts = {"settings": parts["settings"]}
    sides = one.record, other.record
    has_one_name = one.record.name == other.record.name
    headings = [f"{side.name} {side.id}" if has_one_name else side.name for side in sides]
    blocks = [_block(title, found, headings) for title, found in parts.items()]
    record = {
        "sweeps": [{"sweep": side.id, "name": side.name} for side in sides],
        **{
            title: [{"name": path, "values": list(values)} for path, values in found.items()]
            for title, found in parts.items()
        },
    }
    blocks += paragraphs(
        f"{side.name} ({side.id}) has no trial yet: software and machines are unknown" for side in without_trial
    )
    return Document(blocks, record=record)


def _apart(found: Found, beside: Found) -> dict[str, tuple[Sequence[JsonValue] | None, Sequence[JsonValue] | None]]:
    """Return the values of both sides by the paths where they differ."""
    both = {path: (found.get(path), beside.get(path)) for path in dict.fromkeys([*found, *beside])}
    return {path: (one, other) for path, (one, other) in both.items() if _as_set(one) != _as_set(other)}


def _settings(record: SweepRecord) -> dict[str, JsonValue]:
    """Return all settings of a sweep, those that its file leaves out too."""
    try:
        sweep = registry.restored(record)
    except Unreadable:
        raise
    except InputError:  # it was imported, or its kind is not installed here
        with reading("sweep", record.id, record.name):
            meaning: dict[str, JsonValue] = json.loads(record.meaning)
            return meaning | {"kind": record.kind}
    return sweep.model_dump(mode="json", exclude={"name"}) | {
        "exclude": [{name: list(values) for name, values in rule.given.items()} for rule in sweep.exclude],
        "measure": profile_settings(sweep.measure).model_dump(mode="json"),
        "repetitions": stopping_rule(sweep).model_dump(mode="json"),
        "carbon": record.carbon.model_dump(mode="json"),
    }


def _gathered(several: Any) -> dict[str, list[JsonValue]]:
    """Return the different values of each path, in the order in which they come."""
    found: dict[str, list[JsonValue]] = defaultdict(list)
    for one in several:
        for path, value in _flat(one):
            if value not in found[path]:
                found[path].append(value)
    return dict(found)


def _flat(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield the values of nested mappings by their paths; a list of plain values is one value, an empty list none."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{place}]")
    elif value != []:
        yield path, value


def _as_set(values: Sequence[JsonValue] | None) -> set[str]:
    return {json.dumps(value) for value in values or ()}


def _block(title: str, found: Mapping[str, Any], headings: Sequence[str]) -> Block:
    if not found:
        return Paragraph(f"{title}: no difference")
    columns = [
        Column("name", title, Form.TEXT),
        *(Column(f"of_{n}", text, Form.TEXT) for n, text in enumerate(headings)),
    ]
    rows = [
        Row({"name": path, **{f"of_{n}": _written(values) for n, values in enumerate(both)}})
        for path, both in found.items()
    ]
    return Table(columns, rows, is_flat=True)


def _written(values: Sequence[Any] | None) -> str | None:
    """Return the values of one sweep; None where it has no such setting or fact."""
    if values is None:
        return None
    return " / ".join(", ".join(map(label, value)) if isinstance(value, list) else label(value) for value in values)
