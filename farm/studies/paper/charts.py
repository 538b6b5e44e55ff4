"""The charts of live requests."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from farm.analysis.intervals import Interval
from farm.kinds.serving import results as live
from farm.kinds.serving.loads import in_ms
from farm.kinds.serving.simulated import Live
from farm.kinds.serving.times import needed
from farm.report.charts import by_kind, in_parts, in_rows
from farm.report.document import Figure
from farm.report.drawing import Value, chart, curves, ends, points, quantity, series, spans
from farm.report.layout import named
from farm.report.selection import KINDS_OF_JOULES


def of_serving(view: live.Results) -> list[Figure]:
    """Response times and joules a request, for each kind of joules; loads that saturate have no place in them."""
    found = []
    kept = [s for s in view.lives if s.figures.response_s and not s.figures.is_saturated]
    left = " Saturated loads are left out." if len(kept) < len(view.lives) else ""
    for (domain, _, how), group in by_kind([s.work for s in kept], view.selected).items():
        members = [s for s in kept if any(s.work is work for work in group)]
        caption = f"With 95 % interval over trials.{left} Hollow: every trial is flagged"
        for name, word in (("mean", "Mean response time"), ("p99", "99th percentile of the response time")):
            times = [_loaded(s, _drawn_ms(s.figures.response_s[name]), not s.figures.is_claim(name)) for s in members]
            few = f", or fewer than {needed(name)} requests, too few to claim it" if name != "mean" else ""
            found += _under_load(times, word, f"ms, {name}", f"{caption}{few}.")
        joules = {"gross": [s.work.gross_j for s in members], "net": [s.work.net_j for s in members]}
        for word in ("gross", "net") if live.are_net(members) else ("gross",):
            energies = [
                _loaded(s, value)
                for s, value in zip(members, joules[word], strict=True)
                if value is not None and value.mean > 0
            ]
            what = f"{domain.upper()} energy per request, {word}"
            found += _under_load(energies, what, f"{word} J per request", f"{caption}. Joules: {how}.")
    return found


def _drawn_ms(value_s: Interval) -> Interval | None:
    """No time is below 0, whatever few trials let an interval reach."""
    return in_ms(replace(value_s, low=None if value_s.low is None else max(value_s.low, 0.0)))


def _loaded(one: Live, value: Interval | None, is_doubtful: bool = False) -> Value:
    key = live.shown(one)
    rest = {name: own for name, own in key if name not in {"rate", *KINDS_OF_JOULES}}
    row = {"rate": one.rate_per_s, "at": dict(key).get("rate"), "series": named(rest) or "all"}
    row |= {"hollow": is_doubtful or one.work.is_doubtful}
    return row | {"value": None if value is None else value.mean} | ends(value)


def _under_load(values: Sequence[Value], what: str, title: str, caption: str) -> list[Figure]:
    """Against the rate; a row for each where there is one rate alone."""
    drawn = [value for value in values if value["rate"] and value["value"]]
    if len({value["at"] for value in drawn}) > 1:
        return in_parts(drawn, partial(_of_rate, f"{what}, against the rate", title, caption))
    rows = [value | {"row": value["series"], "series": ""} for value in drawn]
    return in_rows(rows, what, caption, title)


def _of_rate(what: str, title: str, caption: str, values: Sequence[Value]) -> Figure:
    ticks = {"values": sorted({value["rate"] for value in values}), "labelOverlap": "greedy", "grid": False}
    scale = {"type": "log", "nice": False, "padding": 12}
    x = quantity("rate", "requests a second", axis=ticks | {"format": "~g"}, scale=scale)
    y = quantity("value", title, (end for value in values for end in (value["low"], value["high"])))
    of = series(values)
    span = spans("y", x, of)
    span["encoding"]["y"] = y | {"field": "low"}
    return Figure(what, caption, chart(values, [span, curves(x, y, of), points(x, y, of)]))
