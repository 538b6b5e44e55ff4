"""`farm recommend`: the network and batch policy to serve with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farm.analysis.aggregate import Key
from farm.kinds.serving import columns
from farm.kinds.serving.columns import in_ms, time_name
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.recommended.choice import (
    MOST_TRIALS,
    WORTHWHILE,
    Advice,
    Candidate,
    Limit,
    Limits,
    Price,
    advise,
    candidates,
)
from farm.kinds.serving.simulated.assess import REQUESTS
from farm.kinds.serving.simulated.batches import HOW, MeasuredServices, measured_services
from farm.load.arrivals import Arrivals
from farm.load.rates import spelt_per_s
from farm.model import Scalar, SweepData
from farm.model.errors import InputError
from farm.report.document import Block, Column, Document, Findings, Form, Heading, Record, Row, Table, notes, paragraphs
from farm.report.layout import named
from farm.report.notes import MODELLED, SECONDS_DECIDE
from farm.report.numbers import interval, milliseconds, net_mean, number, percent
from farm.report.selection import Selection

#: Largest number of rows of the front in a table; JSON has all.
LONGEST_FRONT = 12
_GROSS = Column("gross_j_per_request", "gross J\n/request", Form.POSITIVE)
_NET = Column("net_j_per_request", "net J\n/request", Form.NET_MEAN)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Candidates, and advice for each machine and device."""

    served: MeasuredServices
    arrivals: Arrivals
    limits: Limits
    found: Sequence[Candidate]
    advice: Sequence[Advice]


def recommend(
    data: SweepData, selection: Selection, arrivals: Arrivals, limits: Limits, requests: int = REQUESTS, seed: int = 1
) -> Recommendation:
    """Simulate every policy of every network of a sweep, and choose the best.

    Raises:
        InputError: no batches were measured, or no joules are known.
    """
    sweep_served = measured_services(data, selection)
    found = candidates(sweep_served.services, arrivals, limits, sweep_served.accuracy, requests, seed)
    if not found:
        raise InputError(f"{data.record.name}: no joules are known: `farm doctor` shows what is missing")
    return Recommendation(sweep_served, arrivals, limits, found, advise(found, arrivals, tuple(limits), requests, seed))


def document(found: Recommendation) -> Document:
    """Return the answer, then networks, prices and front of each machine, then notes."""
    policies = len({str(c.policy) for c in found.found})
    load = f"{found.arrivals} arrivals, {spelt_per_s(found.arrivals.rate_per_s)}"
    tried = f"{policies} policies tried, {found.found[0].figures.requests} requests each"
    answers = [sentence for advice in found.advice for sentence in answer(found, advice)]
    return Document(
        [
            Findings(answers),
            Heading("What it rests on"),
            *paragraphs([*found.served.selected.caption(), f"{load}; {tried}"]),
            *(block for advice in found.advice for block in _tables(found, advice)),
            *notes(_notes(found)),
        ],
        rows=[{**dict(found.served.place(a.place)), **row} for a in found.advice for row in _rows(a)],
        record=_whole_record(found),
    )


def answer(found: Recommendation, advice: Advice) -> list[str]:
    """Return sentences with the best choice on one machine, and with what limits it."""
    limits = found.limits
    where = named(dict(found.served.place(advice.place)))
    rate = spelt_per_s(found.arrivals.rate_per_s, " requests")
    wanted = f"{rate} on {where}, within {_join(map(str, limits))}"
    best = advice.best
    if best is None:
        return [f"{wanted}: no policy meets the limits. {_nearest(advice, limits)} ({HOW})."]
    cost, least = _cost(advice), f"{interval(best.gross_j)} J gross a request, {net_mean(best.figures.net_j)} net"
    if not best.is_ranked_by_energy:
        least = f"{interval(in_ms(best.cost))} ms a request, since {MODELLED}"
    sentences = [
        f"{wanted}: {_name(best.network)}, {best.policy.in_words}, takes the least {cost}, {least}; "
        f"{_times(best.figures, limits)} ({HOW})."
    ]
    if len(advice.by_trial) > 1:
        sentences.append(_by_trial(advice.by_trial, limits))
    if other := advice.faster:
        times = _times(other.figures, limits)
        sentences.append(
            f"{other.policy} is faster, {times}, and may take no more {cost}: the difference may be chance."
        )
    if advice.rivals:
        others = _join(dict.fromkeys(_name(rival.network) for rival in advice.rivals))
        sentences.append(
            f"Cannot tell yet whether {others} would take more {cost}: the difference may be chance, or has no "
            "interval. Add repetitions."
        )
    return sentences


