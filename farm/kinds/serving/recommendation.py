"""Which network and batch policy to serve with, in words and tables: for `farm recommend`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Key
from farm.errors import InputError
from farm.kinds.serving.figures import REQUESTS
from farm.kinds.serving.loads import figures_record, joules, time_cell
from farm.kinds.serving.measured import HOW, Served, served
from farm.kinds.serving.recommend import WORTHWHILE, Advice, Candidate, Limit, Limits, Price, advise, candidates
from farm.kinds.serving.simulated import Arrivals, Figures
from farm.load.rates import spelt_per_s
from farm.model import Quality, Scalar, SweepData
from farm.report.grids import named
from farm.report.numbers import UNKNOWN, interval, milliseconds, number, percent
from farm.report.selection import Selection

#: Rows of the front that a terminal shows; JSON has all.
LONGEST_FRONT = 12


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to serve with, on each machine and device."""

    served: Served
    arrivals: Arrivals
    limits: Limits
    found: Sequence[Candidate]
    advice: Sequence[Advice]

    def rendered(self) -> RenderableType:
        """The answer first; then networks, prices and front of each machine; then what a reader must know."""
        answers = [part for a in self.advice for part in (*(Text(line) for line in self.answer(a)), Text())]
        caption = [*self.served.selected.caption(), self._load(), ""]
        tables = [part for a in self.advice for part in self._tables(a)]
        footnotes = [Text(note, style="dim") for note in self._footnotes()]
        return Group(*answers, Text("\n".join(caption)), *tables, *footnotes)

    def answer(self, advice: Advice) -> list[str]:
        """What to do, in a sentence, and what speaks against it."""
        where = named(dict(self.served.place(advice.place)))
        rate = spelt_per_s(self.arrivals.rate_per_s, " requests")
        wanted = f"{rate} on {where}, within {_and(str(li) for li in self.limits)}"
        if advice.best is None:
            return [f"{wanted}: nothing meets that. {self._nearest(advice)} ({HOW})."]
        best = advice.best
        times = _and(f"{li.statistic} {time_cell(best.figures, li.statistic)} ms" for li in self.limits)
        modelled = " (modelled)" if best.service.quality is Quality.MODELLED else ""
        return [
            f"{wanted}: {_name(best.network)}, {best.policy.in_words}, takes the least energy, "
            f"{interval(best.gross_j)} J gross a request, {joules(best.figures.net_j)} net{modelled}; {times} ({HOW}).",
            *([self._by_trial(advice.by_trial)] if len(advice.by_trial) > 1 else []),
            *([self._faster(advice.faster)] if advice.faster else []),
            *([_tie(advice.rivals)] if advice.rivals else []),
        ]

    def _by_trial(self, figures: Sequence[Figures]) -> str:
        times = _and(_range(figures, limit) for limit in self.limits)
        misses = any(not _is_within(f, limit) for f in figures for limit in self.limits)
        verdict = "some of them miss the limit" if misses else "all of them in time"
        return f"With the batches of each of {len(figures)} trials alone: {times}, {verdict}."

    def _faster(self, other: Candidate) -> str:
        times = _and(f"{li.statistic} {time_cell(other.figures, li.statistic)} ms" for li in self.limits)
        return f"{other.policy} is faster, {times}, and may take no more: the intervals overlap."

    def _nearest(self, advice: Advice) -> str:
        near = [c for c in advice.nearest.values() if c is not None]
        if not near:
            fastest = advice.fastest
            most = number(fastest.capacity_per_s)
            return f"None keeps up: the fastest, {_name(fastest.network)} with {fastest.policy}, serves {most}/s"
        nearest = min(near, key=lambda c: c.excess(self.limits))
        times = _and(f"{li.statistic} {time_cell(nearest.figures, li.statistic)} ms" for li in self.limits)
        what = f"{_name(nearest.network)}, {nearest.policy.in_words}"
        return f"Nearest is {what}: {times}, {interval(nearest.gross_j)} J gross a request"

    def _load(self) -> str:
        policies = len({str(c.policy) for c in self.found})
        tried = f"{policies} policies, {self.found[0].figures.requests} requests each"
        return f"{self.arrivals} arrivals, {spelt_per_s(self.arrivals.rate_per_s)}; {tried}"

    def _tables(self, advice: Advice) -> list[RenderableType]:
        heading: list[RenderableType] = [Text(named(dict(advice.place)), style="bold")] if advice.place else []
        shown = [c for network in advice.by_network for c in [advice.by_network[network] or advice.nearest[network]]]
        networks = zip(advice.by_network, shown, strict=True)
        parts = [*heading, Text("The best policy of each network"), self._candidates(networks)]
        if any(price.best for price in advice.prices):
            parts += [
                Text("The price of time: the least energy under tighter and wider limits"),
                _prices(advice.prices),
            ]
        if advice.front:
            buys = f"accuracy, or {percent(WORTHWHILE)} off the {self.limits[0].statistic}"
            front = ((c.network, c) for c in advice.front[:LONGEST_FRONT])
            parts += [Text(f"Front: more energy buys {buys}"), self._candidates(front)]
        return parts

    def _candidates(self, rows: Iterable[tuple[Key, Candidate | None]]) -> Table:
        times = [f"{limit.statistic}\nms" for limit in self.limits]
        out = _table(["\nnetwork", "top-1\n%", *times, "gross J\n/request", "net J\n/request", "\npolicy"])
        for network, candidate in rows:
            out.add_row(_name(network), *self._cells(candidate))
        out.add_row()
        return out

    def _cells(self, candidate: Candidate | None) -> list[str]:
        if candidate is None:
            return [*[UNKNOWN] * (len(self.limits) + 3), "none keeps up"]
        figures = candidate.figures
        return [
            number(candidate.accuracy),
            *(self._time(candidate, index) for index in range(len(self.limits))),
            interval(candidate.gross_j),
            joules(figures.net_j),
            str(candidate.policy),
        ]

    def _time(self, candidate: Candidate, index: int) -> str:
        limit = self.limits[index]
        return f"{time_cell(candidate.figures, limit.statistic)}{'' if candidate.meets([limit]) else '>'}"

    def _footnotes(self) -> list[str]:
        figures = [c.figures for c in self.found]
        own = ["gross: with the idle between batches; the least of it decides. net: above idle."]
        if any(None in a.by_network.values() for a in self.advice) or self._front_exceeds():
            own.append("> above the limit, with its interval.")
        cut = max(len(a.front) for a in self.advice) - LONGEST_FRONT
        if cut > 0:
            own.append(f"The front goes on for {cut} more: --json has them.")
        return [*own, *self.served.footnotes(figures, [limit.statistic for limit in self.limits])]

    def _front_exceeds(self) -> bool:
        return any(not c.meets(self.limits) for a in self.advice for c in a.front[:LONGEST_FRONT])

    def records(self) -> list[dict[str, Scalar]]:
        """For csv and parquet: the best or nearest policy of each network, the prices, the front."""
        return [{**dict(self.served.place(a.place)), **row} for a in self.advice for row in _rows(a)]

    def record(self) -> dict[str, Any]:
        """For json, which has the answer besides."""
        return {
            "sweep": self.served.selected.sweep.id,
            "arrivals": str(self.arrivals),
            "rate_per_s": self.arrivals.rate_per_s,
            "limits_s": {limit.statistic: limit.at_most_s for limit in self.limits},
            "response_times": "simulated",
            "advice": [self._advice_record(advice) for advice in self.advice],
            "notes": self._footnotes(),
        }

    def _advice_record(self, advice: Advice) -> dict[str, Any]:
        service = advice.fastest.service
        return {
            **dict(self.served.place(advice.place)),
            "quality": service.quality.value if service.quality else None,
            "simulated": service.simulated,
            "answer": " ".join(self.answer(advice)),
            "best": advice.best and _record(advice.best),
            "best_by_trial": [figures_record(figures) for figures in advice.by_trial],
            "faster": advice.faster and _record(advice.faster),
            "rivals": [_record(rival) for rival in advice.rivals],
            "networks": [
                {
                    **dict(network),
                    "meets": best is not None,
                    "best": best and _record(best),
                    "nearest": near and _record(near),
                }
                for network, best in advice.by_network.items()
                for near in [advice.nearest.get(network)]
            ],
            "prices": [
                {
                    "factor": price.factor,
                    "limits_s": {limit.statistic: limit.at_most_s for limit in price.limits},
                    "best": price.best and _record(price.best),
                }
                for price in advice.prices
            ],
            "front": [_record(candidate) for candidate in advice.front],
        }


