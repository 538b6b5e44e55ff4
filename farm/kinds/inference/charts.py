"""Charts of batches: energy, latency and throughput against batch size."""

from collections.abc import Sequence
from functools import partial

from farm.analysis.aggregate import P99_NEEDS, Summary
from farm.analysis.rules import may_rank_energy, stands_out
from farm.report.charts import by_kind, in_parts, in_rows, label
from farm.report.document import Figure
from farm.report.drawing import Value, batches, chart, curves, ends, points, quantity, series, spans
from farm.report.selection import Selected


def charts(summaries: Sequence[Summary], selected: Selected) -> list[Figure]:
    """Draw energy, latency and throughput against batch size, for each kind of joules."""
    found: list[Figure] = []
    for (domain, unit, how), group in by_kind(summaries, selected).items():
        energies, word = _energies(group)
        is_ranked = all(may_rank_energy(s.quality) for s in group)
        energy = "energy" if is_ranked else "energy, modelled,"
        title, caption = f"{word} J per {unit}", _caption(word, how)
        if len({value["batch"] for value in energies}) < 2:
            rowed = [value | {"row": value["series"], "value": value["j"], "series": ""} for value in energies]
            found += in_rows(rowed, f"{domain.upper()} {energy} per {unit}", caption, title)
            continue
        sized = [value for value in energies if value["batch"]]
        what = f"{domain.upper()} {energy} per {unit} against batch size"
        found += in_parts(sized, partial(_energy, title, what, caption))
        found += in_parts([value for s in group for value in _latencies(s)], _latency)
        trade = [value for value in sized if value["rate"]]
        better = "Right and below is better" if is_ranked else "Right is faster"
        caption = f"{better}. The numbers are batch sizes. Hollow: every trial is flagged. Joules: {how}."
        found += in_parts(trade, partial(_trade, unit, title, caption))
    return found


def _caption(word: str, how: str) -> str:
    gross = "" if word == "net" else " Gross energy, because some net energy is within its noise, or unknown."
    return f"Mean and 95 % interval over trials.{gross} Hollow: every trial is flagged. Joules: {how}."


def _energies(summaries: Sequence[Summary]) -> tuple[list[Value], str]:
    """Return the known net energies if all of them stand out of their noise, else the gross ones, and which it is."""
    is_net = all(stands_out(s.net_j) for s in summaries)
    found = [(s, s.net_j if is_net else s.gross_j) for s in summaries]
    values = [
        {"series": label(s, ["batch_size"]), "batch": _batch(s), "j": joules.mean, "rate": s.units_per_s}
        | {"hollow": s.is_doubtful}
        | ends(joules)
        for s, joules in found
        if joules is not None and joules.mean > 0
    ]
    return values, "net" if is_net else "gross"


def _energy(title: str, what: str, caption: str, values: Sequence[Value]) -> Figure:
    x, of = batches(values), series(values)
    reach = [end for value in values for end in (value["low"], value["high"])]
    y = quantity("j", title, reach)
    span = spans("y", x, of)
    span["encoding"]["y"] = y | {"field": "low"}
    return Figure(what, caption, chart(values, [span, curves(x, y, of), points(x, y, of)]))


def _latencies(summary: Summary) -> list[Value]:
    is_few = summary.batches < P99_NEEDS
    each = (("p50", summary.p50_s, False), ("p99", summary.p99_s, is_few))
    plain = {"series": label(summary, ["batch_size"]), "batch": _batch(summary)}
    return [
        plain | {"which": name, "ms": s * 1e3, "hollow": few}
        for name, s, few in each
        if s is not None and plain["batch"]
    ]


def _batch(summary: Summary) -> int | None:
    """Return the batch size if it can be drawn."""
    size = summary.labels.get("batch_size")
    return size if isinstance(size, int) and size > 0 else None


def _latency(values: Sequence[Value]) -> Figure:
    x, of = batches(values), series(values)
    y = quantity("ms", "ms per batch", (value["ms"] for value in values))
    line = curves(x, y, of)
    dashes = {"domain": ["p50", "p99"], "range": [[1, 0], [5, 3]]}
    line["encoding"]["strokeDash"] = {"field": "which", "type": "nominal", "scale": dashes, "legend": None}
    return Figure(
        "Latency of a batch against batch size",
        f"Median (solid) and 99th percentile (dashed). Hollow: fewer than {P99_NEEDS} batches, too few to claim it.",
        chart(values, [line, points(x, y, of)]),
    )


def _trade(unit: str, title: str, caption: str, values: Sequence[Value]) -> Figure:
    x = quantity("rate", f"{unit}s per second", (value["rate"] for value in values))
    y, of = quantity("j", title, (value["j"] for value in values)), series(values)
    sizes = {"mark": {"type": "text", "dy": -11, "fontSize": 10, "fill": "currentColor"}} | {
        "encoding": {"x": x, "y": y, "text": {"field": "batch"}}
    }
    line = curves(x, y, of, opacity=0.5)
    line["encoding"]["order"] = {"field": "batch"}
    return Figure(
        "Throughput against energy",
        caption,
        chart(values, [line, points(x, y, of), sizes]),
    )
