"""What a dry run shows."""

from collections import Counter
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from farm.plan import Plan, expected_duration_s
from farm.report.numbers import span
from farm.spec import Sweep


def described(sweep: Sweep, plan: Plan) -> Group:
    """Jobs, blocks, targets and expected duration."""
    facts = record(plan)
    out = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    out.add_row("sweep", f"{sweep.name} ({plan.sweep_id}), kind {sweep.kind}")
    out.add_row(
        "jobs", f"{facts['jobs']} = {facts['points']} points x {facts['blocks']} repetitions, shuffled in blocks"
    )
    for target, jobs in facts["targets"].items():
        out.add_row("target", f"{target}: {jobs} jobs")
    out.add_row("duration", f"about {span(facts['expected_duration_s'])} of measuring on one machine at a time")
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
