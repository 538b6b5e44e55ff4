"""Response times under load: against queueing theory, against a plain simulation, and at the edges."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import exp, factorial, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import Figures, needed
from farm.kinds.serving.simulated.assess import assess, summed_up
from farm.kinds.serving.simulated.service import Service
from farm.load.arrivals import Constant, Poisson, Recorded
from farm.load.policy import Policy
from farm.load.rates import rate_per_s, spelt_per_s
from farm.load.simulation import Course, simulate
from farm.model.durations import duration_s, spelt_s
from farm.model.errors import InputError
from farm.model.percentiles import percentile
from tests.serving import IDLE_W, exponential_s, plainly, service, steady
from tests.summaries import ends

SEEDS = range(30)
ONE = Policy.greedy(1)


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def holds(interval: Interval, truth: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= truth <= interval.high


# Against theory: one at a time, Poisson arrivals, service of mean 1 s


def md1_tail(load: float, wait_s: float) -> float:
    """P(wait > wait_s) of M/D/1, by Erlang."""
    terms = ((load * (k - wait_s)) ** k / factorial(k) * exp(-load * (k - wait_s)) for k in range(int(wait_s) + 1))
    return 1 - (1 - load) * sum(terms)


def md1(load: float) -> dict[str, float]:
    def quantile(share: float) -> float:
        return float(brentq(lambda wait_s: md1_tail(load, wait_s) - (1 - share), 0, 20)) + 1

    return {"mean": 1 + load / (2 * (1 - load)), "p90": quantile(0.9), "p95": quantile(0.95), "p99": quantile(0.99)}


def mm1(load: float) -> dict[str, float]:
    quantiles = {f"p{percent}": -log(1 - percent / 100) / (1 - load) for percent in (50, 90, 95, 99)}
    return {"mean": 1 / (1 - load), **quantiles}


CONSTANT, EXPONENTIAL = service({1: [1.0]}), service({1: exponential_s(1.0)})
QUEUES = [(CONSTANT, md1, 0.5), (CONSTANT, md1, 0.7), (EXPONENTIAL, mm1, 0.3), (EXPONENTIAL, mm1, 0.6)]


def test_the_tail_of_m_d_1_is_the_right_formula() -> None:
    """Against its mean: the integral of the tail."""
    waits_s = np.linspace(0, 20, 20_001)
    tail = [md1_tail(0.5, wait_s) for wait_s in waits_s]
    assert np.trapezoid(tail, waits_s) == pytest.approx(0.5 / (2 * (1 - 0.5)), rel=1e-3)


@pytest.mark.parametrize(("one", "theory", "load"), QUEUES)
def test_times_are_those_of_theory_within_their_intervals(
    one: Service, theory: Callable[[float], dict[str, float]], load: float
) -> None:
    found = [assess(one, Poisson(load), ONE, 20_000, seed).response_s for seed in SEEDS]
    for name, truth in theory(load).items():
        assert np.mean([response_s[name].mean for response_s in found]) == pytest.approx(truth, rel=0.02), name
        held = sum(holds(response_s[name], truth) for response_s in found)
        assert held >= 0.8 * len(SEEDS), (name, held)


def test_utilisation_is_the_load() -> None:
    found = assess(EXPONENTIAL, Poisson(0.6), ONE)
    assert found.load == pytest.approx(0.6, rel=1e-3)
    assert found.utilisation == pytest.approx(0.6, rel=0.03)


# Against a plain simulation

SIXTEENTHS = st.integers(0, 64).map(lambda n: n / 16)
ARRIVALS = st.lists(SIXTEENTHS, min_size=1, max_size=40).map(sorted)
POLICIES = st.builds(Policy, st.integers(1, 6), st.sampled_from([0.0, 0.0625, 0.5, 1.0, 3.0, inf]))
TIMES = st.lists(st.lists(SIXTEENTHS, min_size=1, max_size=3), min_size=6, max_size=6)


@given(ARRIVALS, POLICIES, TIMES)
def test_batches_are_those_of_a_plain_simulation(
    arrivals_s: list[float], policy: Policy, times_s: list[list[float]]
) -> None:
    course = simulate(np.array(arrivals_s), policy, times_s, random())
    chances = random().random(len(arrivals_s))
    expected = plainly(
        arrivals_s, policy, lambda size, first: times_s[size - 1][int(chances[first] * len(times_s[size - 1]))]
    )
    assert course.sizes.tolist() == [len(batch.requests) for batch in expected]
    assert course.begin_s.tolist() == [batch.begin_s for batch in expected]
    assert course.end_s.tolist() == [batch.end_s for batch in expected]
    assert [n for batch in expected for n in batch.requests] == list(range(course.served))


def batches(course: Course) -> Iterator[tuple[list[float], float, float, float]]:
    """Arrivals, begin and end of each batch, and when the server was free for it."""
    edges = np.concatenate(([0], np.cumsum(course.sizes)))
    frees = [-inf, *course.end_s.tolist()]
    for index, (first, beyond) in enumerate(pairwise(edges)):
        begin_s, end_s = float(course.begin_s[index]), float(course.end_s[index])
        yield course.enqueue_s[first:beyond].tolist(), begin_s, end_s, frees[index]


@given(ARRIVALS, POLICIES, TIMES)
def test_no_request_is_lost_overtaken_or_served_before_it_came(
    arrivals_s: list[float], policy: Policy, times_s: list[list[float]]
) -> None:
    course = simulate(np.array(arrivals_s), policy, times_s, random())
    left = len(arrivals_s) % policy.size if policy.is_fixed else 0
    assert course.served == len(arrivals_s) - left
    assert np.all(course.enqueue_s[: course.served] <= course.start_s)
    assert np.all(course.start_s <= course.done_s)
    assert np.all(np.diff(course.start_s) >= 0)
    assert np.all(course.begin_s[1:] >= course.end_s[:-1])
    assert course.sizes.max(initial=0) <= policy.size


@given(ARRIVALS, POLICIES, TIMES)
def test_a_batch_begins_when_it_is_full_or_its_time_is_up_and_the_server_is_free(
    arrivals_s: list[float], policy: Policy, times_s: list[list[float]]
) -> None:
    for waited, begin_s, _, free_s in batches(simulate(np.array(arrivals_s), policy, times_s, random())):
        full_s = waited[-1] if len(waited) == policy.size else inf
        assert begin_s == max(min(full_s, waited[0] + policy.timeout_s), free_s)


@given(ARRIVALS, st.integers(1, 6), TIMES)
def test_a_greedy_server_is_never_idle_while_somebody_waits(
    arrivals_s: list[float], size: int, times_s: list[list[float]]
) -> None:
    course = simulate(np.array(arrivals_s), Policy.greedy(size), times_s, random())
    assert all(begin_s == max(waited[0], free_s) for waited, begin_s, _, free_s in batches(course))


# Edges


def test_at_a_low_rate_a_fixed_batch_waits_until_it_is_full() -> None:
    """Gaps of 1 s: the j-th of 8 waits for the other 8 - j."""
    found = assess(steady(), Constant(1.0, jitter=0), Policy.fixed(8), 1600)
    assert found.response_s["mean"].mean == pytest.approx(3.5 + 0.012)
    assert found.response_s["max"].mean == pytest.approx(7 + 0.012)
    assert found.batches == {8: 200}


def test_at_a_low_rate_a_time_out_is_all_that_is_waited_for() -> None:
    found = assess(steady(), Constant(1.0, jitter=0), Policy(8, 0.25), 2000)
    assert found.response_s["p50"].mean == pytest.approx(0.25 + 0.005)
    assert found.batches == {1: 2000}


def test_requests_that_never_fill_a_batch_are_counted_apart() -> None:
    found = assess(steady(), Recorded("t", (0.0, 1.0, 2.0, 3.0, 4.0)), Policy.fixed(2))
    assert (found.requests, found.unserved) == (4, 1)
    nothing = assess(steady(), Recorded("t", (0.0, 1.0)), Policy.fixed(8))
    assert (nothing.requests, nothing.unserved, nothing.response_s, nothing.mean_batch) == (0, 2, {}, None)
    assert nothing.gross_j is None


@pytest.mark.parametrize("policy", [Policy.greedy(8), Policy.fixed(8), Policy(8, 0.01)])
def test_a_queue_grows_without_bound_where_requests_come_faster_than_full_batches_are_served(policy: Policy) -> None:
    """8 requests in 12 ms: 667/s."""
    for rate, is_saturated in ((600, False), (733, True)):
        found = assess(steady(), Poisson(rate), policy)
        arrivals_s = Poisson(rate).times_s(20_000, random())
        response_s = simulate(arrivals_s, policy, steady().times_s, random(2)).response_s
        early_s, late_s = response_s[4000:8000].mean(), response_s[16_000:].mean()
        assert found.is_saturated == is_saturated
        assert (late_s > 1.5 * early_s) == is_saturated


def test_the_same_seed_gives_the_same_figures() -> None:
    first, again, other = (assess(steady(), Poisson(100), Policy.greedy(8), 2000, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.response_s != other.response_s


def test_a_simulation_begins_to_count_when_an_endless_process_has_settled() -> None:
    assert assess(steady(), Poisson(10), ONE, 1000).requests == 950
    assert assess(steady(), Recorded("t", tuple(float(n) for n in range(100))), ONE).requests == 100


# Figures


@given(st.lists(st.floats(0.001, 10), min_size=20, max_size=200))
def test_percentiles_are_values_that_occurred(gaps: list[float]) -> None:
    arrivals = Recorded("t", tuple(np.cumsum(gaps).tolist()))
    course = simulate(arrivals.times_s(0, random()), Policy(4, 1.0), steady().times_s, random())
    found = summed_up(course, steady(), arrivals, Policy(4, 1.0)).response_s
    ordered = sorted(course.response_s.tolist())
    for name, percent in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("max", 100)):
        assert found[name].mean == percentile(ordered, percent)


def test_few_requests_have_no_interval() -> None:
    found = assess(steady(), Recorded("t", (0.0, 1.0, 2.0)), ONE).response_s["mean"]
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize(("name", "count"), [("p99", 459), ("p99.9", 4603), ("mean", 1), ("max", 1)])
def test_a_claim_needs_so_many_values(name: str, count: int) -> None:
    assert needed(name) == count


def test_a_claim_rests_on_measured_times_too() -> None:
    few = service({1: [0.01] * 458, 2: [0.01] * 459})
    assert not assess(few, Poisson(1), ONE).is_claim("p99")
    assert assess(few, Constant(1), Policy.fixed(2)).is_claim("p99")
    assert not assess(few, Constant(1), Policy.fixed(2), requests=400).is_claim("p99")


# Energy


def energy(found: Figures) -> tuple[Interval, Interval]:
    assert found.net_j is not None
    assert found.gross_j is not None
    return found.net_j, found.gross_j


def test_a_request_takes_its_share_of_the_batch_and_the_idle_until_the_next() -> None:
    """0.4 J a batch and 0.1 J a request, 10 W idle, one request in 50 ms."""
    net, gross = energy(assess(steady(), Constant(20), Policy.fixed(4)))
    assert net.mean == pytest.approx(0.2)
    assert gross.mean == pytest.approx(0.2 + IDLE_W / 20)
    assert net.half_width == pytest.approx(0.001)
    assert gross.half_width == pytest.approx(np.hypot(0.001, 1.0 / 20))


def test_a_saturated_server_is_idle_for_nobody() -> None:
    """Full batches of 12 ms, however many requests wait: 0.15 J each, and 10 W for 1.5 ms."""
    for rate in (700, 5000):
        _, gross = energy(assess(steady(), Poisson(rate), Policy.fixed(8)))
        assert gross.mean == pytest.approx(0.15 + IDLE_W * 0.0015)


@pytest.mark.parametrize("policy", [Policy.greedy(8), Policy(8, 0.02), Policy.fixed(2)])
def test_joules_of_all_batches_and_of_the_idle_are_those_of_all_requests(policy: Policy) -> None:
    arrivals_s = Poisson(150).times_s(40_000, random())
    course = simulate(arrivals_s, policy, steady().times_s, random())
    total_j = sum(0.4 + 0.1 * size for size in course.sizes.tolist()) + IDLE_W * float(course.end_s[-1])
    _, gross = energy(summed_up(course, steady(), Poisson(150), policy))
    assert gross.mean == pytest.approx(total_j / course.served, rel=0.02)


def test_unknown_joules_stay_unknown() -> None:
    found = assess(service({1: [0.01], 2: [0.02]}, {1: ends(1.0, 0.1)}), Poisson(1), ONE)
    assert (found.net_j, found.gross_j) == (None, None)
    without_idle = assess(service({1: [0.01]}, {1: ends(1.0, 0.1)}, idle_w=None), Poisson(1), ONE)
    assert without_idle.net_j is not None
    assert without_idle.gross_j is None


def test_one_trial_leaves_the_interval_of_joules_open() -> None:
    net, _ = energy(assess(service({1: [0.01]}, {1: ends(1.0)}), Poisson(1), ONE))
    assert (net.mean, net.half_width) == (1.0, None)


# Services


def test_a_size_between_two_takes_what_lies_between() -> None:
    one = service({2: [1.0, 2.0], 4: [3.0, 8.0]}, {2: ends(1.0, 0.1), 4: ends(3.0, 0.3)})
    assert list(one.times_s[2]) == one.times_s[2][:] == [2.0, 5.0]
    assert one.mean_s[2] == 3.5
    assert one.net_j is not None
    assert one.net_j[2].mean == pytest.approx(2.0)
    assert one.net_j[2].half_width == pytest.approx(0.2)


def test_a_size_below_the_smallest_is_padded_to_it_and_none_is_above_the_largest() -> None:
    one = service({2: [1.0], 4: [3.0]})
    assert list(one.times_s[0]) == [1.0]
    assert len(one.times_s) == one.largest == 4
    assert not one.is_interpolated(1)


def test_the_share_that_is_interpolated_is_known() -> None:
    one = service({1: [0.01], 4: [0.04]})
    assert assess(one, Poisson(50), Policy.greedy(4)).interpolated > 0.1
    assert assess(one, Poisson(50), Policy.fixed(4)).interpolated == 0


# Arrivals


@pytest.mark.parametrize("arrivals", [Poisson(16), Constant(16)])
def test_arrivals_keep_their_rate(arrivals: Poisson | Constant) -> None:
    times_s = arrivals.times_s(50_000, random())
    assert len(times_s) / times_s[-1] == pytest.approx(16, rel=0.02)
    assert np.all(np.diff(times_s) >= 0)


def test_a_constant_rate_jitters_as_in_the_study() -> None:
    gaps_s = np.diff(Constant(10).times_s(20_000, random()))
    assert (gaps_s.min(), gaps_s.max()) == (pytest.approx(0.08, rel=1e-2), pytest.approx(0.12, rel=1e-2))


def test_a_trace_is_served_as_it_was_recorded() -> None:
    trace = Recorded.parse("t", ["# seconds", "100", "100.5  # a pair", "", "100.5", "103"])
    assert trace.times_s(9, random()).tolist() == [0.0, 0.5, 0.5, 3.0]
    assert trace.rate_per_s == 1.0


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["1", "noon"], "t:2: expected a time stamp in seconds alone on its line"),
        (["1", "nan"], "t:2: expected a time stamp in seconds alone on its line"),
        (["2", "1"], "t:2: the time is before that of the line above: sort the time stamps"),
        (["1"], "t: expected at least two different time stamps, one a line"),
        (["1", "1"], "t: expected at least two different time stamps, one a line"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(lines: list[str], complaint: str) -> None:
    with pytest.raises(InputError) as error:
        Recorded.parse("t", lines)
    assert str(error.value) == complaint


# Words


@pytest.mark.parametrize(
    "text", ["fixed:8", "greedy:16", "timeout:4:20ms", "timeout:4:0.5ms", "timeout:4:37.5ms", "timeout:4:20s"]
)
def test_a_policy_is_spelt_as_it_is_read(text: str) -> None:
    assert str(Policy.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "fixed", "fixed:0", "fixed:8:1ms", "timeout:8", "timeout:8:20", "greedy:-1", "x:1"]
)
def test_a_policy_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--policy"):
        Policy.parse(text)


@pytest.mark.parametrize(("text", "value_s"), [("50ms", 0.05), ("0.5 s", 0.5), ("2min", 120), ("250us", 0.00025)])
def test_durations_have_units(text: str, value_s: float) -> None:
    assert duration_s(text, "x") == pytest.approx(value_s)


@pytest.mark.parametrize(("text", "value"), [("16/s", 16), ("30/min", 0.5), ("7200 / h", 2)])
def test_rates_have_units(text: str, value: float) -> None:
    assert rate_per_s(text, "x") == pytest.approx(value)


@pytest.mark.parametrize("text", ["16/s", "30/min", "2.5/h", "0.1/h", "1000/s"])
def test_a_rate_is_spelt_as_it_is_read(text: str) -> None:
    assert spelt_per_s(rate_per_s(text, "x")) == text


@pytest.mark.parametrize("text", ["50", "0ms", "-1s", "1e3s", "fast", "", "ms"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="x: expected a duration above 0 such as 50ms"):
        duration_s(text, "x")


@pytest.mark.parametrize("text", ["16", "0/s", "16/day", "/s", "-1/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="x: expected requests per time above 0 such as 16/s"):
        rate_per_s(text, "x")


@given(st.floats(1e-9, 1e9))
def test_a_policy_can_be_read_as_it_is_spelt(timeout_s: float) -> None:
    policy = Policy.parse(f"timeout:8:{spelt_s(timeout_s)}")
    assert policy.timeout_s == pytest.approx(timeout_s, rel=1e-10)
    assert Policy.parse(str(policy)) == policy
