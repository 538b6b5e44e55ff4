"""The findings of `farm doctor`, for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from farm.model import Check

_STYLES = {"ok": "green", "note": "yellow", "bad": "red"}


def table(checks: Sequence[Check]) -> Table:
    """One row a finding."""
    out = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    out.add_column(no_wrap=True)
    out.add_column(no_wrap=True)
    out.add_column(overflow="fold")
    for check in checks:
        out.add_row(Text(check.state, _STYLES[check.state]), check.name, check.detail)
    return out


def records(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """As plain records."""
    return [check.model_dump(mode="json") for check in checks]
