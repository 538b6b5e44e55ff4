"""Descriptions of a dry run and of a submission."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from farm import kinds
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import Hold, JobSpec
from farm.model.durations import span
from farm.report.document import Document, Facts, Paragraph
from farm.report.numbers import several
from farm.scheduling import tuner
from farm.scheduling.plan import Plan, points, trial_s
from farm.scheduling.submission import Submission
from farm.spec import Sweep


def described(sweep: Sweep, plan: Plan, is_alone: bool = False) -> Document:
    """Describe a plan: jobs, blocks, targets and expected duration; `is_alone`: of an embedded farm."""
    facts = record(sweep, plan)
    rows = [("sweep", f"{sweep.name} ({plan.sweep_id}), kind {sweep.kind}")]
    targets = f" x {len(facts['targets'])} targets" if len(facts["targets"]) > 1 else ""
    if isinstance(sweep, TuningSweep):
        rows += _search(sweep, facts, targets)
    else:
        blocks = f"{several(facts['points'], 'point')} x {several(facts['blocks'], 'repetition')}{targets}"
        further = plan.total - facts["points"] * facts["blocks"] * max(len(facts["targets"]), 1)
        beyond = f", and {further} that were measured beyond these" if further else ""
        rows.append(("jobs", f"{facts['jobs']} = {blocks}, shuffled in blocks{beyond}"))
    for target, jobs in facts["targets"].items():
        at_once = " at once" if isinstance(sweep, TuningSweep) else ""
        rows.append(("target", f"{target}: {several(jobs, 'job')}{at_once}"))
    if plan.measured:
        rows.append(("progress", measured_so_far(plan.measured, plan.total, plan.to_go)))
    rows.append(("duration", _duration(sweep, plan, facts["expected_duration_s"], is_alone)))
    notes = [Paragraph(f"note: {warning}") for warning in plan.warnings]
    return Document(
        [Facts(rows), *notes, Paragraph(f"Nothing was {'measured' if is_alone else 'submitted'}.")], record=facts
    )


def _search(sweep: TuningSweep, facts: dict[str, Any], targets: str) -> Iterator[tuple[str, str]]:
    tuning = sweep.tuning
    names = ", ".join(f"{name} {trials}" for name, trials in facts["configurations"].items())
    strategies = f"{len(tuning.strategies)} strateg{'y' if len(tuning.strategies) == 1 else 'ies'}"
    each = f"{several(facts['points'], 'point')} x {strategies} x {several(len(tuning.seeds), 'seed')}{targets}"
    yield "studies", f"{facts['studies']} = {each}"
    yield "trials", f"of each study: {names}; each trained {several(sweep.repetitions.min, 'time')}"
    yield "jobs", f"{facts['jobs']} in all, {facts['at_once']} of them at once, the others as results come in"


def _duration(sweep: Sweep, plan: Plan, duration_s: float, is_alone: bool) -> str:
    kind = kinds.get(sweep.kind)
    if any(kind.expected_s(spec) is None for spec in _shared(plan)):
        return f"about {span(duration_s)} around the {kind.work}, whose duration is not known"
    return f"about {span(duration_s)} of measuring{'' if is_alone else ', shared among the machines'}"


def _shared(plan: Plan) -> list[JobSpec]:
    """List the specs that the jobs of a point and target share, each once."""
    return list({id(job.shared): job.shared for job in plan.jobs}.values())


def record(sweep: Sweep, plan: Plan) -> dict[str, Any]:
    """Return a plan as a plain record."""
    kind = kinds.get(sweep.kind)
    known_s = {id(spec): trial_s(kind, spec) for spec in _shared(plan)}
    own = _search_record(sweep, plan) if isinstance(sweep, TuningSweep) else {}
    return {
        "sweep": plan.sweep_id,
        "jobs": plan.total,
        "measured": plan.measured,
        "to_go": plan.to_go,
        "points": len(points(sweep)),
        "blocks": len({job.block for job in plan.jobs}) if own else sweep.repetitions.min,
        **own,
        "targets": dict(Counter(job.shared.target for job in plan.jobs)),
        "expected_duration_s": plan.to_go * sum(known_s[id(job.shared)] for job in plan.jobs) / max(len(plan.jobs), 1),
        "warnings": list(plan.warnings),
    }


def _search_record(sweep: TuningSweep, plan: Plan) -> dict[str, Any]:
    found = tuner.studies(sweep, plan.sweep_id, sorted({job.shared.target for job in plan.jobs}))
    return {
        "blocks": max((study.size for study in found), default=0),
        "studies": len(found),
        "configurations": {study.study.strategy.name: study.size for study in found},
        "at_once": len(plan.jobs),
    }


def submitted(sweep: Sweep, submission: Submission, hold: Hold | None = None) -> str:
    """Describe the result of a submission, and name the command that follows the sweep."""
    is_known = submission.measured or submission.added < submission.jobs
    known = measured_so_far(submission.measured, submission.total, submission.to_go) if is_known else ""
    later = submission.total - submission.jobs
    more = f", {later} more as results come in" if later > 0 else ""
    queued = f"{several(submission.added, 'job')} queued{more}{': ' if known else ''}{known}"
    line = f"submitted {sweep.name} ({submission.sweep_id}): {queued}"
    if hold is not None:
        line += f"\n{held(hold)}"
    return f"{line}\n`farm watch {submission.sweep_id}` follows them" if submission.added else line


def measured_so_far(measured: int, total: int, to_go: int) -> str:
    """Describe how far a sweep is: 12 of 18 measured, 6 to go."""
    failed = total - measured - to_go
    return f"{measured} of {total} measured, {f'{failed} failed, ' if failed else ''}{to_go} to go"


def held(hold: Hold) -> str:
    """Describe the hold of a submission."""
    return f"held until carbon < {hold.below_g_per_kwh:g} g/kWh, at the latest until {hold.until:%Y-%m-%d %H:%M} UTC"


def submitted_record(submission: Submission, hold: Hold | None = None) -> dict[str, Any]:
    """Return a submission as a plain record."""
    return {
        "sweep": submission.sweep_id,
        "jobs": submission.jobs,
        "added": submission.added,
        "measured": submission.measured,
        "to_go": submission.to_go,
        "total": submission.total,
        "held_until": hold.until.isoformat() if hold else None,
        "warnings": list(submission.warnings),
    }
