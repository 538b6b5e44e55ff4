"""The machines of the farm, for the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from farm.report.numbers import UNKNOWN, span
from farm.store import MachineStatus


def table(known: Sequence[MachineStatus]) -> Table:
    """One row a machine."""
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("machine", "hardware", "last seen", "runs", "version"):
        out.add_column(heading, overflow="fold")
    for status in known:
        ago = (datetime.now(UTC) - status.last_seen_at).total_seconds()
        mark = " (simulated)" if status.machine.simulated else ""
        out.add_row(
            status.machine.name + mark,
            status.machine.hardware_class,
            f"{span(max(ago, 0))} ago",
            status.running_job or UNKNOWN,
            status.version,
        )
    return out


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
