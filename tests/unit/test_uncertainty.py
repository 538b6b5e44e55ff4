"""The uncertainty of a gross energy: what late counters, and sensors that see part of the time, leave open."""

import math
from itertools import pairwise
from math import sqrt
from random import Random
from statistics import fmean, pstdev

import pytest

from farm.energy import gross
from farm.energy import joules as energy
from farm.energy.curve import Sides
from farm.energy.joules import Power
from farm.model import Domain, Quality, Reading, Trace
from farm.model.energies import COVERAGE_FACTOR

S = 1_000_000_000
PERIOD_S = 0.1
IDLE_W, LOAD_W = 50.0, 250.0


def counter(
    apart_s: float, period_u_s: float | None, averaging_s: float | None = PERIOD_S, jitter_s: float | None = 0.0
) -> Trace:
    """Read at 0 s and so much later, around a window of load that begins at 0.3 s and ends 0.3 s before."""
    energy_j = IDLE_W * apart_s + (LOAD_W - IDLE_W) * (apart_s - 0.6)
    readings = (Reading(0, energy_j=0.0), Reading(round(apart_s * S), energy_j=energy_j))
    return Trace(Domain.GPU, "counter", Quality.COUNTER, PERIOD_S, readings, period_u_s, averaging_s, jitter_s)


def sensor(powers_w: list[float], averaging_s: float | None) -> Trace:
    """Read every period from 0.3 s on."""
    readings = tuple(Reading(round((0.3 + PERIOD_S * i) * S), power_w=p) for i, p in enumerate(powers_w))
    return Trace(Domain.GPU, "power", Quality.SAMPLED, PERIOD_S, readings, None, averaging_s)


def gross_u_j(counted: Trace, polled: Trace | None = None) -> float:
    begin_ns, end_ns = round(0.3 * S), counted.readings[-1].at_ns - round(0.3 * S)
    found = gross.window_energy(counted, begin_ns, end_ns, Sides(IDLE_W, IDLE_W, 0.25), polled)
    assert found is not None
    assert found.j == pytest.approx(LOAD_W * (end_ns - begin_ns) / S)
    return found.u_j


def spread_of_ages_s(apart_s: float) -> float:
    """By trial: the readings' difference in age for every age of the first."""
    ages = [(i + 0.5) / 1000 * PERIOD_S for i in range(1000)]
    return pstdev((age + apart_s) % PERIOD_S - age for age in ages)


@pytest.mark.parametrize("apart_s", [10.6, 10.601, 10.602, 10.599])
def test_readings_a_known_number_of_periods_apart_differ_little_in_age(apart_s: float) -> None:
    expected_j = IDLE_W * spread_of_ages_s(apart_s)
    assert gross_u_j(counter(apart_s, period_u_s=0.0)) == pytest.approx(expected_j, rel=0.02, abs=1e-6)


@pytest.mark.parametrize("apart_s", [10.603, 10.62, 10.65, 10.68, 10.697])
def test_readings_between_periods_are_given_the_whole_period(apart_s: float) -> None:
    assert gross_u_j(counter(apart_s, period_u_s=0.0)) * COVERAGE_FACTOR >= 0.97 * IDLE_W * PERIOD_S
    assert gross_u_j(counter(apart_s, period_u_s=0.0)) >= IDLE_W * spread_of_ages_s(apart_s)


def differences_s(apart_s: float, latest_s: float) -> list[float]:
    """In age, between readings of a counter whose updates are late at random, evenly up to `latest_s`."""
    random = Random(5)

    def age_s(at_s: float) -> float:
        latest = math.floor(at_s / PERIOD_S)
        is_out = at_s - latest * PERIOD_S >= random.uniform(0.0, latest_s)
        return at_s - (latest if is_out else latest - 1) * PERIOD_S

    begins_s = [random.uniform(1.0, 2.0) for _ in range(20_000)]
    return [age_s(begin_s + apart_s) - age_s(begin_s) for begin_s in begins_s]


@pytest.mark.parametrize("latest_s", [0.0005, 0.002, 0.006])
def test_of_a_counter_that_publishes_a_little_late_the_spread_is_charged(latest_s: float) -> None:
    jitter_s = latest_s / 3  # so much do two even numbers up to it differ on average
    found_j = gross_u_j(counter(10.6, 0.0, jitter_s=jitter_s))
    assert found_j == pytest.approx(IDLE_W * pstdev(differences_s(10.6, latest_s)), rel=0.1)


@pytest.mark.parametrize("latest_s", [0.0, 0.002, 0.006, 0.01, 0.03, 0.06])
@pytest.mark.parametrize("apart_s", [10.6, 10.601])
def test_the_interval_leaves_out_a_rare_period_only(apart_s: float, latest_s: float) -> None:
    u_s = gross_u_j(counter(apart_s, 0.0, jitter_s=latest_s / 3)) / IDLE_W
    held = fmean(abs(d) <= 1.05 * COVERAGE_FACTOR * u_s for d in differences_s(apart_s, latest_s))
    assert held >= 1 - 1.2 * gross.RARE


