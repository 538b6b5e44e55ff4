"""Intervals of means, with known answers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from farm.analysis.intervals import MEDIAN_NEEDS, Interval, Median, mean_interval, median
from farm.analysis.moderation import Spread

# the increase in hours of sleep by the second drug, Student 1908
SLEEP = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


def test_the_t_interval_is_the_textbook_one() -> None:
    found = mean_interval(SLEEP)
    assert found.mean == pytest.approx(2.33)
    assert found.low == pytest.approx(0.8976775)
    assert found.high == pytest.approx(3.7623225)


@example([0.0, 0.0, 0.0, 1.2139563668248526e-178], [])
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.lists(st.floats(0, 1e3), max_size=3))
def test_an_interval_holds_its_mean(values: list[float], shared_us: list[float]) -> None:
    found = mean_interval(values, shared_us=shared_us)
    if len(values) == 1:
        assert (found.low, found.high, found.relative) == (None, None, None)
        return
    assert found.low is not None
    assert found.high is not None
    margin = 1e-9 * (1 + abs(found.mean))
    assert found.low - margin <= found.mean <= found.high + margin


def test_spread_and_shared_error_are_combined_as_the_gum_does() -> None:
    """Three values of standard deviation 0.3: u of the mean 0.3 / sqrt(3); 2 degrees of freedom alone, 8 together."""
    found = mean_interval([1.7, 2.0, 2.3], shared_us=[0.3 / 3**0.5] * 3)
    u = 0.3 / 3**0.5 * 2**0.5
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, 8) * u)
    assert found.relative == pytest.approx(stats.t.ppf(0.975, 8) * u / 2)


def test_other_trials_may_tell_more_of_the_spread() -> None:
    found = mean_interval([1.99, 2.0, 2.01], spread=Spread(0.04, 20))
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, 20) * 0.2 / 3**0.5)


def test_what_cannot_be_negative_has_no_negative_end() -> None:
    found = mean_interval([1.0, 3.0]).not_negative()
    assert (found.mean, found.low) == (2.0, 0.0)
    assert found.high == pytest.approx(2 + 12.706, rel=1e-4)
    assert mean_interval([3.0]).not_negative() == Interval(3.0, None, None)


def test_the_interval_of_a_median_is_that_of_the_binomial_distribution() -> None:
    """Conover, Practical Nonparametric Statistics: of 10 values the 2nd and the 9th, at 97.9 %."""
    assert median(SLEEP) == Median(pytest.approx(1.75), 0.1, 4.6)  # type: ignore[arg-type]


def test_few_values_have_a_median_and_no_interval() -> None:
    assert median(SLEEP[: MEDIAN_NEEDS - 1]) == Median(0.8, None, None)
    assert median(SLEEP[:MEDIAN_NEEDS]) == Median(pytest.approx(0.95), -0.1, 4.4)  # type: ignore[arg-type]
