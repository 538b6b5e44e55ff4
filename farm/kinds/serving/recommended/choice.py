"""Choice of the network and batch policy with the least energy per request that answers in time. Pure.

Where energy is modelled it ranks nothing: the time for which a request occupies the server takes its place.
Candidates are compared on one machine and device, with joules of one quality. Response times are simulated over the
service times that were measured there.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Self

from farm.analysis.aggregate import Key
from farm.analysis.intervals import Interval
from farm.analysis.ratios import blocked
from farm.analysis.rules import may_rank_energy
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.simulated.assess import REQUESTS, assess
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Arrivals
from farm.load.policy import Policy
from farm.load.served import STATISTICS
from farm.model.durations import duration_s, spelt_s
from farm.model.errors import InputError

#: Time-outs of the policies that are tried, as shares of the limit.
TIMEOUTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0)
#: Limits in the list of prices, as multiples of the wanted limit.
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
#: The best is simulated with so many trials alone: each takes as long as a candidate.
MOST_TRIALS = 100
#: A candidate counts as faster only if its response time is shorter by more than this share.
WORTHWHILE = 0.2


@dataclass(frozen=True, slots=True)
class Limit:
    """Upper bound of a statistic of response times."""

    statistic: str
    at_most_s: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a limit such as p99=50ms; raises InputError."""
        name, sign, value = text.partition("=")
        if not sign or name.strip() not in STATISTICS:
            raise InputError(
                f"--slo: expected NAME=DURATION such as p99=50ms, NAME of {', '.join(STATISTICS)}, got {text!r}"
            )
        return cls(name.strip(), duration_s(value, f"--slo {name.strip()}"))

    def times(self, factor: float) -> Self:
        """Return a limit that is wider or tighter by a factor."""
        return replace(self, at_most_s=self.at_most_s * factor)

    def __str__(self) -> str:
        return f"{self.statistic} ≤ {spelt_s(self.at_most_s, ' ')}"


Limits = Sequence[Limit]


def parse_limits(texts: Sequence[str]) -> tuple[Limit, ...]:
    """Read limits, at most one for each statistic; raises InputError."""
    limits = tuple(Limit.parse(text) for text in texts)
    if not limits:
        raise InputError("--slo: expected at least one limit such as --slo p99=50ms")
    if len({limit.statistic for limit in limits}) < len(limits):
        raise InputError(f"--slo: expected one limit for each of {', '.join(STATISTICS)}, got two for one")
    return limits


@dataclass(frozen=True, slots=True)
class Candidate:
    """One policy for one service, with its figures."""

    service: Service
    policy: Policy
    figures: Figures
    gross_j: Interval  #: joules of a request
    accuracy: float | None  #: published accuracy in %

    @property
    def is_ranked_by_energy(self) -> bool:
        """Return True if the cost is energy, and False if it is time."""
        return may_rank_energy(self.service.quality)

    @property
    def cost(self) -> Interval:
        """Return what is least for the best: J of a request, or where these are modelled the s of a server."""
        return self.gross_j if self.is_ranked_by_energy else self.figures.busy_s or Interval(inf, None, None)

    @property
    def cost_by_block(self) -> Mapping[Hashable, float]:
        """Return the cost in each repetition of the sweep, for the simulated mix of batches."""
        rate_per_s = self.capacity_per_s * min(self.figures.load, 1.0)
        return self.service.costs(self.figures.batches, 1 / rate_per_s if self.is_ranked_by_energy else None)

    @property
    def network(self) -> Key:
        """Return what is chosen besides the policy: model, precision, ..."""
        return self.service.network

    @property
    def capacity_per_s(self) -> float:
        """Return the requests per second that it can serve."""
        return self.service.capacity_per_s(self.policy.size)

    def excess(self, limits: Limits) -> float:
        """Return the largest ratio of a response time, the upper end of its interval, to its limit."""
        if self.figures.is_saturated or not self.figures.response_s:
            return inf
        return max(_upper(self.figures.response_s[limit.statistic]) / limit.at_most_s for limit in limits)

    def meets(self, limits: Limits) -> bool:
        """Return True if it answers within all limits."""
        return self.excess(limits) <= 1


def _upper(value: Interval) -> float:
    return value.mean if value.high is None else value.high