def recommendation(
    data: SweepData,
    selection: Selection,
    arrivals: Arrivals,
    limits: Limits,
    requests: int = REQUESTS,
    seed: int = 1,
) -> Recommendation:
    """Simulate every policy of every network of a sweep; raises InputError where no joules are known."""
    sweep_served = served(data, selection)
    found = candidates(sweep_served.services, arrivals, limits, sweep_served.accuracy, requests, seed)
    if not found:
        raise InputError(f"{data.record.name}: no joules are known: `farm doctor` says what is missing")
    return Recommendation(sweep_served, arrivals, limits, found, advise(found, arrivals, tuple(limits), requests, seed))


def _rows(advice: Advice) -> Iterator[dict[str, Scalar]]:
    for network, best in advice.by_network.items():
        shown = best or advice.nearest[network]
        yield {"row": "network", "meets": best is not None, **dict(network), **(_record(shown) if shown else {})}
    for price in advice.prices:
        yield {"row": "price", "factor": price.factor, **(_record(price.best) if price.best else {})}
    yield from ({"row": "front", **_record(candidate)} for candidate in advice.front)


def _prices(prices: Sequence[Price]) -> Table:
    asked = next((price.best for price in prices if price.factor == 1), None)
    limits = [f"{limit.statistic} ≤\nms" for limit in prices[0].limits]
    out = _table(["\nlimit", *limits, "gross J\n/request", "of the\nasked", "net J\n/request", "\nwith"])
    for price in prices:
        cells = (f"x {price.factor:g}", *(milliseconds(limit.at_most_s) for limit in price.limits))
        if price.best is None:
            out.add_row(*cells, UNKNOWN, UNKNOWN, UNKNOWN, "nothing meets that")
        else:
            share = percent(price.best.gross_j.mean / asked.gross_j.mean) if asked is not None else UNKNOWN
            what = f"{_name(price.best.network)} {price.best.policy}"
            out.add_row(*cells, interval(price.best.gross_j), share, joules(price.best.figures.net_j), what)
    out.add_row()
    return out


