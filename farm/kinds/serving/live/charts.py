"""Charts of live requests: response times and joules per request against the rate."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from farm.analysis.intervals import Interval
from farm.analysis.rules import may_rank_energy
from farm.kinds.serving.columns import duration, in_ms
from farm.kinds.serving.figures import needed
from farm.kinds.serving.live.trials import Least, Live, are_net, least_energy, soonest, spelt_key
from farm.report.charts import by_kind, in_parts, in_rows, leader, sentences, shared, signs, stated, with_bars
from farm.report.document import Bar, Bars, Column, Figure, Form
from farm.report.drawing import Value, beside, chart, curves, ends, points, quantity, series, spans, within
from farm.report.layout import named
from farm.report.notes import doubt, less
from farm.report.numbers import number
from farm.report.selection import KINDS_OF_JOULES, Selected

#: Largest number of networks of which a caption says what is seen.
_MOST_SENTENCES = 3


@dataclass(frozen=True, slots=True)
class _Loads:
    """Loads whose joules are of one kind."""

    every: Sequence[Live]
    domain: str
    how: str  #: how joules were obtained

    @property
    def drawn(self) -> list[Live]:
        """Return the loads that a page shows: a saturated one has no response times, and no rate to stand at."""
        return [one for one in self.every if one.figures.response_s and not one.figures.is_saturated]


def figures(lives: Sequence[Live], selected: Selected) -> list[Figure]:
    """Draw response times and energy for each kind of joules, without saturated loads."""
    found: list[Figure] = []
    for (domain, _, how), group in by_kind([one.work for one in lives], selected).items():
        works = {id(work) for work in group}
        loads = _Loads([one for one in lives if id(one.work) in works], domain, how)
        same = shared([spelt_key(one) for one in loads.drawn])
        left = "Saturated loads are left out." if len(loads.drawn) < len(loads.every) else ""
        caption = sentences(stated(same), left)
        found += [*_times(loads, same, caption), *_energies(loads, same, caption)]
    return found


def _times(loads: _Loads, same: Collection[str], caption: str) -> list[Figure]:
    members = loads.drawn
    mean, p99 = (
        [_value(one, same, in_ms(_time(one, name)), is_few=not one.figures.is_claim(name)) for one in members]
        for name in ("mean", "p99")
    )
    few = f"Fewer than {needed('p99')} requests are too few to claim it, and hollow too."
    weak = few if not all(one.figures.is_claim("p99") for one in members) else ""
    seen = _seen(members, same, soonest, "answers soonest")
    drawn = _under_load(mean, "Mean response time", "ms, mean", sentences(seen, caption))
    column = Column("response_mean_s", "mean response time, ms", Form.MEAN, 1e3)
    bars = Bars(column, [_bar(one, _time(one, "mean")) for one in loads.every])
    least = _least_p99(members, same)
    more = _under_load(p99, "99th percentile of the response time", "ms, p99", sentences(least, caption, weak))
    return [*with_bars(drawn, bars), *more]


def _time(one: Live, statistic: str) -> Interval | None:
    """Return a response time in seconds; None if the load is saturated."""
    return None if one.figures.is_saturated else duration(one.figures.response_s.get(statistic))


def _least_p99(members: Sequence[Live], same: Collection[str]) -> str:
    """Return the load of the highest rate with the least 99th percentile, of those that may claim one."""
    sure = [one for one in members if one.figures.is_claim("p99") and not one.work.is_doubtful]
    highest = max((one.rate_per_s or 0.0 for one in sure), default=0.0)
    found = [
        (_spelt(one, same), value) for one in sure if one.rate_per_s == highest and (value := in_ms(_time(one, "p99")))
    ]
    return leader(found, "has the least 99th percentile", lambda value: f"{number(value.mean)} ms")


def _spelt(one: Live, but: Collection[str]) -> str:
    return named({name: value for name, value in spelt_key(one).items() if name not in {*KINDS_OF_JOULES, *but}})


def _energies(loads: _Loads, same: Collection[str], caption: str) -> list[Figure]:
    found, members = [], loads.drawn
    is_ranked = all(may_rank_energy(one.work.quality) for one in members)
    words = ("net", "gross") if are_net(members) else ("gross",)
    for word in words:
        joules = {id(one): one.work.net_j if word == "net" else one.work.gross_j for one in loads.every}
        seen = _seen(members, same, partial(least_energy, is_net=word == "net"), "takes the least energy")
        title, what = f"{word} J per request", f"{loads.domain.upper()} energy per request, {word}"
        rows = [_value(one, same, joules[id(one)]) for one in members]
        drawn = _under_load(rows, what, title, sentences(seen, caption), loads.how)
        column = Column("energy", f"{loads.domain} {title}", Form.NET_MEAN)
        bars = Bars(column, [_bar(one, joules[id(one)]) for one in loads.every])
        found += with_bars(drawn, bars) if is_ranked and word == words[0] else drawn
    return found


def _bar(one: Live, value: Interval | None) -> Bar:
    key = {name: own for name, own in spelt_key(one).items() if name not in KINDS_OF_JOULES}
    return Bar(key, value, one.work.is_doubtful)


def _seen(
    members: Sequence[Live], same: Collection[str], find: Callable[[Sequence[Live]], Least | None], verb: str
) -> str:
    """Return the policy that is best under the highest load of each network, and whether that is sure."""
    loads: dict[object, list[Live]] = {}
    for one in members:
        rest = tuple((name, value) for name, value in one.work.key if name not in {"policy", "rate_per_s"})
        loads.setdefault(rest, []).append(one)
    said = []
    for alike in loads.values():
        highest = max(one.rate_per_s or 0.0 for one in alike)
        found = find([one for one in alike if (one.rate_per_s or 0.0) == highest])
        if found is not None:
            best, rival = (dict(one.work.key).get("policy") for one in (found.best, found.next))
            who = named({name: v for name, v in spelt_key(found.best).items() if name not in {"policy", *same}})
            lead = f"{best} {verb}, {less(found.lead, str(rival))}{doubt(found.is_clear)}."
            said.append(f"{who}: {lead}" if who else lead)
    return " ".join(said[:_MOST_SENTENCES])


def _value(one: Live, same: Collection[str], value: Interval | None, is_few: bool = False) -> Value:
    key = spelt_key(one)
    row = {"rate": one.rate_per_s, "at": key.get("rate"), "series": _spelt(one, {"rate", *same}) or "all"}
    row |= {"hollow": is_few or one.work.is_doubtful}
    return row | {"value": None if value is None else value.mean} | ends(value)


def _under_load(values: Sequence[Value], what: str, title: str, caption: str, how: str = "") -> list[Figure]:
    """Draw values against the rate, or a row for each load if there is only one rate."""
    drawn = [value for value in values if value["rate"] and value["value"] and value["value"] > 0]
    if len({value["at"] for value in drawn}) > 1:
        return in_parts(drawn, partial(_of_rate, f"{what}, against the rate", title, caption, how))
    rows = [value | {"row": value["series"], "series": ""} for value in drawn]
    return in_rows(rows, what, caption, title, how)


def _of_rate(what: str, title: str, caption: str, how: str, found: Sequence[Value]) -> Figure:
    values = beside(within(found, "value"), "rate")
    ticks = {"values": sorted({value["rate"] for value in values}), "labelOverlap": "greedy", "grid": False}
    scale = {"type": "log", "nice": False, "padding": 12}
    x = quantity("at", "requests a second", axis=ticks | {"format": "~g"}, scale=scale)
    y, of = quantity("value", title, values), series(values)
    layers = [*spans(values, x, y, of), curves(x, y, of), points(x, y, of)]
    return Figure(what, sentences(caption, signs(values, how)), chart(values, layers))
