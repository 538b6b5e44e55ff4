"""Grouping and summing up, against answers known from elsewhere."""

from math import sqrt
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from farm.analysis.aggregate import summarise
from farm.analysis.intervals import mean_interval
from farm.model import CarbonFactor, Flag, Quality
from farm.model.energies import COVERAGE_FACTOR
from farm.model.percentiles import percentile
from tests.summaries import sample

# Percentiles


@pytest.mark.parametrize(("percent", "value"), [(5, 15), (30, 20), (40, 20), (50, 35), (99, 50), (100, 50)])
def test_a_percentile_is_the_nearest_rank(percent: float, value: float) -> None:
    assert percentile([15, 20, 35, 40, 50], percent) == value


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 50) is None


@given(values=st.lists(st.floats(0, 10), min_size=1), percent=st.floats(0.1, 100))
def test_a_percentile_occurred_and_so_many_values_are_at_most_as_large(values: list[float], percent: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found in values
    assert sum(value <= found for value in ordered) >= percent / 100 * len(ordered) - 1e-9


# Intervals


def test_the_interval_of_a_textbook() -> None:
    """Five values of mean 10 and standard deviation 1: t(4) = 2.776, so 10 ± 2.776 / sqrt(5)."""
    spread = sqrt(0.5)
    found = mean_interval([10 - 2 * spread, 10, 10, 10, 10 + 2 * spread])
    assert found.mean == pytest.approx(10)
    assert found.half_width == pytest.approx(2.776 / sqrt(5), rel=1e-3)


@given(st.lists(st.floats(1, 1000), min_size=2, max_size=30, unique=True))
def test_the_interval_is_that_of_scipy(values: list[float]) -> None:
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=fmean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


def test_one_trial_shows_nothing_of_the_spread() -> None:
    found = mean_interval([3.0])
    assert (found.mean, found.low, found.high, found.half_width) == (3.0, None, None, None)


def test_one_trial_shows_what_its_meter_leaves_open_and_has_no_interval() -> None:
    found = mean_interval([3.0], us=[0.1], shared_us=[0.05])
    assert (found.low, found.high, found.half_width, found.relative) == (None,) * 4
    assert found.meter == pytest.approx(COVERAGE_FACTOR * 0.1)


def test_a_shared_error_does_not_fall_with_the_number_of_trials() -> None:
    agreeing = mean_interval([3.0, 3.0, 3.0, 3.0], us=[0.1] * 4, shared_us=[0.1] * 4)
    assert agreeing.half_width == pytest.approx(COVERAGE_FACTOR * 0.1, rel=1e-3)
    spread = mean_interval([2.0, 4.0], us=[0.001] * 2, shared_us=[0.001] * 2)
    assert spread.half_width == pytest.approx(12.706, rel=1e-3)


# Groups


def test_trials_of_one_group_are_averaged() -> None:
    first = sample(gross_j=2.0, net_j=1.0, units_per_s=100, latencies_s=(0.3, 0.1))
    second = sample(gross_j=4.0, net_j=3.0, units_per_s=200, latencies_s=(0.2,))
    (found,) = summarise([first, second], ["model", "batch_size"])
    assert found.labels == {"model": "alexnet", "batch_size": 4}
    assert (found.trials, found.batches) == (2, 3)
    assert found.units_per_s == pytest.approx(2 / (1 / 100 + 1 / 200))
    assert (found.p50_s, found.p95_s) == (0.2, 0.3)
    assert found.net_j == mean_interval([1.0, 3.0])
    assert found.gross_j == mean_interval([2.0, 4.0]).not_negative()


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.1, 100), st.floats(0.1, 1e4)), min_size=1, max_size=9))
def test_the_rate_times_the_joules_of_a_unit_is_the_power_of_the_same_trials(
    trials: list[tuple[int, float, float]],
) -> None:
    """Trials of unequal lengths; one that no meter saw, and that is far faster, says nothing of the power."""
    metered = [sample(units_per_s=units / s, gross_j=j / units) for units, s, j in trials]
    unmetered = sample(units_per_s=1e6, gross_j=None, net_j=None)
    (found,) = summarise([*metered, unmetered], ["model"])
    assert found.gross_j is not None
    assert found.units_per_s is not None
    power_w = found.units_per_s * found.gross_j.mean
    for_a_unit = [(j / units, s / units) for units, s, j in trials]
    assert power_w == pytest.approx(sum(j for j, _ in for_a_unit) / sum(s for _, s in for_a_unit))
    each_w = [j / s for _, s, j in trials]
    assert min(each_w) * (1 - 1e-9) <= power_w <= max(each_w) * (1 + 1e-9)


