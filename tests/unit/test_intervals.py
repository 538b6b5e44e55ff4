"""Intervals of means, with known answers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from farm.analysis.intervals import MEDIAN_NEEDS, Median, mean_interval, median

# the increase in hours of sleep by the second drug, Student 1908
SLEEP = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


def test_the_t_interval_is_the_textbook_one() -> None:
    found = mean_interval(SLEEP)
    assert found.mean == pytest.approx(2.33)
    assert found.low == pytest.approx(0.8976775)
    assert found.high == pytest.approx(3.7623225)


def test_the_bootstrap_counts_where_it_is_wider() -> None:
    skewed = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0)
    t = stats.t.interval(0.95, len(skewed) - 1, loc=sum(skewed) / 12, scale=stats.sem(skewed))
    found = mean_interval(skewed)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low >= t[1] - t[0]
    assert found == mean_interval(skewed)


@example([0.0, 0.0, 0.0, 1.2139563668248526e-178], [])
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.lists(st.floats(0, 1e3), max_size=3))
def test_an_interval_holds_its_mean(values: list[float], uncertainties: list[float]) -> None:
    found = mean_interval(values, uncertainties)
    if len(values) == 1 and not uncertainties:
        assert (found.low, found.high, found.relative) == (None, None, None)
        return
    assert found.low is not None
    assert found.high is not None
    margin = 1e-9 * (1 + abs(found.mean))
    assert found.low - margin <= found.mean <= found.high + margin


def test_the_instrument_counts_where_repetitions_agree_too_well() -> None:
    found = mean_interval([2.0, 2.0, 2.0], [0.3, 0.3, 0.3])
    assert found.half_width == pytest.approx(1.96 * 0.3 / 3**0.5)
    assert found.relative == pytest.approx(1.96 * 0.3 / 3**0.5 / 2)


def test_the_interval_of_a_median_is_that_of_the_binomial_distribution() -> None:
    """Conover, Practical Nonparametric Statistics: of 10 values the 2nd and the 9th, at 97.9 %."""
    assert median(SLEEP) == Median(pytest.approx(1.75), 0.1, 4.6)  # type: ignore[arg-type]


def test_few_values_have_a_median_and_no_interval() -> None:
    assert median(SLEEP[: MEDIAN_NEEDS - 1]) == Median(0.8, None, None)
    assert median(SLEEP[:MEDIAN_NEEDS]) == Median(pytest.approx(0.95), -0.1, 4.4)  # type: ignore[arg-type]
