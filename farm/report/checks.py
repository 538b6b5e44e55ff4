"""The findings of `farm doctor`, for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from farm.model import Check

_MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


def table(checks: Sequence[Check]) -> Table:
    """One row a finding."""
    out = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for check in checks:
        out.add_row(_MARKS[check.state], check.name, check.detail)
    return out


def records(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """As plain records."""
    return [check.model_dump(mode="json") for check in checks]


def missing_worker(module: str | None) -> list[Check]:
    """The finding of a controller that cannot measure itself."""
    detail = f"no {module} here: this machine can control but not measure; pip install 'wattfarm[worker]' to measure"
    return [Check(name="measuring", state="note", detail=detail)]
