"""How sure the farm is of each point, and which are still open: for `farm status SWEEP`."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.samples import per_unit
from farm.analysis.stopping import PointStatus, statuses
from farm.model import StoppingRule, SweepRecord
from farm.report.grids import KEY_HEADINGS
from farm.report.numbers import UNKNOWN, label
from farm.store import Store


def status(store: Store, sweep: SweepRecord) -> list[PointStatus]:
    """Of each point of a sweep whose repetitions are decided as it goes; none where their number is fixed."""
    if sweep.rule.is_fixed:
        return []
    found = per_unit(store.samples([sweep.id]))
    return statuses([job.spec for job in store.jobs(sweep.id)], found, sweep.rule)


def below(view: RenderableType, points: Sequence[PointStatus], rule: StoppingRule) -> RenderableType:
    """Below a sweep's status: which points are open and why, and what stopping early saves."""
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    names = _names(points)
    for heading in (*(KEY_HEADINGS.get(name, name) for name in names), "target", "valid", "planned", "net ±", ""):
        out.add_column(heading, overflow="fold")
    for s in points:
        cells = (*(label(s.point.get(name)) for name in names), s.spec.target)
        out.add_row(*cells, str(s.valid), str(s.planned), _width(s), _verdict(s, rule))
    planned, fixed = sum(s.planned for s in points), rule.max * len(points)
    saved = f"{planned} trials so far, where a fixed {rule.max} repetitions would take {fixed}."
    return Group(view, Text(), out, Text(saved))


def records(points: Sequence[PointStatus]) -> list[dict[str, Any]]:
    """As plain records."""
    return [
        {
            "point": s.point,
            "target": s.spec.target,
            "valid": s.valid,
            "planned": s.planned,
            "half_width": s.interval.relative if s.interval else None,
            "open": s.is_open,
        }
        for s in points
    ]


def _names(points: Sequence[PointStatus]) -> list[str]:
    """Model and batch size, and what else tells the points apart."""
    levels = {name: {s.point.get(name) for s in points} for s in points for name in s.point}
    varied = (name for name, values in levels.items() if len(values) > 1)
    return list(dict.fromkeys(("model", "batch_size", *varied)))


def _width(s: PointStatus) -> str:
    relative = s.interval.relative if s.interval else None
    return UNKNOWN if relative is None else f"{relative:.1%}"


def _verdict(s: PointStatus, rule: StoppingRule) -> str:
    if s.is_open:
        return f"open: over {rule.target:.1%}" if s.valid >= rule.min else f"open: fewer than {rule.min} valid"
    relative = s.interval.relative if s.interval else None
    return "sure" if relative is not None and relative <= rule.target else f"given up after {rule.max}"
