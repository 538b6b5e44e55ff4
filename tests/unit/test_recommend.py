"""Which network and policy to serve with: the pure part, against exhaustive search."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import Figures
from farm.kinds.serving.recommended.choice import (
    WORTHWHILE,
    Advice,
    Candidate,
    Limit,
    advise,
    candidates,
    front,
    parse_limits,
)
from farm.kinds.serving.simulated.assess import assess
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Poisson
from farm.load.policy import Policy
from farm.model import Quality, Scalar
from farm.model.errors import InputError
from tests.serving import service, steady
from tests.summaries import ends

P99 = Limit("p99", 0.05)
ACCURACY = {"small": 60.0, "large": 80.0}


def key(model: str, **rest: Scalar) -> tuple[tuple[str, Scalar], ...]:
    return (("model", model), *rest.items())


SMALL = steady(key=key("small"))
LARGE = steady(fixed_s=0.006, each_s=0.002, fixed_j=0.8, each_j=0.2, key=key("large"))


def found(*services: Service, rate: float = 50.0, limits: Sequence[Limit] = (P99,)) -> list[Candidate]:
    return candidates(services, Poisson(rate), limits, ACCURACY, requests=1000)


def advice(*services: Service, rate: float = 50.0, limits: tuple[Limit, ...] = (P99,)) -> Advice:
    (only,) = advised(*services, rate=rate, limits=limits)
    return only


def advised(*services: Service, rate: float = 50.0, limits: tuple[Limit, ...] = (P99,)) -> list[Advice]:
    return advise(found(*services, rate=rate, limits=limits), Poisson(rate), limits, requests=1000)


def upper(candidate: Candidate, statistic: str) -> float:
    return candidate.figures.response_s[statistic].high or inf


def test_the_best_meets_every_limit_and_nothing_that_does_takes_less() -> None:
    limits = (Limit("p99", 0.08), Limit("mean", 0.03))
    advised = advice(SMALL, LARGE, limits=limits)
    fit = [
        c
        for c in found(SMALL, LARGE, limits=limits)
        if not c.figures.is_saturated and upper(c, "p99") <= 0.08 and upper(c, "mean") <= 0.03
    ]
    assert advised.best is not None
    assert upper(advised.best, "mean") <= 0.03
    assert advised.best.gross_j.mean == min(c.gross_j.mean for c in fit)
    for network, best in advised.by_network.items():
        assert best is not None
        assert best.gross_j.mean == min(c.gross_j.mean for c in fit if c.network == network)


def test_waiting_for_a_batch_saves_energy_where_the_limit_lets_it() -> None:
    policies = [price.best.policy for price in advice(SMALL).prices if price.best]
    tight, wide = policies[0], policies[-1]
    assert tight.timeout_s < wide.timeout_s


@pytest.mark.parametrize("rate", [5.0, 50.0, 300.0])
def test_a_tighter_limit_never_costs_less(rate: float) -> None:
    joules = [price.best.gross_j.mean if price.best else inf for price in advice(SMALL, LARGE, rate=rate).prices]
    assert joules == sorted(joules, reverse=True)
    assert joules[0] > joules[-1]


def test_where_nothing_answers_in_time_the_nearest_is_named() -> None:
    limits = (Limit("p99", 0.004),)
    advised = advice(SMALL, LARGE, limits=limits)
    assert advised.best is None
    near = advised.nearest[key("small")]
    assert near is not None
    assert near.policy.timeout_s == 0
    assert near.excess(limits) == min(c.excess(limits) for c in found(SMALL, limits=limits))


def test_where_nothing_keeps_up_there_is_no_nearest_but_a_fastest() -> None:
    advised = advice(SMALL, LARGE, rate=1000)
    assert (advised.best, set(advised.nearest.values()), advised.front) == (None, {None}, ())
    assert advised.fastest.network == key("small")
    assert advised.fastest.capacity_per_s == pytest.approx(8 / 0.012)


def test_machines_and_kinds_of_joules_are_never_compared() -> None:
    services = (
        steady(key=key("small", machine="lab1")),
        steady(key=key("small", machine="lab2"), fixed_j=0.01),
        steady(key=key("small", machine="lab1"), quality=Quality.MODELLED, fixed_j=0.01),
        steady(key=key("small", machine="lab1"), simulated=True, fixed_j=0.01),
    )
    several = advised(*services)
    assert [a.place for a in several] == [(("machine", m),) for m in ("lab1", "lab2", "lab1", "lab1")]
    assert all(len(a.by_network) == 1 and a.rivals == () for a in several)


def test_seconds_decide_where_energy_is_modelled() -> None:
    """The large network takes less energy, but occupies the server for longer."""
    slow = steady(fixed_s=0.006, each_s=0.002, fixed_j=0.001, each_j=0.001, key=key("large"))
    measured, modelled = (
        advice(*(replace(s, quality=q) for s in (SMALL, slow))) for q in (Quality.COUNTER, Quality.MODELLED)
    )
    assert (measured.best and measured.best.network, modelled.best and modelled.best.network) == (
        key("large"),
        key("small"),
    )
    fit = [c for c in found(replace(SMALL, quality=Quality.MODELLED)) if c.meets((P99,))]
    assert modelled.best is not None
    assert modelled.best.cost.mean == min(c.figures.busy_s.mean for c in fit if c.figures.busy_s)
    assert modelled.rivals == ()


def test_precision_is_a_choice_and_the_device_is_not() -> None:
    services = [steady(key=key("small", device=d, precision=p)) for d in ("cpu", "cuda:0") for p in ("fp32", "bf16")]
    several = advised(*services)
    assert [a.place for a in several] == [(("device", "cpu"),), (("device", "cuda:0"),)]
    assert [len(a.by_network) for a in several] == [2, 2]


def test_networks_whose_intervals_overlap_are_rivals() -> None:
    near, far = steady(key=key("large"), fixed_j=0.41), steady(key=key("large"), fixed_j=4.0)
    assert [rival.network for rival in advice(SMALL, near).rivals] == [key("large")]
    assert advice(steady(key=key("small"), idle_w=ends(10.0, 0.01)), far).rivals == ()


def test_a_faster_policy_that_may_take_no_more_is_named() -> None:
    """Batches save 4 mJ of 0.4 J, which is within the noise."""
    times_s = {batch.size: batch.times_s for batch in SMALL.batches}
    net_j = {size: ends(0.4 * size - 0.004 * (size > 1), 0.01 * size) for size in times_s}
    unsure = service(times_s, net_j, key=key("small"))
    advised = advice(unsure)
    assert advised.best is not None
    assert advised.best.policy.size > 1
    assert advised.faster is not None
    assert advised.faster.policy.timeout_s == 0
    assert advised.faster.excess((P99,)) < advised.best.excess((P99,)) * (1 - WORTHWHILE)
    assert advice(steady(key=key("small"), idle_w=ends(10.0, 0.001))).faster is None


def test_an_interval_that_nobody_knows_may_overlap() -> None:
    one_trial = steady(key=key("large"), fixed_j=4.0, idle_w=ends(10.0))
    assert len(advice(SMALL, one_trial).rivals) == 1


def test_services_without_joules_are_no_candidates() -> None:
    assert found(steady(key=key("small"), idle_w=None)) == []


def test_the_best_is_tried_with_the_times_of_each_trial_alone() -> None:
    """One of two processes was slower by half."""
    plain = steady(key=key("small"))
    slower = [tuple(1.5 * value for value in batch.times_s) for batch in plain.batches]
    batches = tuple(
        replace(batch, times_s=tuple(sorted((*batch.times_s, *slow))), by_trial_s=(batch.times_s, slow))
        for batch, slow in zip(plain.batches, slower, strict=True)
    )
    advised = advice(replace(plain, batches=batches))
    assert advised.best is not None
    first, second = (f.response_s["p50"].mean for f in advised.by_trial)
    assert first < advised.best.figures.response_s["p50"].mean < second
    assert advice(plain).by_trial == ()


# Front

FIGURES = assess(SMALL, Poisson(50), Policy.greedy(8), requests=200)


def candidate(joules: float, p99_s: float, accuracy: float | None) -> Candidate:
    response_s = {**FIGURES.response_s, "p99": Interval(p99_s, p99_s, p99_s)}
    figures = Figures(**{name: getattr(FIGURES, name) for name in Figures.__slots__} | {"response_s": response_s})
    return Candidate(SMALL, Policy.greedy(8), figures, ends(joules, 0.1), accuracy)


POINTS = st.builds(candidate, st.floats(0.1, 10), st.floats(0.001, 1), st.none() | st.floats(40, 90))


def is_as_good(cheaper: Candidate, other: Candidate, slack: float) -> bool:
    time_s, wanted_s = (c.figures.response_s["p99"].mean for c in (cheaper, other))
    return (
        cheaper.gross_j.mean <= other.gross_j.mean
        and time_s * (1 - slack) <= wanted_s
        and (cheaper.accuracy or 0) >= (other.accuracy or 0)
    )


@given(st.lists(POINTS, max_size=12))
@settings(max_examples=50)
def test_whoever_is_not_on_the_front_is_matched_by_one_that_is(points: list[Candidate]) -> None:
    kept = front(points, "p99")
    for point in points:
        assert any(point is k for k in kept) or any(is_as_good(k, point, WORTHWHILE) for k in kept)
    for index, point in enumerate(kept):
        assert not any(is_as_good(earlier, point, WORTHWHILE) for earlier in kept[:index])


def test_the_front_trades_energy_for_time_and_accuracy() -> None:
    points = [
        candidate(1.0, 0.5, 60),
        candidate(2.0, 0.1, 60),
        candidate(3.0, 0.3, 60),
        candidate(4.0, 0.5, 80),
        candidate(5.0, 0.09, 60),
    ]
    assert [c.gross_j.mean for c in front(points, "p99")] == [1.0, 2.0, 4.0]


# Limits


def test_limits_are_read_with_their_units() -> None:
    assert parse_limits(["p99=50ms", "mean = 0.02s"]) == (Limit("p99", 0.05), Limit("mean", 0.02))
    assert str(Limit("p99.9", 1.5)) == "p99.9 ≤ 1500 ms"
    assert str(Limit("mean", 20)) == "mean ≤ 20 s"


@pytest.mark.parametrize("texts", [[], ["p99"], ["p98=1s"], ["p99=50"], ["p99=1s", "p99=2s"]])
def test_what_is_no_limit_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="--slo"):
        parse_limits(texts)
