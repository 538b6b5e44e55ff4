"""The uncertainty of each point, and the points that need more repetitions; for `farm status SWEEP`."""

from collections.abc import Sequence
from typing import Any

from farm.analysis.samples import per_unit
from farm.analysis.stopping import PointStatus, statuses
from farm.model import StoppingRule, SweepRecord
from farm.report.document import Block, Column, Form, Note, Paragraph, Row, Table, key
from farm.store import Store

ENOUGH = "enough"
_ENOUGH = (
    "enough: the spread that the points of the sweep have in common gives the target with so many trials, or what is "
    "left is an error that all trials share."
)


def points(store: Store, sweep: SweepRecord) -> list[PointStatus]:
    """Return the state of each point of a sweep; empty where the number of repetitions is fixed."""
    if sweep.rule.is_fixed:
        return []
    found = per_unit(store.samples([sweep.id]))
    return statuses(store.repetitions(sweep.id), found, sweep.rule)


def blocks(found: Sequence[PointStatus], rule: StoppingRule) -> list[Block]:
    """Show which points need more repetitions and why, and how many trials the stopping rule saves."""
    names = _names(found)
    columns = [
        *(key(name) for name in names),
        key("target"),
        Column("valid", "valid", Form.COUNT),
        Column("planned", "planned", Form.COUNT),
        Column("half_width", "net ±", Form.TEXT),
        Column("state", "", Form.TEXT),
    ]
    rows = [
        Row(
            {name: s.point.get(name) for name in names}
            | {"target": s.last.target, "valid": s.valid, "planned": s.planned}
            | {"half_width": _share(s), "state": _state(s, rule)}
        )
        for s in found
    ]
    planned, fixed = sum(s.planned for s in found), rule.max * len(found)
    saved = f"{planned} trials planned so far, where a fixed {rule.max} repetitions would take {fixed}."
    shown: list[Block] = [Table(columns, rows, is_flat=True), Paragraph(saved)]
    if any(_state(s, rule) == ENOUGH for s in found):
        shown.append(Note(_ENOUGH))
    return shown


def records(found: Sequence[PointStatus]) -> list[dict[str, Any]]:
    """Return the states of points as plain records."""
    return [
        {
            "point": s.point,
            "target": s.last.target,
            "valid": s.valid,
            "planned": s.planned,
            "half_width": _relative(s),
            "open": s.is_open,
        }
        for s in found
    ]


def _names(found: Sequence[PointStatus]) -> list[str]:
    """List model, batch size, and the other factors in which the points differ."""
    levels = {name: {s.point.get(name) for s in found} for s in found for name in s.point}
    first = [name for name in ("model", "batch_size") if name in levels]
    return list(dict.fromkeys((*first, *(name for name, values in levels.items() if len(values) > 1))))


def _relative(s: PointStatus) -> float | None:
    return s.interval.relative if s.interval else None


def _share(s: PointStatus) -> str | None:
    relative = _relative(s)
    return None if relative is None else f"{relative:.1%}"


def _state(s: PointStatus, rule: StoppingRule) -> str:
    if s.is_open:
        return f"open: over {rule.target:.1%}" if s.valid >= rule.min else f"open: fewer than {rule.min} valid"
    relative = _relative(s)
    if relative is not None and relative <= rule.target:
        return "sure"
    return f"given up after {rule.max}" if s.planned >= rule.max else ENOUGH
