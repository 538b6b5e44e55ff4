"""All sweeps in one table, for `farm list`."""

from collections.abc import Sequence
from typing import Any

from farm.model import JobState, SweepOverview
from farm.report.document import Column, Document, Form, Note, Paragraph, Row, Table

#: Machines that a row names.
MOST_NAMES = 3
_NONE = "no sweep was submitted yet: begin with `farm run SWEEP.yaml` or `farm submit SWEEP.yaml`"
_REVISIONS = (
    "Sweeps of one name stand together, the latest first. "
    "A command that gets a name takes the first that is not cancelled."
)


def overview(found: Sequence[SweepOverview]) -> Document:
    """Return a row for each sweep: the latest first, and below it the earlier ones of its name."""
    if not found:
        return Document([Paragraph(_NONE)], record=[])
    names = list(dict.fromkeys(one.record.name for one in found))
    grouped = sorted(found, key=lambda one: names.index(one.record.name))
    columns = [
        Column("name", "sweep", Form.TEXT),
        Column("id", "id", Form.TEXT),
        Column("kind", "kind", Form.TEXT),
        Column("submitted", "submitted (UTC)", Form.TEXT),
        Column("done", "done", Form.TEXT),
        Column("state", "", Form.TEXT),
        Column("machines", "machines", Form.TEXT),
    ]
    rows = [
        Row(
            {
                "name": one.record.name,
                "id": one.record.id,
                "kind": one.record.kind,
                "submitted": f"{one.record.renewed_at or one.record.submitted_at:%Y-%m-%d %H:%M}",
                "done": f"{one.progress.counts.get(JobState.DONE, 0)}/{one.progress.total}",
                "state": _state(one),
                "machines": _few(one.machines),
            }
        )
        for one in grouped
    ]
    note = [Note(_REVISIONS)] if len(names) < len(found) else []
    return Document([Table(columns, rows, is_flat=True), *note], record=[_record(one) for one in grouped])


def _state(one: SweepOverview) -> str:
    """Return how a sweep stands in a few words; nothing of one that is done."""
    counts = one.progress.counts
    words = {
        "running": counts.get(JobState.RUNNING),
        "held" if one.record.hold_until else "waiting": counts.get(JobState.QUEUED),
        f"{counts.get(JobState.FAILED)} failed": counts.get(JobState.FAILED),
        "cancelled": counts.get(JobState.CANCELLED),
        "imported": one.record.imported,
    }
    return ", ".join(word for word, holds in words.items() if holds)


def _few(names: Sequence[str]) -> str:
    """Return names in words, of many only the first ones."""
    return (
        ", ".join(names)
        if len(names) <= MOST_NAMES
        else f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    )


def _record(one: SweepOverview) -> dict[str, Any]:
    record, progress = one.record, one.progress
    return {
        "sweep": record.id,
        "name": record.name,
        "kind": record.kind,
        "submitted_at": record.submitted_at.isoformat(),
        "submitter": record.submitter or None,
        "imported": record.imported,
        "is_over": progress.is_over,
        "jobs": progress.total,
        **{state.value: progress.counts.get(state, 0) for state in JobState},
        "machines": list(one.machines),
    }
