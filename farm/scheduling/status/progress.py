"""The progress of sweeps in tables and lines; module `live` shows it while they run."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import inf
from statistics import fmean
from typing import Any

from farm.kinds.points import point
from farm.model import FailedTrial, JobState, LiveTrial, Progress, Quality, RunningJob, Scalar, SweepRecord, WindowKind
from farm.model.durations import span
from farm.report.document import Block, Column, Form, Paragraph, Row, Table
from farm.report.numbers import UNKNOWN, label, number
from farm.scheduling import holds
from farm.scheduling.routing import Route

#: What a trial does in each of its windows; those of work are numbered.
_PHASES: Mapping[WindowKind, str] = {
    WindowKind.IDLE_BEFORE: "idle",
    WindowKind.SETUP: "setup",
    WindowKind.CONTEXT_IDLE: "idle, model loaded",
    WindowKind.WARMUP: "warm-up",
    WindowKind.MEASURE: "window",
    WindowKind.LATENCY: "latency",
    WindowKind.MARKED: "marked window",
    WindowKind.TRAINING: "training, window",
    WindowKind.VALIDATION: "validation, window",
    WindowKind.TAIL: "cooling down",
    WindowKind.IDLE_AFTER: "idle after it",
}


def time_left_s(progress: Progress, now: datetime) -> float | None:
    """Estimate the time left in s; None where no trial of these machines has a known duration, or all is over.

    Some jobs may run on some machines only, and machines differ: the work that a group of machines has for itself, over
    what they do in a second, is the least that it takes; the most loaded group decides. A machine without a measured
    duration, of its own or of its class, counts for nothing.
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
        route = Route(waiting.target, waiting.capability)
        work[frozenset(m.id for m in progress.available if route.fits(m)) & everybody] += waiting.jobs
    for job in progress.running:
        begun = max((now - job.since).total_seconds(), 0.0) / available.get(job.machine_id, inf)
        work[frozenset({job.machine_id}) & everybody] += max(1 - begun, 0.0)
    return None if frozenset() in work else max(_takes_s(group, work, available) for group in work)


def _takes_s(group: frozenset[str], work: Mapping[frozenset[str], float], available: Mapping[str, float]) -> float:
    """Return how long the jobs of these machines alone take, in s; a whole job takes one machine its time."""
    jobs = sum(count for machines, count in work.items() if machines <= group)
    shared_s = jobs / sum(1 / available[machine] for machine in group)
    return max(shared_s, min(available[machine] for machine in group)) if work[group] >= 1 else shared_s


def summary(progress: Progress, now: datetime) -> str:
    """Return counts and time left on one line."""
    parts = [f"{progress.counts.get(JobState.DONE, 0)}/{progress.total} done"]
    bad = (JobState.FAILED, JobState.CANCELLED)
    parts += [f"{progress.counts[state]} {state}" for state in bad if progress.counts.get(state)]
    left_s = None if progress.hold else time_left_s(progress, now)
    if left_s is not None and left_s >= 1:
        parts.append(f"about {span(left_s)} left")
    return ", ".join(parts)


def in_progress(progress: Progress, now: datetime) -> list[str]:
    """Return how far a sweep is that is not over, for readers of its results."""
    if progress.is_over:
        return []
    done, running = (progress.counts.get(state, 0) for state in (JobState.DONE, JobState.RUNNING))
    left_s = None if progress.hold else time_left_s(progress, now)
    left = "" if left_s is None else f"; about {span(left_s)} left"
    return [f"{done} of {progress.total} jobs measured so far, {running} running{left}", *held_lines(progress)]


def what(job: RunningJob) -> str:
    """Return what runs."""
    return f"{point(job.point)}, repetition {job.repetition + 1}"


def doing(trial: LiveTrial, now: datetime) -> str:
    """Return what a trial does: its phase, for how long, and the newest power and rate as far as they are known."""
    phase = _PHASES[trial.phase]
    if trial.phase.is_work:
        phase += f" {trial.index + 1}" + (f" of {trial.of}" if trial.of else "")
    known = [f"{phase} for {span(max((now - trial.since).total_seconds(), 0.0))}"]
    if trial.power_w is not None:
        modelled = " (modelled)" if trial.quality is Quality.MODELLED else ""
        known.append(f"{trial.domain} {number(trial.power_w)} W{modelled}")
    if trial.units_per_s is not None:
        known.append(f"{number(trial.units_per_s)} {trial.unit}/s")
    return ", ".join(known)


