"""Figures of live requests: by hand, against queueing theory, and beside simulated ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from farm.analysis.aggregate import UnitSample
from farm.kinds.serving.live.trials import Live, least_energy, soonest, summarise
from farm.kinds.serving.simulated.agreement import Pair, agreements
from farm.kinds.serving.simulated.assess import assess
from farm.load.arrivals import Poisson
from farm.load.policy import Policy
from farm.load.served import served
from farm.load.simulation import simulate
from farm.model import Flag, Requests
from tests.serving import requests_of, service, steady
from tests.summaries import ends, sample

#: Five requests, two batches: three begin at 1.0 s and are done at 1.5 s, two at 2.5 s and 2.75 s.
BY_HAND = Requests(
    window=0,
    capacity_per_s=4.0,
    arrival_s=(0.0, 0.5, 1.0, 1.25, 2.0),
    enqueue_s=(0.0, 0.5, 1.0, 1.5, 2.0),
    dequeue_s=(0.75, 0.75, 0.75, 2.5, 2.5),
    start_s=(1.0, 1.0, 1.0, 2.5, 2.5),
    done_s=(1.5, 1.5, 1.5, 2.75, 2.75),
)
ONE = Policy.greedy(1)


def live_sample(
    trial: str, policy: str = "greedy:8", repetition: int = 0, rate_per_s: float | None = 50.0, **changes: Any
) -> UnitSample:
    labels = {
        "model": "alexnet", "policy": policy, "rate_per_s": rate_per_s, "trial": trial, "unit": "request",
        "repetition": repetition,
    }  # fmt: skip
    return sample(labels=labels, **changes)


def summed_up(*trials: list[Requests], **changes: Any) -> Live:
    requests = {str(number): windows for number, windows in enumerate(trials)}
    samples = [live_sample(trial, **changes) for trial in requests]
    (found,) = summarise(samples, requests, ("model", "policy", "rate_per_s"))
    return found


def drawn(seed: int, rate_per_s: float = 150.0, policy: Policy = ONE, count: int = 512) -> Requests:
    arrivals_s = Poisson(rate_per_s).times_s(count, np.random.default_rng(seed))
    course = simulate(arrivals_s, policy, steady().times_s, np.random.default_rng(seed))
    return requests_of(course, 0, steady().capacity_per_s(policy.size))


# By hand


def test_the_times_of_a_trace_are_those_of_its_requests() -> None:
    """All of a trace counts; its rate is 4 gaps in 2 s."""
    found = served([BY_HAND], None)
    assert found is not None
    assert found.response_s.tolist() == [0.5, 0.75, 1.0, 1.5, 1.5]
    assert found.wait_s.tolist() == [1.0, 0.5, 0.0, 1.25, 0.5]
    assert found.service_s.tolist() == [0.5, 0.5, 0.5, 0.25, 0.25]
    assert found.late_s.tolist() == [0, 0, 0, 0.25, 0]
    assert found.batches == {2: 1, 3: 1}
    assert (found.rate_per_s, found.capacity_per_s) == (2.0, 4.0)
    assert found.utilisation == pytest.approx((0.75 + 0.25) / 2.75)


def test_statistics_are_of_all_requests_and_percentiles_values_that_occurred() -> None:
    live = summed_up([BY_HAND], [BY_HAND, BY_HAND], rate_per_s=None)
    values = {name: value.mean for name, value in live.figures.response_s.items()}
    assert values == {"mean": 1.05, "p50": 1.0, "p90": 1.5, "p95": 1.5, "p99": 1.5, "p99.9": 1.5, "max": 1.5}
    assert live.figures.requests == 15
    assert live.figures.batches == {2: 3, 3: 3}
    assert live.figures.mean_batch == 2.5
    assert live.wait_s is not None
    assert live.figures.service_s is not None
    assert live.wait_s.mean + live.figures.service_s.mean == pytest.approx(1.05)
    assert live.late_s == 0.25
    assert live.is_late


def test_joules_are_those_of_the_trials() -> None:
    live = summed_up([BY_HAND], [BY_HAND])
    assert (live.figures.gross_j, live.figures.net_j) == (live.work.gross_j, live.work.net_j)
    assert live.work.net_j is not None
    assert live.work.net_j.mean == 1.0


# Which requests count


def test_the_first_of_each_window_are_not_counted_where_arrivals_have_no_end() -> None:
    """A twentieth of 100, in each of two windows; their batches and lateness count."""
    windows = [drawn(seed, count=100) for seed in (1, 2)]
    live = summed_up(windows, rate_per_s=150.0)
    assert live.figures.requests == 190
    assert sum(live.figures.batches.values()) == 200
    whole = summed_up(windows, rate_per_s=None)
    assert whole.figures.requests == 200


def test_a_late_generator_hides_nothing() -> None:
    """Times count from when a request was to come."""
    course = simulate(
        Poisson(50).times_s(100, np.random.default_rng(1)), ONE, steady().times_s, np.random.default_rng()
    )
    punctual, late = (summed_up([requests_of(course, late_s=late_s)]) for late_s in (0.0, 0.003))
    assert late.figures.response_s == punctual.figures.response_s
    assert (punctual.is_late, late.is_late) == (False, True)


@pytest.mark.parametrize(("count", "claimed"), [(482, False), (484, True)])
def test_a_p99_is_claimed_from_459_requests_that_count(count: int, claimed: bool) -> None:
    live = summed_up([drawn(1, count=count)])
    assert live.figures.is_claim("p99") == claimed


# The unit of replication is the trial


def test_intervals_are_of_trials_whatever_their_windows() -> None:
    """Two trials with means 2 ms apart: t of one degree of freedom, 12.7 x 1 ms."""
    fast, slow = (
        requests_of(simulate(np.arange(40.0), ONE, [[time_s]], np.random.default_rng(1))) for time_s in (0.010, 0.012)
    )
    mean = summed_up([fast, fast], [slow, slow]).figures.response_s["mean"]
    assert mean.mean == pytest.approx(0.011)
    assert mean.half_width == pytest.approx(12.706 * 0.001, rel=1e-4)
    alone = summed_up([fast, fast]).figures.response_s["mean"]
    assert (alone.low, alone.high) == (None, None)


def test_intervals_of_trials_hold_what_many_trials_come_to() -> None:
    """95 %: of 60 rows of five trials all but a few."""
    truth = np.mean([summed_up([drawn(seed)]).figures.response_s["mean"].mean for seed in range(1000, 1200)])
    rows = (summed_up(*([drawn(seed + row * 5)] for seed in range(5))).figures.response_s["mean"] for row in range(60))
    held = sum(mean.low is not None and mean.high is not None and mean.low <= truth <= mean.high for mean in rows)
    assert held >= 50


@pytest.mark.parametrize(("capacities_per_s", "load"), [((4.0, 4.0), 0.5), ((4.9, 0.1), 0.8), ((2.1, 1.9), 1.0)])
def test_the_load_is_that_of_the_mean_capacity(capacities_per_s: tuple[float, float], load: float) -> None:
    """At 2 requests a second; one trial that could serve next to none does not condemn the other."""
    trials = [[BY_HAND.model_copy(update={"capacity_per_s": own})] for own in capacities_per_s]
    live = summed_up(*trials, rate_per_s=2.0)
    assert live.figures.load == pytest.approx(load)
    assert live.figures.is_saturated == (load == 1)
    assert live.is_comparable == (load < 1)


def test_a_trial_without_requests_has_no_times() -> None:
    live = summed_up([], rate_per_s=None)
    assert (live.figures.response_s, live.rate_per_s, live.late_s, live.wait_s) == ({}, None, None, None)
    assert not live.is_comparable


def test_flagged_trials_are_left_out_of_times_too() -> None:
    requests = {"a": [BY_HAND], "b": [drawn(1)]}
    flagged = live_sample("b", flags=(Flag.CONTAMINATED,))
    (live,) = summarise([live_sample("a"), flagged], requests, ("policy",))
    assert live.figures.requests == 5
    (live,) = summarise([live_sample("a"), flagged], requests, ("policy",), include_flagged=True)
    assert live.figures.requests == 5 + 486


# Against theory


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_the_mean_wait_of_m_d_1_is_that_of_theory(load: float) -> None:
    """load / (2 (1 - load)) services of 5 ms, which 20 trials of 5,000 requests come near."""
    trials = [[drawn(seed, load / 0.005, count=5000)] for seed in range(20)]
    live = summed_up(*trials, rate_per_s=load / 0.005)
    assert live.wait_s is not None
    assert live.wait_s.mean == pytest.approx(0.005 * load / (2 * (1 - load)), rel=0.05)
    assert live.figures.service_s is not None
    assert live.figures.service_s.mean == pytest.approx(0.005)
    assert live.figures.load == pytest.approx(load)
    assert live.figures.utilisation == pytest.approx(load, rel=0.03)


# Policies under one load


def policies(**trials: tuple[float, float]) -> list[Live]:
    """Each with the mean of its response and its net joules in two blocks, which differ by 1.6 and 10 %."""
    found = []
    for place, (name, (response_s, net_j)) in enumerate(trials.items()):
        way = 1 if place % 2 else -1  # a block that is slow for one policy is fast for the next
        times = [[response_s * (1 + way * share)] * 500 for share in (-0.008, 0.008)]
        each = [[requests_of(simulate(np.arange(100.0), ONE, [own], np.random.default_rng(1)))] for own in times]
        requests = dict(zip((f"{name}1", f"{name}2"), each, strict=True))
        joules = [net_j * (1 + way * share) for share in (-0.05, 0.05)]
        samples = [
            live_sample(trial, name, repetition, net_j=own, net_u_j=0.05 * net_j)
            for repetition, (trial, own) in enumerate(zip(requests, joules, strict=True))
        ]
        found += summarise(samples, requests, ("policy",))
    return found


def test_the_policy_that_answers_soonest_is_held_against_the_next() -> None:
    found = soonest(policies(a=(0.010, 1.0), b=(0.008, 2.0), c=(0.030, 3.0)))
    assert found is not None
    assert (found.best.work.labels["policy"], found.next.work.labels["policy"]) == ("b", "a")
    assert found.lead.mean == pytest.approx(0.8, abs=0.01)
    assert found.is_clear


def test_the_policy_with_the_least_joules_may_not_be_sure() -> None:
    found = least_energy(policies(a=(0.010, 1.0), b=(0.008, 1.05)), is_net=True)
    assert found is not None
    assert found.best.work.labels["policy"] == "a"
    assert found.is_clear is False


def test_one_policy_is_held_against_nothing_and_unknown_joules_neither() -> None:
    assert soonest(policies(a=(0.010, 1.0))) is None
    known, other = policies(a=(0.010, 1.0), b=(0.010, 1.0))
    unknown = summarise([live_sample("x", "b", gross_j=None)], {"x": [BY_HAND]}, ("policy",))
    assert least_energy([known, *unknown], is_net=False) is None
    assert least_energy([known, other], is_net=False) is not None


# Simulated and live


def pair(rate_per_s: float, policy: Policy = ONE, are_alike: bool = True, **times_s: float) -> Pair:
    one = steady()
    trials = [[drawn(seed, rate_per_s, policy)] for seed in range(5)]
    return Pair(summed_up(*trials, rate_per_s=rate_per_s), assess(one, Poisson(rate_per_s), policy), are_alike)


def test_what_was_served_as_simulated_agrees() -> None:
    pairs = [pair(rate, policy) for rate in (50, 100) for policy in (ONE, Policy.greedy(8), Policy.fixed(8))]
    found = {agreement.what: agreement for agreement in agreements(pairs)}
    assert found["mean response"].loads == 6
    assert found["mean response"].median < 0.03
    assert found["mean response"].worst < 0.15
    assert (found["mean response"].held or 0) >= 4


def test_what_was_served_otherwise_does_not() -> None:
    one = service({1: [0.006]}, {1: ends(1.5, 0.1)})
    apart = Pair(pair(50).live, assess(one, Poisson(50), ONE), are_alike=True)
    found = {agreement.what: agreement for agreement in agreements([apart])}
    assert found["mean response"].worst > 0.2
    assert found["mean response"].held == 0
    assert found["net J"].worst == pytest.approx(0.5)


def test_saturated_loads_have_no_times_to_compare_and_joules_of_another_quality_are_not() -> None:
    saturated = pair(300)
    assert saturated.ratio("response_mean") is None
    assert saturated.ratio("net_j_per_request") is not None
    assert pair(50, are_alike=False).ratio("net_j_per_request") is None


def test_a_bound_has_no_ratio() -> None:
    sure = pair(50)
    unsure = replace(sure.live.figures, net_j=ends(1.0, 1.5))
    assert replace(sure, live=replace(sure.live, figures=unsure)).ratio("net_j_per_request") is None
    assert sure.ratio("net_j_per_request") == pytest.approx(0.5)