def _by_trial(figures: Sequence[Figures], limits: Limits) -> str:
    times = _join(_range(figures, limit) for limit in limits)
    misses = any(not _is_within(f, limit) for f in figures for limit in limits)
    verdict = "some of them miss the limits" if misses else "all of them in time"
    first = "the first " if len(figures) == MOST_TRIALS else ""
    return f"With the batches of each of {first}{len(figures)} trials alone: {times}, {verdict}."


def _range(figures: Sequence[Figures], limit: Limit) -> str:
    known = [f.response_s[limit.statistic].mean for f in figures if not f.is_saturated]
    if len(known) < len(figures):
        return f"{limit.statistic} without bound"
    return f"{limit.statistic} {milliseconds(min(known))} to {milliseconds(max(known))} ms"


def _is_within(figures: Figures, limit: Limit) -> bool:
    return not figures.is_saturated and figures.response_s[limit.statistic].mean <= limit.at_most_s


def _nearest(advice: Advice, limits: Limits) -> str:
    near = [c for c in advice.nearest.values() if c is not None]
    if not near:
        fastest = advice.fastest
        most = number(fastest.capacity_per_s)
        return f"None keeps up: the fastest, {_name(fastest.network)} with {fastest.policy}, serves {most}/s"
    nearest = min(near, key=lambda c: c.excess(limits))
    what = f"{_name(nearest.network)}, {nearest.policy.in_words}"
    joules = f", {interval(nearest.gross_j)} J gross a request" if nearest.is_ranked_by_energy else ""
    return f"The nearest is {what}: {_times(nearest.figures, limits)}{joules}"


def _times(figures: Figures, limits: Limits) -> str:
    marks, statistics = columns.marks(figures), [limit.statistic for limit in limits]
    each = ((name, figures.response_s[name].mean, marks.get(time_name(name), "")) for name in statistics)
    return _join(f"{name} {milliseconds(mean_s)}{mark} ms" for name, mean_s, mark in each)


def _tables(found: Recommendation, advice: Advice) -> Iterator[Block]:
    if advice.place:
        yield Heading(named(dict(advice.place)))
    shown = [(network, best or advice.nearest[network]) for network, best in advice.by_network.items()]
    yield _table("The best policy of each network", shown, found.limits)
    if any(price.best for price in advice.prices):
        yield _prices(advice.prices, _cost(advice))
    if advice.front:
        buys = f"accuracy, or {percent(WORTHWHILE)} off the {found.limits[0].statistic}"
        front = [(c.network, c) for c in advice.front[:LONGEST_FRONT]]
        yield _table(f"Front: more {_cost(advice)} gives {buys}", front, found.limits)


def _table(caption: str, rows: Iterable[tuple[Key, Candidate | None]], limits: Limits) -> Table:
    shown = (
        Column("network", "\nnetwork", Form.TEXT),
        Column("published_top1_percent", "top-1\n%"),
        *(Column(time_name(limit.statistic), f"{limit.statistic}\nms", scale=1e3) for limit in limits),
        _GROSS,
        _NET,
        Column("policy", "\npolicy", Form.TEXT),
    )
    return Table(shown, [_row(network, candidate, limits) for network, candidate in rows], caption, is_flat=True)


def _row(network: Key, candidate: Candidate | None, limits: Limits) -> Row:
    if candidate is None:
        return Row({"network": _name(network), "policy": "no policy keeps up"})
    own = {"published_top1_percent": candidate.accuracy, "policy": str(candidate.policy)}
    marks = columns.marks(candidate.figures)
    above = [time_name(limit.statistic) for limit in limits if not candidate.meets([limit])]
    marks |= {name: f"{marks.get(name, '')}>" for name in above}
    return Row({"network": _name(network), **columns.values(candidate.figures), **own}, marks)


