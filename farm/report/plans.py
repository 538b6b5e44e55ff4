"""What a dry run shows, and what a submission."""

from collections import Counter
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from farm.plan import Plan, expected_duration_s
from farm.report.numbers import span
from farm.spec import Sweep
from farm.submission import Submission


def described(sweep: Sweep, plan: Plan) -> Group:
    """Jobs, blocks, targets and expected duration."""
    facts = record(plan)
    out = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    out.add_row("sweep", f"{sweep.name} ({plan.sweep_id}), kind {sweep.kind}")
    targets = f" x {len(facts['targets'])} targets" if len(facts["targets"]) > 1 else ""
    blocks = f"{facts['points']} points x {facts['blocks']} repetitions{targets}"
    out.add_row("jobs", f"{facts['jobs']} = {blocks}, shuffled in blocks")
    for target, jobs in facts["targets"].items():
        out.add_row("target", f"{target}: {jobs} jobs")
    out.add_row("duration", f"about {span(facts['expected_duration_s'])} of measuring, shared among the machines")
    notes = [Text(f"note: {warning}") for warning in plan.warnings]
    return Group(out, *notes, Text("Nothing was submitted."))


def record(plan: Plan) -> dict[str, Any]:
    """As one plain record."""
    points = {tuple(sorted(job.spec.point.items(), key=lambda item: item[0])) for job in plan.jobs}
    return {
        "sweep": plan.sweep_id,
        "jobs": len(plan.jobs),
        "points": len(points),
        "blocks": len({job.block for job in plan.jobs}),
        "targets": dict(Counter(job.spec.target for job in plan.jobs)),
        "expected_duration_s": sum(expected_duration_s(job.spec.measure) for job in plan.jobs),
        "warnings": list(plan.warnings),
    }


def submitted(sweep: Sweep, submission: Submission) -> str:
    """What became of a submitted sweep, and how to follow it."""
    already = submission.jobs - submission.added
    known = f", {already} of its {submission.jobs} were there already" if already else ""
    line = f"submitted {sweep.name} ({submission.sweep_id}): {submission.added} jobs queued{known}"
    return f"{line}\n`farm watch {submission.sweep_id}` follows them" if submission.added else line


def submitted_record(submission: Submission) -> dict[str, Any]:
    """As one plain record."""
    return {
        "sweep": submission.sweep_id,
        "jobs": submission.jobs,
        "added": submission.added,
        "warnings": list(submission.warnings),
    }
