"""Charts of live requests: response times and joules per request against the rate."""

from collections.abc import Sequence
from functools import partial

from farm.analysis.intervals import Interval
from farm.kinds.serving.columns import duration, in_ms
from farm.kinds.serving.figures import needed
from farm.kinds.serving.live.trials import Live, are_net, spelt_key
from farm.report.charts import by_kind, in_parts, in_rows
from farm.report.document import Figure
from farm.report.drawing import Value, chart, curves, ends, points, quantity, series, spans
from farm.report.layout import named
from farm.report.selection import KINDS_OF_JOULES, Selected


def figures(lives: Sequence[Live], selected: Selected) -> list[Figure]:
    """Draw response times and energy for each kind of joules, without saturated loads."""
    found = []
    kept = [one for one in lives if one.figures.response_s and not one.figures.is_saturated]
    left = " Saturated loads are left out." if len(kept) < len(lives) else ""
    caption = f"Mean with its 95 % interval over trials.{left} Hollow: every trial is flagged"
    for (domain, _, how), group in by_kind([one.work for one in kept], selected).items():
        members = [one for one in kept if any(one.work is work for work in group)]
        found += _times(members, caption)
        for word in ("gross", "net") if are_net(members) else ("gross",):
            energies = [_value(one, one.work.net_j if word == "net" else one.work.gross_j) for one in members]
            what = f"{domain.upper()} energy per request, {word}"
            found += _under_load(energies, what, f"{word} J per request", f"{caption}. Joules: {how}.")
    return found


def _times(members: Sequence[Live], caption: str) -> list[Figure]:
    mean, p99 = (
        [_value(one, in_ms(duration(one.figures.response_s[s])), not one.figures.is_claim(s)) for one in members]
        for s in ("mean", "p99")
    )
    few = f", or fewer than {needed('p99')} requests, which are too few to claim it"
    return [
        *_under_load(mean, "Mean response time", "ms, mean", f"{caption}."),
        *_under_load(p99, "99th percentile of the response time", "ms, p99", f"{caption}{few}."),
    ]


def _value(one: Live, value: Interval | None, is_doubtful: bool = False) -> Value:
    key = spelt_key(one)
    rest = {name: own for name, own in key.items() if name not in {"rate", *KINDS_OF_JOULES}}
    row = {"rate": one.rate_per_s, "at": key.get("rate"), "series": named(rest) or "all"}
    row |= {"hollow": is_doubtful or one.work.is_doubtful}
    return row | {"value": None if value is None else value.mean} | ends(value)


def _under_load(values: Sequence[Value], what: str, title: str, caption: str) -> list[Figure]:
    """Draw values against the rate, or a row for each load if there is only one rate."""
    drawn = [value for value in values if value["rate"] and value["value"] and value["value"] > 0]
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
