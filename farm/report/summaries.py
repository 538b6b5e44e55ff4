"""Tables of summaries: the columns and rows that several views share."""

from collections.abc import Collection, Iterable, Sequence

from farm.analysis.aggregate import P99_NEEDS, Summary
from farm.model import Quality, Scalar
from farm.report import carbon
from farm.report.document import Column, Form, Record, Row, Table, Value, key

#: Columns on the trials of a row, then columns of figures. All stand in files; a view adds headings to those it shows.
TRIALS = (
    Column("trials"),
    Column("left_out"),
    Column("doubtful"),
    Column("flags", form=Form.TEXT),
    Column("quality", form=Form.TEXT),
    Column("simulated"),
)
FIGURES = (
    Column("units_per_s"),
    Column("p50_s"),
    Column("p95_s"),
    Column("p99_s"),
    Column("batches"),
    Column("gross_j_per_unit", form=Form.POSITIVE),
    Column("net_j_per_unit", form=Form.NET),
    Column("net_j_per_unit_meter"),
    Column("spread_points"),
    Column("carbon_g_per_unit"),
    Column("carbon_source", form=Form.TEXT),
)
#: Columns that only kinds with timed batches have.
LATENCIES = frozenset({"p50_s", "p95_s", "p99_s", "batches"})


def columns(keys: Iterable[str], own: Iterable[Column] = (), but: Collection[str] = ()) -> list[Column]:
    """Return the columns of a table of summaries.

    Args:
        keys: The labels that group the summaries.
        own: Columns of the view; they replace known columns of the same name, and the others follow.
        but: Names of columns to leave out.
    """
    shown = {column.name: column for column in own}
    known = [shown.pop(column.name, column) for column in (*TRIALS, *FIGURES) if column.name not in but]
    return [*map(key, keys), *known, *shown.values()]


def trials_record(summary: Summary) -> dict[str, Scalar]:
    """Return the values of the keys, and facts on the trials of the row."""
    return {
        **summary.labels,
        "trials": summary.trials,
        "left_out": summary.left_out,
        "doubtful": summary.is_doubtful,
        "flags": ";".join(sorted(summary.flags)),
        "quality": summary.quality.value if summary.quality else None,
        "simulated": summary.simulated,
    }


def row(summary: Summary, **own: Value) -> Row:
    """Return a row for a table with `columns`; `own` has the values of the view's own columns."""
    figures: dict[str, Value] = {
        **{name: getattr(summary, name) for name in ("units_per_s", "p50_s", "p95_s", "p99_s", "batches")},
        "gross_j_per_unit": summary.gross_j,
        "net_j_per_unit": summary.net_j,
        "net_j_per_unit_meter": summary.net_j.meter if summary.net_j else None,
        "spread_points": summary.net_j.points if summary.net_j else None,
        "carbon_g_per_unit": summary.carbon_g,
        "carbon_source": carbon_source(summary),
    }
    marks = {"net_j_per_unit": "!"} if summary.is_doubtful else {}
    marks |= {"p99_s": "*"} if summary.p99_s is not None and summary.batches < P99_NEEDS else {}
    return Row({**trials_record(summary), **figures, **own}, marks)


def carbon_source(summary: Summary) -> str | None:
    """Return the carbon intensities of a row, with table, year and unit."""
    return "; ".join(carbon.origins(summary.carbon)) or None


def records(summaries: Sequence[Summary]) -> list[Record]:
    """Return summaries as rows of a file."""
    keys = dict.fromkeys(name for summary in summaries for name in summary.labels)
    return Table(columns(keys), [row(summary) for summary in summaries]).records()


def doubts(summary: Summary) -> str:
    """Return in brackets whether joules are modelled or simulated; empty if they were measured."""
    words = ["modelled"] if summary.quality is Quality.MODELLED else []
    words += ["simulated"] if summary.simulated else []
    return f" ({', '.join(words)})" if words else ""
