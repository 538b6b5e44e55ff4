"""The figures of a load, simulated or live, in tables and files."""

from collections.abc import Iterable
from dataclasses import replace

from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import Figures, needed
from farm.load.served import STATISTICS
from farm.model import Scalar
from farm.report.document import Column, Form, Value

#: Response times that a table shows.
SHOWN = ("mean", "p50", "p95", "p99", "max")


def time_name(statistic: str) -> str:
    """Return the name of the column of a response time in seconds."""
    return f"response_{statistic.replace('.', '_')}_s"


#: Columns of a table of loads; their names are those of `values`.
COLUMNS = (
    Column("response_mean_s", "ms\nmean", scale=1e3),
    *(Column(time_name(statistic), f"\n{statistic}", scale=1e3) for statistic in SHOWN[1:]),
    Column("mean_batch", "\nbatch", Form.COUNT),
    Column("load", "\nload", digits=2),
    Column("gross_j_per_request", "J\ngross", Form.NET_MEAN),
    Column("net_j_per_request", "J\nnet", Form.NET_MEAN),
)


_WITH_ENDS = {*map(time_name, STATISTICS), "service_s", "gross_j_per_request", "net_j_per_request"}


def values(figures: Figures) -> dict[str, Value]:
    """Return all figures of a load in SI units; a saturated load has no response times."""
    times = {} if figures.is_saturated else figures.response_s
    drawn = {"interpolated_share": figures.interpolated, "timed_batches": figures.timed}
    return {
        "requests": figures.requests,
        "unserved": figures.unserved,
        "load": figures.load,
        "saturated": figures.is_saturated,
        **{time_name(statistic): duration(times.get(statistic)) for statistic in STATISTICS},
        "service_s": duration(figures.service_s),
        "mean_batch": figures.mean_batch,
        "batches_by_size": ";".join(f"{size}:{number}" for size, number in figures.batches.items()),
        "utilisation": figures.utilisation,
        **(drawn if figures.timed is not None else {}),
        "gross_j_per_request": figures.gross_j,
        "net_j_per_request": figures.net_j,
    }


def marks(figures: Figures) -> dict[str, str]:
    """Return `*` for each statistic that rests on too few requests, and `!` for a load that saturates."""
    times = {} if figures.is_saturated else figures.response_s
    weak = {time_name(statistic): "*" for statistic in times if not figures.is_claim(statistic)}
    return weak | ({"load": "!"} if figures.is_saturated else {})


def record(figures: Figures) -> dict[str, Scalar]:
    """Return the same figures for files; an interval has a column for each end even if the end is unknown."""
    known = values(figures)
    columns = (Column(name, form=Form.INTERVAL if name in _WITH_ENDS else Form.NUMBER) for name in known)
    return {name: value for column in columns for name, value in column.records(known[column.name])}


def duration(value_s: Interval | None) -> Interval | None:
    """Return a time whose interval is cut at 0, because Student's t over few trials may give a negative end."""
    return value_s and replace(value_s, low=None if value_s.low is None else max(value_s.low, 0.0))


def in_ms(value_s: Interval | None) -> Interval | None:
    """Convert seconds to milliseconds, for sentences and charts."""
    if value_s is None:
        return None
    low, high = (None if end is None else end * 1e3 for end in (value_s.low, value_s.high))
    return Interval(value_s.mean * 1e3, low, high)


def unclaimed(figures: Iterable[Figures], statistics: Iterable[str]) -> str:
    """Return the statistics that rest on too few requests, with the number that a claim needs, or an empty text."""
    known = list(figures)
    weak = [name for name in statistics if any(f.response_s and not f.is_claim(name) for f in known)]
    return ", ".join(f"{name} {needed(name)}" for name in weak)
