"""The progress of sweeps: a live display while they run, and tables."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from statistics import fmean
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from farm.kinds.points import point
from farm.model import FailedTrial, JobState, Progress, Scalar, SweepRecord
from farm.model.durations import span
from farm.report.document import Block, Column, Form, Paragraph, Row
from farm.report.document import Table as DataTable
from farm.report.numbers import UNKNOWN, label
from farm.report.terminal import plain
from farm.scheduling.routing import fits

Show = Callable[[Progress, str], None]
#: Running jobs that the live display names.
NAMED = 5
#: Columns of the live display.
WIDTH = 80


def time_left_s(progress: Progress, now: datetime) -> float | None:
    """Estimate the seconds left from recent trials of available machines; None where these are unknown, or all is over.

    Some jobs may run on some machines only, and machines differ in speed. The jobs that only a group of machines can
    run, divided by the jobs that the group does in a second, is the least time needed; the slowest group decides. A
    machine without a measured duration of its class is ignored.
    """
    available = {
        m.id: fmean(progress.recent_s[m.hardware_class])
        for m in progress.available
        if m.hardware_class in progress.recent_s
    }
    if progress.is_over or not available:
        return None
    everybody = frozenset(available)
    work: dict[frozenset[str], float] = defaultdict(float, {everybody: progress.to_go - progress.open})
    for waiting in progress.waiting:
        work[frozenset(m.id for m in progress.available if fits(waiting.target, m)) & everybody] += waiting.jobs
    for job in progress.running:
        begun = max((now - job.since).total_seconds(), 0.0) / available.get(job.machine_id, inf)
        work[frozenset({job.machine_id}) & everybody] += max(1 - begun, 0.0)
    return None if frozenset() in work else max(_takes_s(group, work, available) for group in work)


def _takes_s(group: frozenset[str], work: Mapping[frozenset[str], float], available: Mapping[str, float]) -> float:
    """Return the seconds for the jobs that run on these machines only; a job cannot be shared between machines."""
    jobs = sum(count for machines, count in work.items() if machines <= group)
    shared_s = jobs / sum(1 / available[machine] for machine in group)
    return max(shared_s, min(available[machine] for machine in group)) if work[group] >= 1 else shared_s


@dataclass(frozen=True, slots=True)
class Plain:
    """A view of rich whose text is plain; its own styles stay."""

    view: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the view's segments."""
        for segment in console.render(self.view, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


class _Panel:
    """The live display; each refresh draws it again, so that the time left counts down."""

    def __init__(self, name: str, notice: Callable[[], str]) -> None:
        self._name, self._notice = name, notice
        self._progress: Progress | None = None
        self._note = ""

    def show(self, progress: Progress, note: str) -> None:
        self._progress, self._note = progress, note

    def __rich__(self) -> Group:
        if self._progress is None:
            return Group()
        return panel(self._name, self._progress, self._note, self._notice(), datetime.now(UTC))


class _Lines:
    """The display for logs: a line whenever a job ends."""

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console, self._closed = name, console, -1

    def show(self, progress: Progress, _note: str) -> None:
        if progress.closed != self._closed:
            self._closed = progress.closed
            line = f"{self._name}: {summary(progress, datetime.now(UTC))}"
            self._console.print(plain(line), soft_wrap=True)


@contextmanager
def live(name: str, enabled: bool = True, notice: Callable[[], str] = str) -> Iterator[Show]:
    """Show progress on stderr: live on a terminal, else one line whenever a job ends.

    `notice` returns a line to show beside the progress, or "".
    """
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if not enabled:
        yield lambda _progress, _note: None
    elif not console.is_terminal:
        yield _Lines(name, console).show
    else:
        shown = _Panel(name, notice)
        with Live(Plain(shown), console=console, refresh_per_second=2, transient=True):
            yield shown.show


def summary(progress: Progress, now: datetime) -> str:
    """Return counts and time left on one line."""
    parts = [f"{progress.counts.get(JobState.DONE, 0)}/{progress.total} done"]
    bad = (JobState.FAILED, JobState.CANCELLED)
    parts += [f"{progress.counts[state]} {state}" for state in bad if progress.counts.get(state)]
    left_s = time_left_s(progress, now)
    if left_s is not None and left_s >= 1:
        parts.append(f"about {span(left_s)} left")
    return ", ".join(parts)


def panel(name: str, progress: Progress, note: str, notice: str, now: datetime) -> Group:
    """Show name, bar and counts, the running jobs, and a notice for the user."""
    bar = Table.grid(padding=(0, 1, 0, 0))
    bar.width = WIDTH
    bar.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    done = ProgressBar(total=max(progress.total, 1), completed=progress.closed)
    bar.add_row(name, done, summary(progress, now))
    lines = [f"  {line}" for line in running_lines(progress)[:NAMED]]
    if len(progress.running) > NAMED:
        lines.append(f"  and {len(progress.running) - NAMED} more")
    if not lines and not progress.is_over:
        lines = [f"  waiting for a worker{': ' + note if note else ''}"]
    if notice:
        lines.append(f"  {notice}")
    return Group(bar, *(Text(line, overflow="ellipsis", no_wrap=True) for line in lines))


def stopping(interrupts: int) -> str:
    """Describe the effect of so many Ctrl-C."""
    return ("", "finishing the running trial; Ctrl-C again stops now", "stopping now")[min(interrupts, 2)]


def running_lines(progress: Progress) -> list[str]:
    """Return one line for each running job."""
    return [f"{job.machine}: {point(job.point)}, repetition {job.repetition + 1}" for job in progress.running]


def blocks(
    states: Sequence[tuple[SweepRecord, Progress]], failures: Sequence[FailedTrial], now: datetime
) -> list[Block]:
    """Show one row for each sweep, and below it the running and the failed jobs."""
    if not states:
        return [Paragraph("no sweep was submitted yet: begin with `farm run SWEEP.yaml` or `farm submit SWEEP.yaml`")]
    submitters, priorities = _differ(r.submitter for r, _ in states), _differ(p.priority for _, p in states)
    columns = [
        Column("sweep", "sweep", Form.TEXT),
        Column("id", "id", Form.TEXT),
        Column("submitted", "submitted (UTC)", Form.TEXT),
        *([Column("by", "by", Form.TEXT)] if submitters else []),
        *([Column("priority", "priority", Form.COUNT)] if priorities else []),
        Column("jobs", "jobs", Form.TEXT),
    ]
    rows = [
        Row(
            {
                "sweep": record.name,
                "id": record.id,
                "submitted": f"{record.submitted_at:%Y-%m-%d %H:%M}",
                "by": record.submitter or None,
                "priority": progress.priority,
                "jobs": _jobs(progress, now),
            }
        )
        for record, progress in states
    ]
    lines = [f"running on {line}" for _, progress in states for line in running_lines(progress)]
    if len(states) == 1:
        lines.insert(0, f"submitted by {states[0][0].submitter or UNKNOWN}, priority {label(states[0][1].priority)}")
    lines += failure_lines(failures, states[0][0].id)
    return [DataTable(columns, rows), *map(Paragraph, lines)]


def _jobs(progress: Progress, now: datetime) -> str:
    """Return the number of jobs in each state, and the time left."""
    counts = [f"{progress.counts[state]} {state}" for state in JobState if progress.counts.get(state)]
    to_come, left_s = progress.to_go - progress.open, time_left_s(progress, now)
    counts += [f"{to_come} to come"] if to_come else []
    counts += [f"about {span(left_s)} left"] if left_s is not None else []
    return ", ".join(counts)


def _differ(values: Iterable[Scalar]) -> bool:
    """Return whether the values differ: a column of equal values is left out."""
    return len(set(values)) > 1


def records(states: Sequence[tuple[SweepRecord, Progress]], now: datetime) -> list[dict[str, Any]]:
    """Return the sweeps and their progress as plain records."""
    return [
        {
            "sweep": record.id,
            "name": record.name,
            "submitted_at": record.submitted_at.isoformat(),
            "submitter": record.submitter or None,
            "priority": progress.priority,
            **{state.value: progress.counts.get(state, 0) for state in JobState},
            "to_come": progress.to_go - progress.open,
            "running_now": [
                {
                    "job": r.job,
                    "attempt": r.attempt,
                    "machine": r.machine,
                    "point": r.point,
                    "since": r.since.isoformat(),
                }
                for r in progress.running
            ],
            "time_left_s": time_left_s(progress, now),
        }
        for record, progress in states
    ]


def failure_lines(failures: Sequence[FailedTrial], sweep: str) -> list[str]:
    """Return a line for each failed job, the command that retries them, and the number of repeated attempts."""
    failed: dict[str, list[FailedTrial]] = {}
    for failure in failures:
        if failure.state == JobState.FAILED:
            failed.setdefault(failure.job, []).append(failure)
    lines = [
        f"failed: {point(tries[-1].point)}, repetition {tries[-1].repetition + 1}: {_reasons(tries)}: "
        f"`farm logs {job}.{tries[-1].attempt}`"
        for job, tries in failed.items()
    ]
    if failed:
        lines.append(f"`farm retry {sweep}` queues {'it' if len(failed) == 1 else f'these {len(failed)}'} again")
    recovered = sum(f.state in {JobState.DONE, JobState.QUEUED, JobState.RUNNING} for f in failures)
    if recovered:
        lines.append(f"attempts that failed, and were or will be made again: {recovered}")
    return lines


def _reasons(tries: Sequence[FailedTrial]) -> str:
    """Return why each attempt at a job failed, in order; equal reasons are counted."""
    reasons = Counter(f"{one.failure.kind}: {one.failure.message}" for one in tries)
    return ", then ".join(f"{reason} ({number} times)" if number > 1 else reason for reason, number in reasons.items())
