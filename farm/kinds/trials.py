"""How one trial ended, and the last lines that it printed: for `farm logs`."""

from collections.abc import Iterator

from farm.kinds.points import point
from farm.model import Failure, TrialRow
from farm.model.durations import span
from farm.model.text import log_lines
from farm.report.document import Block, Code, Document, Facts, Paragraph
from farm.report.facts import trial_record
from farm.report.numbers import UNKNOWN


def trial(row: TrialRow) -> Document:
    """Return what ran where and when, and how it ended, then its last lines unchanged."""
    tail = log_lines(row.log_tail).rstrip("\n")
    last: Block = Code(tail) if tail else Paragraph("It printed nothing.")
    return Document([Facts(list(_facts(row))), last], record=trial_record(row))


def _facts(row: TrialRow) -> Iterator[tuple[str, str]]:
    yield "trial", f"{row.trial}, repetition {row.repetition + 1}, attempt {row.attempt}"
    yield "sweep", f"{row.sweep_name} ({row.sweep})"
    yield "point", point(row.factors)
    where = f"{row.machine} ({row.hardware_class})" if row.machine else UNKNOWN
    yield "machine", where + (", simulated" if row.simulated else "")
    yield "started", f"{row.started_at_utc:%Y-%m-%d %H:%M:%S} UTC" if row.started_at_utc else UNKNOWN
    took = f", after {span(row.duration_s)}" if row.duration_s is not None else ""
    yield "ended", f"{row.finished_at_utc:%Y-%m-%d %H:%M:%S} UTC{took}"
    yield "end", _end(row.failure)
    if row.flags:
        yield "flags", ", ".join(row.flags)
    for note in row.notes:
        yield "note", note


def _end(failure: Failure | None) -> str:
    if failure is None:
        return "measured"
    signal = f" (signal {failure.signal})" if failure.signal is not None else ""
    return f"{failure.kind}{signal}: {failure.message}"