def _table(headings: Sequence[str]) -> Table:
    """Words in the first and the last column, which may take lines; figures between."""
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    out.add_column(headings[0], overflow="fold")
    for heading in headings[1:-1]:
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column(headings[-1], overflow="fold")
    return out


def _range(figures: Sequence[Figures], limit: Limit) -> str:
    known = [f.response_s[limit.statistic].mean for f in figures if not f.is_saturated]
    if len(known) < len(figures):
        return f"{limit.statistic} without bound"
    return f"{limit.statistic} {milliseconds(min(known))} to {milliseconds(max(known))} ms"


def _is_within(figures: Figures, limit: Limit) -> bool:
    return not figures.is_saturated and figures.response_s[limit.statistic].mean <= limit.at_most_s


def _tie(rivals: Sequence[Candidate]) -> str:
    others = _and(dict.fromkeys(_name(rival.network) for rival in rivals))
    return f"{others} may take no more: the intervals overlap or are unknown, more repetitions would tell."


def _name(network: Key) -> str:
    return named(dict(network))


def _and(parts: Iterable[str]) -> str:
    """a; a and b; a, b and c."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _record(candidate: Candidate) -> dict[str, Scalar]:
    return {
        **dict(candidate.network),
        "policy": str(candidate.policy),
        "published_top1_percent": candidate.accuracy,
        "capacity_per_s": candidate.capacity_per_s,
        **figures_record(candidate.figures),
    }
