"""One trial in words: how it ended, and the last that it printed."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.model import Failure, TrialRow
from farm.model.durations import span
from farm.report.numbers import UNKNOWN
from farm.report.terminal import plain
from farm.scheduling.status.progress import point


def view(trial: TrialRow) -> RenderableType:
    """Who, where, when, how it ended; then its last lines, as they are."""
    out = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    out.add_column(no_wrap=True, style="dim")
    out.add_column(overflow="fold")
    for name, value in _facts(trial):
        out.add_row(name, value)
    tail = plain(trial.log_tail.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n")
    last = Text(tail, overflow="fold") if tail else Text("It printed nothing.")
    return Group(out, Text(), last)


def record(trial: TrialRow) -> dict[str, Any]:
    """As a plain record."""
    kept = asdict(trial)
    del kept["latencies_s"], kept["epochs"], kept["asked"], kept["block"]
    times = {name: value.isoformat() if (value := kept[name]) else None for name in _TIMES}
    return kept | times | {"failure": trial.failure.model_dump(mode="json") if trial.failure else None}


_TIMES = ("started_at_utc", "finished_at_utc")


def _facts(trial: TrialRow) -> Iterator[tuple[str, str]]:
    yield "trial", f"{trial.trial}, repetition {trial.repetition + 1}, attempt {trial.attempt}"
    yield "sweep", f"{trial.sweep_name} ({trial.sweep})"
    yield "point", point(trial.factors)
    where = f"{trial.machine} ({trial.hardware_class})" if trial.machine else UNKNOWN
    yield "machine", where + (", simulated" if trial.simulated else "")
    yield "started", f"{trial.started_at_utc:%Y-%m-%d %H:%M:%S} UTC" if trial.started_at_utc else UNKNOWN
    took = f", after {span(trial.duration_s)}" if trial.duration_s is not None else ""
    yield "ended", f"{trial.finished_at_utc:%Y-%m-%d %H:%M:%S} UTC{took}"
    yield "end", _end(trial.failure)
    if trial.flags:
        yield "flags", ", ".join(trial.flags)
    for note in trial.notes:
        yield "note", note


def _end(failure: Failure | None) -> str:
    if failure is None:
        return "measured"
    signal = f" (signal {failure.signal})" if failure.signal is not None else ""
    return f"{failure.kind}{signal}: {failure.message}"
