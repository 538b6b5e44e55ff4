"""Charts of batches: energy or time, latency and throughput against batch size."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from farm.analysis.across import Figure as Compared
from farm.analysis.aggregate import P99_NEEDS, Group, Key, Summary
from farm.analysis.best import Saving, best_batches
from farm.analysis.intervals import Interval, mean_interval
from farm.analysis.rules import may_rank_energy, stands_out
from farm.model import Scalar
from farm.report import notes
from farm.report.charts import bar, by_kind, in_parts, in_rows, label, sentences, shared, signs, stated, with_bars
from farm.report.document import Bars, Column, Figure, Form
from farm.report.drawing import (
    Value,
    batches,
    beside,
    chart,
    curves,
    ends,
    points,
    quantity,
    series,
    spans,
    texts,
    within,
)
from farm.report.layout import named
from farm.report.numbers import number, several
from farm.report.selection import Selected

#: A caption says so many savings one by one.
_MOST_SAVINGS = 3


@dataclass(frozen=True, slots=True)
class _Response:
    """A figure of each configuration, per unit of work."""

    what: str  #: the name of its chart
    title: str  #: the title of its axis
    column: Column
    values: Sequence[tuple[Summary, Interval | None]]
    same: Mapping[str, Scalar]  #: the labels that all values share
    how: str = ""  #: how joules were obtained

    @property
    def bars(self) -> Bars:
        """Return the figure as bars."""
        return Bars(self.column, [bar(summary, value) for summary, value in self.values])

    @property
    def drawn(self) -> list[Value]:
        """Return the values that a chart can show."""
        return [
            {"series": label(s, ["batch_size", *self.same]), "hollow": s.is_doubtful}
            | {"batch": _batch(s), "rate": s.units_per_s}
            | {"value": value.mean * self.column.scale}
            | ends(value, self.column.scale)
            for s, value in self.values
            if value is not None and value.mean > 0
        ]


def charts(groups: Sequence[Group], selected: Selected) -> list[Figure]:
    """Draw energy (time where joules are modelled), latency and throughput, for each kind of joules."""
    found: list[Figure] = []
    by_summary = {id(group.summary): group for group in groups}
    savings = best_batches(groups)
    for (domain, unit, how), own in by_kind([group.summary for group in groups], selected).items():
        same = shared([summary.labels for summary in own])
        energy = _energy(own, same, domain, unit, how)
        known = {id(summary) for summary in own}
        seen = _seen([(rest, saving) for rest, saving in savings if id(saving.best) in known], energy.title)
        is_ranked = bool(energy.drawn) and all(may_rank_energy(s.quality) for s in own)
        if is_ranked:
            found += with_bars(_against(energy, seen), energy.bars)
        else:
            time = _time([by_summary[id(s)] for s in own], same, unit)
            found += [*with_bars(_against(time, seen), time.bars), *_against(energy, "")]
        if len({size for s in own if (size := _batch(s))}) < 2:
            continue
        latencies = [value for s in own for value in _latencies(s, same)]
        found += in_parts(latencies, partial(_latency, stated(same)))
        trade = [value for value in energy.drawn if value["rate"] and value["batch"]]
        better = "Right and below is better" if is_ranked else "Right is faster"
        caption = sentences(f"{better}. The numbers are the smallest and the largest batch.", stated(same))
        found += in_parts(trade, partial(_trade, unit, energy.title, caption, how))
    return found


def _energy(summaries: Sequence[Summary], same: Mapping[str, Scalar], domain: str, unit: str, how: str) -> _Response:
    """Return the net energies if all of them stand out of their noise, else the gross ones."""
    is_net = all(stands_out(s.net_j) for s in summaries)
    title = f"{'net' if is_net else 'gross'} J per {unit}"
    modelled = "" if all(may_rank_energy(s.quality) for s in summaries) else ", modelled,"
    return _Response(
        what=f"{domain.upper()} energy{modelled} per {unit}",
        title=title,
        column=Column("energy", f"{domain} {title}", Form.NET_MEAN),
        values=[(s, s.net_j if is_net else s.gross_j) for s in summaries],
        same=same,
        how=how if is_net else f"{how}; gross, because some net energy is within its noise, or unknown",
    )


def _time(groups: Sequence[Group], same: Mapping[str, Scalar], unit: str) -> _Response:
    known = [[s.seconds for s in group.samples if s.seconds is not None] for group in groups]
    values = [(group.summary, mean_interval(own) if own else None) for group, own in zip(groups, known, strict=True)]
    title = f"ms per {unit}"
    return _Response(f"Time per {unit}", title, Column("time", title, Form.MEAN, 1e3), values, same)


def _against(of: _Response, seen: str) -> list[Figure]:
    """Draw a figure against batch size, or a row for each configuration if there is only one size."""
    drawn, caption = of.drawn, sentences(seen, stated(of.same))
    if len({value["batch"] for value in drawn}) < 2:
        rowed = [value | {"row": value["series"], "series": ""} for value in drawn]
        return in_rows(rowed, of.what, caption, of.title, of.how)
    sized = [value for value in drawn if value["batch"]]
    return in_parts(sized, partial(_of_batch, of, caption))


def _of_batch(of: _Response, caption: str, found: Sequence[Value]) -> Figure:
    values = beside(within(found, "value"), "batch")
    x, y, each = batches(values), quantity("value", of.title, values), series(values)
    layers = [*spans(values, x, y, each), curves(x, y, each), points(x, y, each)]
    return Figure(f"{of.what} against batch size", sentences(caption, signs(values, of.how)), chart(values, layers))


def _seen(savings: Sequence[tuple[Key, Saving]], title: str) -> str:
    """Return how much less the best batch size needs than the smallest one; `title` is that of the drawn energies."""
    if len(savings) <= _MOST_SAVINGS:
        return " ".join(_saving(rest, saving, title) for rest, saving in savings)
    sure = sorted(((s.ratio.mean, named(dict(rest))) for rest, s in savings if _is_sure(s)), reverse=True)
    if not sure:
        return f"In none of {several(len(savings), 'row')} is the best batch surely better than the smallest."
    (least, first), (most, last) = sure[0], sure[-1]
    many = f"In {len(sure)} of {several(len(savings), 'row')} the best batch surely needs less than the smallest"
    return f"{many}, by {1 - least:.0%} ({first}) to {1 - most:.0%} ({last})."


def _saving(rest: Key, saving: Saving, title: str) -> str:
    best, smallest = (f"batch {s.labels['batch_size']}" for s in (saving.best, saving.reference))
    who = named(dict(rest)) or "all"
    if best == smallest:
        return f"{who}: {best} is the best that was seen{notes.doubt(saving.is_clear)}."
    doubt = "" if _is_sure(saving) else f"; {notes.UNSURE[None if saving.ratio.high is None else False]}"
    if saving.figure is Compared.SECONDS:
        return f"{who}: {best} is {notes.faster(saving.ratio, f'as fast as {smallest}')}{doubt}."
    joules = saving.best.net_j if saving.figure is Compared.NET else saving.best.gross_j
    drawn = f"{number(joules.mean)} {title}, " if joules and title.startswith(saving.figure) else ""
    other = "" if drawn else f" ({saving.figure} energy)"
    return f"{who}: {best} needs {drawn}{notes.less(saving.ratio, smallest)}{other}{doubt}."


def _is_sure(saving: Saving) -> bool:
    """Return True if the best batch size is surely better than the smallest one."""
    return saving.best.key != saving.reference.key and saving.ratio.high is not None and saving.ratio.high < 1


def _latencies(summary: Summary, same: Collection[str]) -> list[Value]:
    is_few = summary.batches < P99_NEEDS
    each = (("p50", summary.p50_s, False), ("p99", summary.p99_s, is_few))
    plain = {"series": label(summary, ["batch_size", *same]), "batch": (size := _batch(summary)), "at": size}
    plain["doubtful"] = summary.is_doubtful
    return [plain | {"which": name, "ms": s * 1e3, "hollow": few} for name, s, few in each if s is not None and size]


def _batch(summary: Summary) -> int | None:
    """Return the batch size if it can be drawn."""
    size = summary.labels.get("batch_size")
    return size if isinstance(size, int) and size > 0 else None


def _latency(caption: str, values: Sequence[Value]) -> Figure:
    x, of = batches(values), series(values)
    y = quantity("ms", "ms per batch", values)
    line = curves(x, y, of)
    dashes = {"domain": ["p50", "p99"], "range": [[1, 0], [5, 3]]}
    line["encoding"]["strokeDash"] = {"field": "which", "type": "nominal", "scale": dashes, "legend": None}
    few = f"Hollow: fewer than {P99_NEEDS} batches, too few to claim it." if any(v["hollow"] for v in values) else ""
    return Figure(
        "Latency of a batch against batch size",
        sentences(_growth(values), caption, "Solid: median; dashed: 99th percentile.", few),
        chart(values, [line, points(x, y, of)]),
    )


def _growth(values: Sequence[Value]) -> str:
    """Return how many times longer the median of the largest batch is than the smallest's; of flagged rows nothing."""
    medians: dict[str, dict[int, float]] = {}
    for value in values:
        if value["which"] == "p50" and not value["doubtful"]:
            medians.setdefault(value["series"], {})[value["batch"]] = value["ms"]
    times = [_ratio(own) for own in medians.values() if len(own) > 1 and own[min(own)]]
    if not times:
        return ""
    spread = " to ".join(dict.fromkeys(number(end, 2) for end in (min(times), max(times))))
    return f"The median of the largest batch is {spread} times that of the smallest."


def _ratio(by_batch: Mapping[int, float]) -> float:
    return by_batch[max(by_batch)] / by_batch[min(by_batch)]


def _trade(unit: str, title: str, caption: str, how: str, values: Sequence[Value]) -> Figure:
    x = quantity("rate", f"{unit}s per second", [{"rate": value["rate"]} for value in values])
    y, of = quantity("value", title, [{"value": value["value"]} for value in values]), series(values)
    sizes = texts(_ends_of_series(values), {"x": x, "y": y, "text": {"field": "batch"}}, dy=-11)
    line = curves(x, y, of, opacity=0.5)
    line["encoding"]["order"] = {"field": "batch"}
    means = [value | {"low": None} for value in values]
    return Figure(
        "Throughput against energy",
        sentences(caption, signs(means, how)),
        chart(values, [line, points(x, y, of), *sizes]),
    )


def _ends_of_series(values: Sequence[Value]) -> list[Value]:
    """Return the smallest and the largest batch of each series; the numbers of all would cover each other."""
    by_series: dict[str, list[Value]] = {}
    for value in sorted(values, key=lambda value: int(value["batch"])):
        by_series.setdefault(value["series"], []).append(value)
    return [end for own in by_series.values() for end in (own[0], own[-1])]
