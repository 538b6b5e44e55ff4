"""How sweeps stand: a live line while they run, and tables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from farm.model import JobState, Point, SweepRecord
from farm.report.numbers import span
from farm.store import FailedTrial, Progress

Show = Callable[[Progress, str], None]


def point(values: Point) -> str:
    """The parameters that tell points apart at a glance."""
    batch = values.get("batch_size")
    return f"{values.get('model')} batch {batch}" if batch is not None else str(values.get("model"))


def time_left_s(progress: Progress) -> float | None:
    """From the durations of recent trials; None before the first."""
    if not progress.recent_s or progress.is_over:
        return None
    machines = max(len(progress.running), 1)
    return median(progress.recent_s) * progress.open / machines


@contextmanager
def live(name: str, enabled: bool = True) -> Iterator[Show]:
    """A live display on stderr; where that is no terminal, one line whenever a job ends."""
    console = Console(stderr=True)
    if not enabled:
        yield lambda _progress, _note: None
    elif not console.is_terminal:
        yield _Lines(name, console).show
    else:
        with Live(console=console, refresh_per_second=2, transient=True) as display:
            yield lambda progress, note: display.update(_panel(name, progress, note))


class _Lines:
    """Progress for logs."""

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console, self._closed = name, console, -1

    def show(self, progress: Progress, _note: str) -> None:
        """Print when something ended."""
        closed = progress.total - progress.open
        if closed != self._closed:
            self._closed = closed
            self._console.print(f"{self._name}: {summary(progress)}", highlight=False)


def summary(progress: Progress) -> str:
    """Counts and time left on one line."""
    parts = [f"{progress.counts.get(JobState.DONE, 0)}/{progress.total} done"]
    bad = (JobState.FAILED, JobState.CANCELLED)
    parts += [f"{progress.counts[state]} {state}" for state in bad if progress.counts.get(state)]
    left = time_left_s(progress)
    if left is not None:
        parts.append(f"about {span(left)} left")
    return ", ".join(parts)


def _panel(name: str, progress: Progress, note: str) -> Group:
    closed = progress.total - progress.open
    bar = Table.grid(padding=(0, 1))
    bar.add_row(name, ProgressBar(total=max(progress.total, 1), completed=closed, width=24), summary(progress))
    now = [Text(f"  {job.machine}: {point(job.point)}, repetition {job.repetition + 1}") for job in progress.running]
    if not now and not progress.is_over:
        now = [Text(f"  waiting for a worker{': ' + note if note else ''}", overflow="ellipsis", no_wrap=True)]
    return Group(bar, *now[:5])


def status_table(states: Sequence[tuple[SweepRecord, Progress]]) -> Table:
    """One row a sweep."""
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("sweep", "id", "submitted (UTC)"):
        out.add_column(heading, overflow="fold")
    for state in JobState:
        out.add_column(state.value, justify="right")
    for record, progress in states:
        counts = [str(progress.counts.get(state, 0) or "") for state in JobState]
        out.add_row(record.name, record.id, f"{record.submitted_at:%Y-%m-%d %H:%M}", *counts)
    return out


def status_records(states: Sequence[tuple[SweepRecord, Progress]]) -> list[dict[str, Any]]:
    """As plain records."""
    return [
        {
            "sweep": record.id,
            "name": record.name,
            "submitted_at": record.submitted_at.isoformat(),
            **{state.value: progress.counts.get(state, 0) for state in JobState},
            "running_now": [
                {"job": r.job, "machine": r.machine, "point": r.point, "since": r.since.isoformat()}
                for r in progress.running
            ],
            "time_left_s": time_left_s(progress),
        }
        for record, progress in states
    ]


def failure_lines(failures: Sequence[FailedTrial]) -> list[str]:
    """One line a failed trial whose job did not recover; attempts that another one made good are counted."""
    lost = [f for f in failures if f.state == JobState.FAILED]
    lines = [
        f"failed: {point(f.point)}, repetition {f.repetition + 1}: {f.failure.kind}: {f.failure.message}" for f in lost
    ]
    recovered = sum(f.state in {JobState.DONE, JobState.QUEUED, JobState.RUNNING} for f in failures)
    if recovered:
        lines.append(f"{recovered} more attempts failed, and were or will be measured again")
    return lines
