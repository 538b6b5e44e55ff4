"""What a benchmark says, and the one table that shows it."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

STYLES = {"met": "green", "not met": "bold red", "not measured": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure, and the bound it has to keep where it has one."""

    what: str
    value: float | None  #: None: not measured, and `how` says why
    unit: str = ""
    digits: int = 2
    at_least: float | None = None
    at_most: float | None = None
    how: str  #: how it was obtained

    @property
    def measured(self) -> str:
        """The value as a reader sees it."""
        return "–" if self.value is None else self._shown(self.value)

    @property
    def required(self) -> str:
        """The bound as a reader sees it."""
        if self.at_least is not None:
            return f"≥ {self._shown(self.at_least)}"
        return "" if self.at_most is None else f"≤ {self._shown(self.at_most)}"

    @property
    def verdict(self) -> str:
        """`met`, `not met` or `not measured`; empty where nothing is required."""
        if self.value is None:
            return "not measured"
        if self.at_least is None and self.at_most is None:
            return ""
        is_low = self.at_least is not None and self.value < self.at_least
        is_high = self.at_most is not None and self.value > self.at_most
        return "not met" if is_low or is_high else "met"

    def _shown(self, value: float) -> str:
        return f"{value:,.{self.digits}f} {self.unit}".rstrip()


def table(figures: Sequence[Figure], machine: str) -> Group:
    """One row a figure, the machine, and below them how each figure was obtained."""
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.add_column("what", overflow="fold")
    out.add_column("measured", justify="right", no_wrap=True)
    out.add_column("required", justify="right", no_wrap=True)
    out.add_column("verdict", no_wrap=True)
    for figure in figures:
        verdict = Text(figure.verdict, style=STYLES.get(figure.verdict, ""))
        out.add_row(figure.what, figure.measured, figure.required, verdict)
    notes = [Text(f"- {figure.what}: {figure.how}") for figure in figures]
    return Group(out, Text(machine), Text("\nHow each figure was obtained:"), *notes)


def machine_line(load_before: float) -> str:
    """The machine, and how busy it was: figures of a busy one are too bad."""
    load = f"load {load_before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    return f"{os.cpu_count()} cores, {load} (1 min); Python {platform.python_version()}, {platform.platform()}"