def _cost(advice: Advice) -> str:
    return "energy" if advice.fastest.is_ranked_by_energy else "time of the server"


def _prices(prices: Sequence[Price], cost: str) -> Table:
    asked = next((price.best for price in prices if price.factor == 1), None)
    shown = (
        Column("limit", "\nlimit", Form.TEXT),
        *(Column(f"{li.statistic}_s", f"{li.statistic} ≤\nms", scale=1e3) for li in prices[0].limits),
        _GROSS,
        Column("share", "of the\nasked", Form.PERCENT),
        _NET,
        Column("with", "\nwith", Form.TEXT),
    )
    caption = f"The price of time: the least {cost} under tighter and wider limits"
    return Table(shown, [_price(price, asked) for price in prices], caption, is_flat=True)


def _price(price: Price, asked: Candidate | None) -> Row:
    limits = {f"{limit.statistic}_s": limit.at_most_s for limit in price.limits}
    values: dict[str, Any] = {"limit": f"x {price.factor:g}", **limits, "with": "no policy meets that"}
    if best := price.best:
        share = best.cost.mean / asked.cost.mean if asked else None
        values |= {**columns.values(best.figures), "share": share, "with": f"{_name(best.network)} {best.policy}"}
    return Row(values)


def _notes(found: Recommendation) -> list[str]:
    shown = [c for a in found.advice for c in (*a.nearest.values(), *a.front[:LONGEST_FRONT])]
    is_ranked = all(candidate.is_ranked_by_energy for candidate in found.found)
    decide = ", which decide" if is_ranked else ""
    own = [f"gross: joules with the idle power between batches{decide}. net: joules above idle."]
    own += [] if is_ranked else [SECONDS_DECIDE]
    if any(c is not None and not c.meets(found.limits) for c in shown):
        own.append("> above the limit, with its interval.")
    cut = max(len(a.front) for a in found.advice) - LONGEST_FRONT
    if cut > 0:
        own.append(f"The front has {cut} more rows: --json shows them.")
    return [*own, *found.served.notes([c.figures for c in found.found], [limit.statistic for limit in found.limits])]


def _name(network: Key) -> str:
    return named(dict(network))


def _join(parts: Iterable[str]) -> str:
    """Join texts: a; a and b; a, b and c."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _rows(advice: Advice) -> Iterator[dict[str, Scalar]]:
    for network, best in advice.by_network.items():
        shown = best or advice.nearest[network]
        yield {"row": "network", "meets": best is not None, **dict(network), **(_record(shown) if shown else {})}
    for price in advice.prices:
        yield {"row": "price", "factor": price.factor, **(_record(price.best) if price.best else {})}
    yield from ({"row": "front", **_record(candidate)} for candidate in advice.front)


def _whole_record(found: Recommendation) -> Record:
    return {
        "sweep": found.served.selected.sweep.id,
        "arrivals": str(found.arrivals),
        "rate_per_s": found.arrivals.rate_per_s,
        "limits_s": {limit.statistic: limit.at_most_s for limit in found.limits},
        "response_times": "simulated",
        "advice": [_advice_record(found, advice) for advice in found.advice],
        "notes": _notes(found),
    }


def _advice_record(found: Recommendation, advice: Advice) -> Record:
    service = advice.fastest.service
    return {
        **dict(found.served.place(advice.place)),
        "quality": service.quality.value if service.quality else None,
        "simulated": service.simulated,
        "answer": " ".join(answer(found, advice)),
        "best": advice.best and _record(advice.best),
        "best_by_trial": [columns.record(figures) for figures in advice.by_trial],
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


def _record(candidate: Candidate) -> dict[str, Scalar]:
    return {
        **dict(candidate.network),
        "policy": str(candidate.policy),
        "published_top1_percent": candidate.accuracy,
        "capacity_per_s": candidate.capacity_per_s,
        **dict(Column("busy_s", form=Form.INTERVAL).records(candidate.figures.busy_s)),
        **columns.record(candidate.figures),
    }
