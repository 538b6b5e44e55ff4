"""How response times and joules under a load are told, simulated or live."""

from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import STATISTICS, Figures
from farm.model import Scalar
from farm.report.numbers import UNKNOWN, count, milliseconds, net, number
from farm.report.results import ends

#: The response times of a table.
SHOWN = ("mean", "p50", "p95", "p99", "max")
HEADINGS = (
    "ms\nmean",
    "\np50",
    "\np95",
    "\np99",
    "\nmax",
    "\nbatch",
    "\nload",
    "J\ngross",
    "J\nnet",
)


def cells(figures: Figures) -> list[str]:
    """A row of a table, as `HEADINGS` has it."""
    return [
        *(time_cell(figures, statistic) for statistic in SHOWN),
        count(figures.mean_batch),
        f"{figures.load:.2f}" if figures.load < 1 else f"{number(figures.load)}!",
        joules(figures.gross_j),
        joules(figures.net_j),
    ]


def time_cell(figures: Figures, statistic: str) -> str:
    """A response time in ms; a dash where the queue grows for ever, or nothing was served."""
    if figures.is_saturated or not figures.response_s:
        return UNKNOWN
    mark = "" if figures.is_claim(statistic) else "*"
    return f"{milliseconds(figures.response_s[statistic].mean)}{mark}"


def joules(value: Interval | None) -> str:
    """Without its interval; a bound where it may be nothing."""
    if value is None:
        return UNKNOWN
    return net(value) if value.low is not None and value.low <= 0 else number(value.mean)


def in_ms(value_s: Interval | None) -> Interval | None:
    """Seconds as milliseconds."""
    if value_s is None:
        return None
    low, high = (None if end is None else end * 1e3 for end in (value_s.low, value_s.high))
    return Interval(value_s.mean * 1e3, low, high)


def lasting(name: str, value_s: Interval | None) -> dict[str, Scalar]:
    """A time as three columns. Student's t over few trials reaches below 0, where no time can be: it is cut there."""
    if value_s is None or value_s.low is None:
        return ends(name, value_s)
    return ends(name, Interval(value_s.mean, max(value_s.low, 0.0), value_s.high))


def figures_record(figures: Figures) -> dict[str, Scalar]:
    """Flat, SI units in the names; of a queue that grows for ever no times."""
    times = {} if figures.is_saturated else figures.response_s
    response_s = (lasting(f"response_{name.replace('.', '_')}_s", times.get(name)) for name in STATISTICS)
    drawn = {"interpolated_share": figures.interpolated, "timed_batches": figures.timed}
    return {
        "requests": figures.requests,
        "unserved": figures.unserved,
        "load": figures.load,
        "saturated": figures.is_saturated,
        **{name: value for statistic in response_s for name, value in statistic.items()},
        **lasting("service_s", figures.service_s),
        "mean_batch": figures.mean_batch,
        "batches_by_size": ";".join(f"{size}:{number}" for size, number in figures.batches.items()),
        "utilisation": figures.utilisation,
        **(drawn if figures.timed is not None else {}),
        **ends("gross_j_per_request", figures.gross_j),
        **ends("net_j_per_request", figures.net_j),
    }