def running_lines(progress: Progress, now: datetime) -> list[str]:
    """Return a line for each running job."""
    return [f"{job.machine}: {what(job)}{f': {doing(job.live, now)}' if job.live else ''}" for job in progress.running]


def held_lines(progress: Progress) -> list[str]:
    """Return what held jobs wait for; no line if no job is held."""
    held = progress.counts.get(JobState.QUEUED, 0)
    return [holds.described(progress.hold, held)] if progress.hold and held else []


def blocks(
    states: Sequence[tuple[SweepRecord, Progress]], failures: Sequence[FailedTrial], now: datetime
) -> list[Block]:
    """Return a table with a row for each sweep; below it, the jobs that run and those that failed."""
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
    lines = [f"running on {line}" for _, progress in states for line in running_lines(progress, now)]
    if len(states) == 1:
        lines.insert(0, f"submitted by {states[0][0].submitter or UNKNOWN}, priority {label(states[0][1].priority)}")
    lines += [f"{f'{r.name}: ' if len(states) > 1 else ''}{line}" for r, p in states for line in held_lines(p)]
    lines += failure_lines(failures, states[0][0].id)
    return [Table(columns, rows), *map(Paragraph, lines)]


def _jobs(progress: Progress, now: datetime) -> str:
    """Return the number of jobs in each state, and the time left."""
    counts = [f"{progress.counts[state]} {state}" for state in JobState if progress.counts.get(state)]
    to_come, left_s = progress.to_go - progress.open, time_left_s(progress, now)
    counts += [f"{to_come} to come"] if to_come else []
    counts += [f"about {span(left_s)} left"] if left_s is not None else []
    return ", ".join(counts)


def _differ(values: Iterable[Scalar]) -> bool:
    """Return whether values differ: only then a column of them is useful."""
    return len(set(values)) > 1


def records(states: Sequence[tuple[SweepRecord, Progress]], now: datetime) -> list[dict[str, Any]]:
    """Return plain records."""
    return [
        {
            "sweep": record.id,
            "name": record.name,
            "submitted_at": record.submitted_at.isoformat(),
            "submitter": record.submitter or None,
            "priority": progress.priority,
            **{state.value: progress.counts.get(state, 0) for state in JobState},
            "to_come": progress.to_go - progress.open,
            "held_until": progress.hold.until.isoformat() if progress.hold else None,
            "held_below_g_per_kwh": progress.hold.below_g_per_kwh if progress.hold else None,
            "held_because": progress.hold.note if progress.hold else None,
            "running_now": [
                {
                    "job": r.job,
                    "attempt": r.attempt,
                    "machine": r.machine,
                    "point": r.point,
                    "since": r.since.isoformat(),
                    "live": r.live.model_dump(mode="json") if r.live else None,
                }
                for r in progress.running
            ],
            "time_left_s": time_left_s(progress, now),
        }
        for record, progress in states
    ]


def failure_lines(failures: Sequence[FailedTrial], sweep: str) -> list[str]:
    """Return a line for each failed job, and how to go on; failed attempts of other jobs are counted."""
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
    made_good = sum(failure.state == JobState.DONE for failure in failures)
    to_go = sum(failure.state in {JobState.QUEUED, JobState.RUNNING} for failure in failures)
    counts = [f"{made_good} made good by a later one"] * bool(made_good) + [f"{to_go} to be made again"] * bool(to_go)
    if counts:
        lines.append(f"attempts that failed: {', '.join(counts)}")
    return lines


def _reasons(tries: Sequence[FailedTrial]) -> str:
    """Return why the attempts at a job failed, in order; a repeated reason stands once, with a number."""
    reasons = Counter(f"{one.failure.kind}: {one.failure.message}" for one in tries)
    return ", then ".join(f"{reason} ({number} times)" if number > 1 else reason for reason, number in reasons.items())