@pytest.mark.parametrize(("period_u_s", "jitter_s"), [(None, 0.0), (0.0, None), (1e-3, 0.0), (0.0, 0.03)])
def test_a_period_that_is_not_known_well_leaves_every_age_open(
    period_u_s: float | None, jitter_s: float | None
) -> None:
    expected_j = IDLE_W * sqrt(fmean(spread_of_ages_s(10.6 + i / 1000) ** 2 for i in range(100)))
    for apart_s in (10.6, 10.65):
        assert gross_u_j(counter(apart_s, period_u_s, jitter_s=jitter_s)) == pytest.approx(expected_j, rel=0.01)


def test_a_period_less_well_known_leaves_more_open() -> None:
    by_knowledge = [gross_u_j(counter(10.6, period_u_s)) for period_u_s in (0.0, 1e-6, 1e-5, None)]
    assert by_knowledge == sorted(by_knowledge)
    assert by_knowledge[1] < by_knowledge[2]


def caught_j(begin_s: float, end_s: float, averaging_s: float) -> float:
    """What a sensor makes of a step of 1 W between two moments: each reading stands for the whole period."""
    seen_s = sum(
        max(min(end_s, PERIOD_S * k + averaging_s) - max(begin_s, PERIOD_S * k), 0.0)
        for k in range(int(end_s / PERIOD_S) + 1)
    )
    return seen_s * PERIOD_S / averaging_s


@pytest.mark.parametrize("averaging_s", [0.01, 0.025, 0.05])
def test_of_a_step_a_part_time_sensor_catches_too_much_or_too_little(averaging_s: float) -> None:
    random = Random(1)
    windows = [(random.uniform(1, 2), random.uniform(3, 4)) for _ in range(20_000)]
    by_trial_s = pstdev(caught_j(begin, end, averaging_s) - (end - begin) for begin, end in windows)
    found_j = gross_u_j(counter(10.6, 0.0, averaging_s))
    assert found_j == pytest.approx((LOAD_W - IDLE_W) * by_trial_s, rel=0.02)


def test_a_sensor_of_which_nothing_is_known_may_see_little() -> None:
    steady = [LOAD_W] * 100
    by_share = [gross_u_j(counter(10.6, 0.0, s), sensor(steady, s)) for s in (PERIOD_S, 0.05, 0.025, None)]
    assert by_share == sorted(by_share)
    assert by_share[0] < by_share[-2] < by_share[-1]


def sampling_u_j(powers_w: list[float], averaging_s: float | None = 0.025) -> float:
    with_steps_only = gross_u_j(counter(10.6, 0.0, averaging_s))
    return sqrt(gross_u_j(counter(10.6, 0.0, averaging_s), sensor(powers_w, averaging_s)) ** 2 - with_steps_only**2)


def test_power_that_varies_at_random_leaves_the_standard_error_of_its_mean_open() -> None:
    random = Random(2)
    found = [sampling_u_j([random.gauss(LOAD_W, 40.0) for _ in range(100)]) for _ in range(200)]
    expected_j = 40.0 / sqrt(100) * sqrt(0.75) * 10.0
    assert sqrt(fmean(u**2 for u in found)) == pytest.approx(expected_j, rel=0.1)


def test_power_that_repeats_averages_out() -> None:
    random = Random(3)
    repeating = [LOAD_W + 80.0 * (-1) ** i for i in range(100)]
    shuffled = random.sample(repeating, 100)
    assert sampling_u_j(repeating) < 0.2 * sampling_u_j(shuffled)


def test_a_sensor_that_sees_all_the_time_leaves_nothing_open() -> None:
    random = Random(4)
    varied = [random.gauss(LOAD_W, 40.0) for _ in range(100)]
    assert sampling_u_j(varied, averaging_s=PERIOD_S) == pytest.approx(0.0, abs=1e-9)


def test_a_counter_without_a_power_sensor_beside_it_has_its_steps_only() -> None:
    alone = gross_u_j(counter(10.6, 0.0, 0.025))
    told_nothing = Trace(Domain.GPU, "power", Quality.SAMPLED, PERIOD_S, (), None, 0.025)
    assert gross_u_j(counter(10.6, 0.0, 0.025), told_nothing) == alone > 0


def test_the_idle_during_the_work_is_one_more_that_wanders() -> None:
    random = Random(6)
    idles_w = [random.gauss(0.0, 1.0) for _ in range(3000)]
    moved_w = sqrt(fmean((b - a) ** 2 for a, b in pairwise(idles_w[:21]))) / sqrt(2)
    for count in (1, 2):
        u_w = energy.wander_u_w([Power(50.0, 0.0, wander_u_w=moved_w)] * count)
        errors_w = [
            fmean(idles_w[i : i + count]) - idles_w[i + count] for i in range(0, len(idles_w) - count, count + 1)
        ]
        assert 0.92 <= fmean(abs(error_w) <= COVERAGE_FACTOR * u_w for error_w in errors_w) <= 0.99