def test_trials_of_equal_work_have_their_joules_over_their_seconds() -> None:
    """Batches of one image at 5 image/s with 1.5 J, and of many at 87 image/s with 0.09 J: on a machine of 8 W."""
    (found,) = summarise([sample(units_per_s=5.0, gross_j=1.5), sample(units_per_s=87.0, gross_j=0.09)], ["model"])
    assert found.gross_j is not None
    assert found.units_per_s is not None
    assert found.units_per_s * found.gross_j.mean == pytest.approx((1.5 + 0.09) / (1 / 5 + 1 / 87))


def test_groups_come_in_the_order_of_their_first_trials() -> None:
    found = summarise([sample(4), sample(1), sample(4)], ["batch_size"])
    assert [(s.labels["batch_size"], s.trials) for s in found] == [(4, 2), (1, 1)]


def test_joules_of_different_quality_are_never_averaged() -> None:
    found = summarise([sample(quality=quality) for quality in (*Quality, None)], ["model"])
    assert [(s.quality, s.trials) for s in found] == [(quality, 1) for quality in (*Quality, None)]


def test_simulated_joules_are_never_averaged_with_real_ones() -> None:
    found = summarise([sample(gross_j=1.0), sample(gross_j=9.0, simulated=True)], ["model"])
    assert [(s.simulated, s.gross_j and s.gross_j.mean) for s in found] == [(False, 1.0), (True, 9.0)]


def test_what_no_trial_knows_stays_unknown() -> None:
    bare = sample(gross_j=None, net_j=None, net_u_j=None, latencies_s=())
    (found,) = summarise([bare], ["model", "precision"])
    assert (found.gross_j, found.net_j, found.carbon_g, found.p50_s, found.p99_s) == (None,) * 5
    assert found.labels["precision"] is None


def test_carbon_is_that_of_the_gross_energy() -> None:
    (found,) = summarise([sample(gross_j=7.2e6, carbon=CarbonFactor(300.0, 1.5, "given outright"))], ["model"])
    assert found.carbon_g == pytest.approx(900.0)


def test_a_group_counts_its_flagged_trials_and_their_flags() -> None:
    both = (Flag.BELOW_NOISE, Flag.TOO_SHORT)
    three = [sample(), sample(flags=both), sample(flags=both[:1])]
    (found,) = summarise(three, ["model"])
    assert (found.trials, found.left_out, found.is_doubtful) == (2, 1, False)
    assert found.flags == {Flag.BELOW_NOISE: 2, Flag.TOO_SHORT: 1}
    (brought_back,) = summarise(three, ["model"], include_flagged=True)
    assert (brought_back.trials, brought_back.left_out) == (3, 0)


def test_flagged_trials_do_not_move_the_mean_of_the_others() -> None:
    values = [sample(net_j=1.0), sample(net_j=3.0), sample(net_j=100.0, flags=(Flag.CONTAMINATED,))]
    (found,) = summarise(values, ["model"])
    assert found.net_j is not None
    assert found.net_j.mean == pytest.approx(2.0)


def test_a_group_of_flagged_trials_alone_is_in_doubt_until_somebody_asks_for_it() -> None:
    (asked,) = summarise([sample(flags=(Flag.THROTTLED,))] * 2, ["model"], include_flagged=True)
    assert not asked.is_doubtful
    (found,) = summarise([sample(flags=(Flag.THROTTLED,))] * 2, ["model"])
    assert (found.trials, found.left_out, found.is_doubtful) == (2, 0, True)