@dataclass(frozen=True, slots=True)
class Price:
    """Least cost of a request under tighter or wider limits."""

    factor: float
    limits: tuple[Limit, ...]
    best: Candidate | None  #: None: no policy meets the limits


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice for one machine and device."""

    place: Key  #: machine, device and everything else that cannot be chosen
    by_network: Mapping[Key, Candidate | None]  #: best policy of each network; None: no policy meets the limits
    nearest: Mapping[Key, Candidate | None]  #: nearest policy of the other networks; None: no policy keeps up
    best: Candidate | None  #: best of all networks
    by_trial: tuple[Figures, ...]  #: figures of the best with the service times of each of the first trials alone
    faster: Candidate | None  #: faster policy of the best network that may cost no more
    rivals: tuple[Candidate, ...]  #: other networks that may cost no more
    prices: tuple[Price, ...]
    front: tuple[Candidate, ...]  #: least cost first; each later one is faster or more accurate
    fastest: Candidate  #: candidate that serves most requests per second


def policies(sizes: Sequence[int], limits: Limits) -> Iterator[Policy]:
    """Yield the policies that are tried: fixed, greedy, and time-outs around the tightest limit."""
    tightest_s = min(limit.at_most_s for limit in limits)
    for size in sizes:
        yield Policy.greedy(size)
        if size > 1:
            yield Policy.fixed(size)
            yield from (Policy(size, float(f"{share * tightest_s:.3g}")) for share in TIMEOUTS)


def candidates(
    services: Iterable[Service],
    arrivals: Arrivals,
    limits: Limits,
    accuracy: Mapping[str, float],
    requests: int = REQUESTS,
    seed: int = 1,
) -> list[Candidate]:
    """Simulate every policy of every service, and return the ones whose joules are known."""
    return [
        Candidate(service, policy, figures, figures.gross_j, accuracy.get(str(service.labels["model"])))
        for service in services
        for policy in policies(service.sizes, limits)
        if (figures := assess(service, arrivals, policy, requests, seed)).gross_j is not None
    ]


def advise(
    found: Iterable[Candidate], arrivals: Arrivals, limits: tuple[Limit, ...], requests: int = REQUESTS, seed: int = 1
) -> list[Advice]:
    """Return advice for each machine, device and kind of joules; the best candidates are simulated trial by trial."""

    def assess_by_trial(best: Candidate) -> tuple[Figures, ...]:
        return tuple(assess(one, arrivals, best.policy, requests, seed) for one in best.service.by_trial(MOST_TRIALS))

    places: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in found:
        service = candidate.service
        places.setdefault((service.place, service.quality, service.simulated), []).append(candidate)
    return [_advice(own, limits, assess_by_trial) for own in places.values()]


def _advice(
    own: Sequence[Candidate], limits: tuple[Limit, ...], assess_by_trial: Callable[[Candidate], tuple[Figures, ...]]
) -> Advice:
    networks: dict[Key, list[Candidate]] = {}
    for candidate in own:
        networks.setdefault(candidate.network, []).append(candidate)
    by_network = {network: cheapest(every, limits) for network, every in networks.items()}
    best = cheapest(own, limits)
    return Advice(
        place=own[0].service.place,
        by_network=by_network,
        nearest={n: _nearest(every, limits) for n, every in networks.items() if by_network[n] is None},
        best=best,
        by_trial=assess_by_trial(best) if best is not None else (),
        faster=_faster(best, own, limits) if best is not None else None,
        rivals=tuple(_may_equal(best, (c for c in by_network.values() if c and c is not best))) if best else (),
        prices=tuple(_price(own, limits, factor) for factor in FACTORS),
        front=front(own, limits[0].statistic),
        fastest=max(own, key=lambda c: c.capacity_per_s),
    )


def cheapest(found: Iterable[Candidate], limits: Limits) -> Candidate | None:
    """Return the candidate with the least cost that meets the limits; None if none does."""
    return min((c for c in found if c.meets(limits)), key=lambda c: c.cost.mean, default=None)


def _nearest(found: Iterable[Candidate], limits: Limits) -> Candidate | None:
    keeping_up = ((c.excess(limits), c) for c in found if c.excess(limits) < inf)
    return min(keeping_up, key=lambda pair: pair[0], default=(inf, None))[1]


def _may_equal(best: Candidate, others: Iterable[Candidate]) -> list[Candidate]:
    """Return those that may cost no more than the best: by ratios within blocks, for all of them at once."""
    every = [best, *others]
    costs = blocked((place, block, cost) for place, c in enumerate(every) for block, cost in c.cost_by_block.items())
    ratios = {place: costs.ratio(0, place) for place in range(1, len(every))}
    highs = {place: ratio.among(len(ratios)).high if ratio else None for place, ratio in ratios.items()}
    return [every[place] for place, high in highs.items() if high is None or high >= 1]


def _faster(best: Candidate, own: Iterable[Candidate], limits: Limits) -> Candidate | None:
    """Return the fastest policy of the same network that may cost no more, if it is faster by `WORTHWHILE`."""
    wanted = best.excess(limits) * (1 - WORTHWHILE)
    able = [c for c in own if c.network == best.network and c.meets(limits) and c.excess(limits) < wanted]
    return min(_may_equal(best, able), key=lambda c: c.excess(limits), default=None)


def _price(found: Sequence[Candidate], limits: Limits, factor: float) -> Price:
    changed = tuple(limit.times(factor) for limit in limits)
    return Price(factor, changed, cheapest(found, changed))


def front(found: Iterable[Candidate], statistic: str) -> tuple[Candidate, ...]:
    """Return the candidates to which no other one of less cost is equal in accuracy and in speed.

    Response times that differ by less than `WORTHWHILE` are equal. A model without a published accuracy counts as the
    least accurate.
    """
    kept: list[Candidate] = []
    for candidate in sorted((c for c in found if not c.figures.is_saturated), key=lambda c: c.cost.mean):
        if candidate.figures.response_s and not any(_is_as_good(other, candidate, statistic) for other in kept):
            kept.append(candidate)
    return tuple(kept)


def _is_as_good(cheaper: Candidate, other: Candidate, statistic: str) -> bool:
    time_s, wanted_s = (c.figures.response_s[statistic].mean for c in (cheaper, other))
    return time_s * (1 - WORTHWHILE) <= wanted_s and (cheaper.accuracy or 0) >= (other.accuracy or 0)
