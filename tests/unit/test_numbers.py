"""Numbers as people read them."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farm.analysis.intervals import Interval, Median
from farm.model.durations import span
from farm.report.numbers import UNKNOWN, WIDEST, interval, label, median, milliseconds, net_median, number, percent
from tests.summaries import ends

ANY = st.floats(allow_nan=True, allow_infinity=True)
SOME = st.one_of(st.none(), ANY)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, UNKNOWN),
        (math.nan, UNKNOWN),
        (-math.inf, UNKNOWN),
        (0, "0"),
        (-0.0, "0"),
        (0.25312, "0.253"),
        (9.996, "10.0"),
        (99.96, "100"),
        (123.456, "123"),
        (12345, "12300"),
        (-1.5, "-1.50"),
        (0.000123, "0.000123"),
        (1.26e-5, "1.3e-05"),
        (12_600_000, "1.3e+07"),
    ],
)
def test_a_number_has_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, UNKNOWN),
        (ends(math.nan, 1), UNKNOWN),
        (ends(0.25), "0.250 (no interval)"),
        (ends(0.25, math.inf), "0.250 (no interval)"),
        (ends(0.25, 0), "0.250"),
        (ends(0.12341, 0.0021), "0.1234 ± 0.0021"),
        (ends(0.1, 0.00996), "0.100 ± 0.010"),
        (ends(1234, 120), "1230 ± 120"),
        (ends(-1e-6, 0.021), "0.000 ± 0.021"),
        (ends(1.26e-7, 1.2e-9), "1.3e-07 ± 1.2e-09"),
        (ends(5, 2e7), "5.0e+00 ± 2.0e+07"),
        (Interval(0.5087, 0.01661, 15.58), "0.509 (0.017 to 16)"),
        (Interval(0.0625, 0.0535, 0.0730), "0.0625 ± 0.0097"),
        (Interval(2.0, -3.0, 7.0).not_negative(), "2.00 (0 to 7.0)"),
    ],
)
def test_an_interval_has_the_digits_that_its_width_supports(value: Interval | None, text: str) -> None:
    assert interval(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, UNKNOWN),
        (Median(math.nan, None, None), UNKNOWN),
        (Median(0.25, None, None), "0.250 (no interval)"),
        (Median(4.5921, 4.481, 4.652), "4.592 [4.481, 4.652]"),
        (Median(1234, 1100, 1500), "1230 [1100, 1500]"),
        (Median(2.0, 2.0, 2.0), "2.00 [2.00, 2.00]"),
        (Median(2e9, 1e9, 4e9), "2.0e+09 [1.0e+09, 4.0e+09]"),
        (Median(0.5, -0.1, 0.9), "< 0.90"),
        (Median(-0.5, -0.9, -0.1), "≤ 0"),
    ],
)
def test_a_median_has_both_ends_and_one_that_may_be_nothing_is_a_bound(value: Median | None, text: str) -> None:
    assert net_median(value) == text
    if value is None or value.low is None or value.low > 0:
        assert median(value) == text


@given(ANY, st.integers(2, 5))
@example(5e-324, 3)
@example(1.7976931348623157e308, 3)
def test_any_number_is_printed(value: float, digits: int) -> None:
    text = number(value, digits)
    assert not re.search("nan|inf", text)
    assert math.isfinite(value) == (text != UNKNOWN)


@given(st.floats(1e-6, 9e6), st.sampled_from([1, -1]))
def test_a_number_is_off_by_half_of_its_last_digit_at_most(value: float, sign: int) -> None:
    assert float(number(sign * value)) == pytest.approx(sign * value, rel=0.051 if value < 1e-4 else 0.0051)


@given(st.floats(1e-6, 1e6))
def test_a_number_fits_its_cell(value: float) -> None:
    assert len(number(value)) <= 8


@given(ANY, SOME, SOME)
@example(1.0, -5e-324, 5e-324)
@example(1e308, -1e308, 1e308)
def test_any_interval_is_printed(mean: float, low: float | None, high: float | None) -> None:
    text = interval(Interval(mean, low, high))
    assert text
    assert not re.search("nan|inf", text)


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9))
def test_an_interval_fits_its_cell(mean: float, half_width: float) -> None:
    assert len(interval(ends(mean, half_width))) <= WIDEST


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (86_399, "23 h 59 min"),
        (100_000, "1 d 03 h"),
    ],
)
def test_a_duration_for_people(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_shares_and_milliseconds() -> None:
    assert percent(0.234) == "23%"
    assert milliseconds(0.0321) == "32.1"
    assert milliseconds(None) == UNKNOWN


def test_a_value_is_spelt_as_a_sweep_spells_it() -> None:
    assert [label(value) for value in (None, True, False, 4, "bf16")] == [UNKNOWN, "true", "false", "4", "bf16"]
