"""Which network and batch policy take the least energy a request and still answer in time. Pure.

Candidates are compared on one machine and device, with joules of one quality; response times are simulated over the
service times that were measured there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Self

from farm.analysis.aggregate import Key
from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.simulated.assess import REQUESTS, assess
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Arrivals
from farm.load.policy import Policy
from farm.load.served import STATISTICS
from farm.model.durations import duration_s, spelt_s
from farm.model.errors import InputError

#: Time-outs that are tried, as shares of the limit.
TIMEOUTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0)
#: The limits of the list of prices, as multiples of the one that was asked for.
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
#: Faster is who is so by more than this share: on the front, who takes more energy is that, or more accurate.
WORTHWHILE = 0.2


@dataclass(frozen=True, slots=True)
class Limit:
    """What response times may be."""

    statistic: str
    at_most_s: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """From p99=50ms; raises InputError."""
        name, sign, value = text.partition("=")
        if not sign or name.strip() not in STATISTICS:
            raise InputError(
                f"--slo: expected NAME=DURATION such as p99=50ms, NAME of {', '.join(STATISTICS)}, got {text!r}"
            )
        return cls(name.strip(), duration_s(value, f"--slo {name.strip()}"))

    def times(self, factor: float) -> Self:
        """A wider or a tighter one."""
        return replace(self, at_most_s=self.at_most_s * factor)

    def __str__(self) -> str:
        return f"{self.statistic} ≤ {spelt_s(self.at_most_s, ' ')}"


Limits = Sequence[Limit]


def parse_limits(texts: Sequence[str]) -> tuple[Limit, ...]:
    """One for each statistic; raises InputError."""
    limits = tuple(Limit.parse(text) for text in texts)
    if not limits:
        raise InputError("--slo: expected at least one limit such as --slo p99=50ms")
    if len({limit.statistic for limit in limits}) < len(limits):
        raise InputError(f"--slo: expected one limit for each of {', '.join(STATISTICS)}, got two for one")
    return limits


@dataclass(frozen=True, slots=True)
class Candidate:
    """One policy for one service, and how it does."""

    service: Service
    policy: Policy
    figures: Figures
    gross_j: Interval  #: of a request
    accuracy: float | None  #: published, in %

    @property
    def network(self) -> Key:
        """What is chosen besides the policy: model, precision, ..."""
        return self.service.network

    @property
    def capacity_per_s(self) -> float:
        """Requests a second that it can serve."""
        return self.service.capacity_per_s(self.policy.size)

    def excess(self, limits: Limits) -> float:
        """The largest ratio of a response time to its limit, by the upper end of its interval; at most 1 meets all."""
        if self.figures.is_saturated or not self.figures.response_s:
            return inf
        return max(_upper(self.figures.response_s[limit.statistic]) / limit.at_most_s for limit in limits)

    def meets(self, limits: Limits) -> bool:
        """Whether it answers in time."""
        return self.excess(limits) <= 1


def _upper(value: Interval) -> float:
    return value.mean if value.high is None else value.high


@dataclass(frozen=True, slots=True)
class Price:
    """The least energy a request under a tighter or a wider limit."""

    factor: float
    limits: tuple[Limit, ...]
    best: Candidate | None  #: None: nothing meets it


@dataclass(frozen=True, slots=True)
class Advice:
    """For one machine and device."""

    place: Key  #: machine, device, ...: all that is not chosen
    limits: tuple[Limit, ...]
    by_network: Mapping[Key, Candidate | None]  #: the best policy of each; None: nothing meets the limits
    nearest: Mapping[Key, Candidate | None]  #: of the networks that do not; None: none keeps up with the requests
    best: Candidate | None  #: of all networks
    by_trial: tuple[Figures, ...]  #: the best, with the service times of each trial alone
    faster: Candidate | None  #: another policy of that network that may take no more, and answers sooner
    rivals: tuple[Candidate, ...]  #: other networks that may take no more energy: the intervals overlap
    prices: tuple[Price, ...]
    front: tuple[Candidate, ...]  #: least energy first: the first is the cheapest, each other faster or more accurate
    fastest: Candidate  #: serves most


def policies(sizes: Sequence[int], limits: Limits) -> Iterator[Policy]:
    """What is tried on measured batch sizes: fixed, greedy, and time-outs around the tightest limit."""
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
    """Every policy of every service whose joules are known."""
    return [
        Candidate(service, policy, figures, figures.gross_j, accuracy.get(str(service.labels["model"])))
        for service in services
        for policy in policies(service.sizes, limits)
        if (figures := assess(service, arrivals, policy, requests, seed)).gross_j is not None
    ]


def advise(
    found: Iterable[Candidate], arrivals: Arrivals, limits: tuple[Limit, ...], requests: int = REQUESTS, seed: int = 1
) -> list[Advice]:
    """One for each machine and device, and for each kind of joules; the best are simulated again, trial by trial."""

    def again(best: Candidate) -> tuple[Figures, ...]:
        return tuple(assess(one, arrivals, best.policy, requests, seed) for one in best.service.by_trial)

    places: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in found:
        service = candidate.service
        places.setdefault((service.place, service.quality, service.simulated), []).append(candidate)
    return [_advice(own, limits, again) for own in places.values()]


def _advice(
    own: Sequence[Candidate], limits: tuple[Limit, ...], again: Callable[[Candidate], tuple[Figures, ...]]
) -> Advice:
    networks: dict[Key, list[Candidate]] = {}
    for candidate in own:
        networks.setdefault(candidate.network, []).append(candidate)
    by_network = {network: cheapest(every, limits) for network, every in networks.items()}
    best = cheapest(own, limits)
    return Advice(
        place=own[0].service.place,
        limits=limits,
        by_network=by_network,
        nearest={n: _nearest(every, limits) for n, every in networks.items() if by_network[n] is None},
        best=best,
        by_trial=again(best) if best is not None else (),
        faster=_faster(best, own, limits) if best is not None else None,
        rivals=tuple(c for c in by_network.values() if c and best and c is not best and _may_equal(best, c)),
        prices=tuple(_price(own, limits, factor) for factor in FACTORS),
        front=front(own, limits[0].statistic),
        fastest=max(own, key=lambda c: c.capacity_per_s),
    )


def cheapest(found: Iterable[Candidate], limits: Limits) -> Candidate | None:
    """The least energy a request of those that meet the limits; None where none does."""
    return min((c for c in found if c.meets(limits)), key=lambda c: c.gross_j.mean, default=None)


def _nearest(found: Iterable[Candidate], limits: Limits) -> Candidate | None:
    keeping_up = ((c.excess(limits), c) for c in found if c.excess(limits) < inf)
    return min(keeping_up, key=lambda pair: pair[0], default=(inf, None))[1]


def _may_equal(best: Candidate, other: Candidate) -> bool:
    """Whether their intervals overlap, as far as they are known."""
    high, low = best.gross_j.high, other.gross_j.low
    return high is None or low is None or low <= high


def _faster(best: Candidate, own: Iterable[Candidate], limits: Limits) -> Candidate | None:
    """Of the same network, by more than `WORTHWHILE`: the fastest that may take no more."""
    able = [c for c in own if c.network == best.network and c.meets(limits) and _may_equal(best, c)]
    fastest = min(able, key=lambda c: c.excess(limits))
    return fastest if fastest.excess(limits) < best.excess(limits) * (1 - WORTHWHILE) else None


def _price(found: Sequence[Candidate], limits: Limits, factor: float) -> Price:
    changed = tuple(limit.times(factor) for limit in limits)
    return Price(factor, changed, cheapest(found, changed))


def front(found: Iterable[Candidate], statistic: str) -> tuple[Candidate, ...]:
    """Those of which none that takes less energy is as fast, within `WORTHWHILE`, and as accurate.

    A model whose accuracy nobody published counts as the least accurate.
    """
    kept: list[Candidate] = []
    for candidate in sorted((c for c in found if not c.figures.is_saturated), key=lambda c: c.gross_j.mean):
        if candidate.figures.response_s and not any(_as_good(other, candidate, statistic) for other in kept):
            kept.append(candidate)
    return tuple(kept)


def _as_good(cheaper: Candidate, other: Candidate, statistic: str) -> bool:
    time_s, wanted_s = (c.figures.response_s[statistic].mean for c in (cheaper, other))
    return time_s * (1 - WORTHWHILE) <= wanted_s and (cheaper.accuracy or 0) >= (other.accuracy or 0)
