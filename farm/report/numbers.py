"""Numbers as text, with as many digits as the uncertainty supports and a cell of a table holds."""

from math import isfinite

from farm.analysis.intervals import Interval, Median
from farm.analysis.rules import TOO_WIDE, says_little, stands_out
from farm.model import Scalar
from farm.model.text import visible

UNKNOWN = "–"
#: What stands in brackets in place of an interval: of one trial, where none is known, where it says little.
ONE_TRIAL, NO_INTERVAL, CANNOT_TELL = "n=1", "no interval", "cannot tell"
DIGITS = 3
#: Numbers that need more decimals or are larger have an exponent.
MOST_DECIMALS = 6
TOO_LARGE = 1e7
#: A half-width below this share of the mean is a rounding error.
_ROUNDING = 1e-12
#: An interval whose middle lies further from the mean, as a share of the half-width, is written by its ends.
_LOPSIDED = 0.1
#: A mean has at most so many significant digits beside its interval.
MOST_DIGITS = 5
#: The number of characters of an interval in a cell of a table.
WIDEST = 19


def label(value: Scalar) -> str:
    """Return a value as a sweep file spells it; a dash for an unknown value."""
    if value is None:
        return UNKNOWN
    return str(value).lower() if isinstance(value, bool) else visible(str(value))


def number(value: float | None, digits: int = DIGITS) -> str:
    """Return a number with significant digits, without exponent in usual sizes; a dash for an unknown number."""
    if value is None or not isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = _decimals(value, digits)
    if decimals > MOST_DECIMALS or abs(value) >= TOO_LARGE:
        return f"{value:.{digits - 2}e}"
    return _fixed(value, decimals)


def interval(value: Interval | None) -> str:
    """Return mean ± half-width, rounded to two digits of the half-width.

    A very small half-width is rounded up to the last digit of the mean. An interval that is not symmetric, as that of
    a ratio or of an energy that cannot be negative, is written by its ends. Words say that there is no interval.
    """
    if value is None or not isfinite(value.mean):
        return UNKNOWN
    half = value.half_width
    if value.low is None or half is None or not isfinite(half):
        return f"{number(value.mean)} ({NO_INTERVAL})"
    if half <= _ROUNDING * abs(value.mean):
        return number(value.mean)
    if abs(value.low + half - value.mean) > _LOPSIDED * half:
        return f"{number(value.mean)} ({ends(value, 2)})"
    decimals = _decimals(half, 2)
    if value.mean and half < abs(value.mean) and decimals > (most := _decimals(value.mean, MOST_DIGITS)):
        decimals, half = most, max(half, 10.0**-most)
    if decimals <= MOST_DECIMALS and max(abs(value.mean), half) < TOO_LARGE:
        text = f"{_fixed(value.mean, decimals)} ± {_fixed(half, decimals)}"
        if len(text) <= WIDEST:
            return text
    return f"{value.mean:.1e} ± {half:.1e}"


def ratio(value: Interval | None) -> str:
    """Return a ratio, or another quantity that cannot be negative, with its interval; words if that says little."""
    if value is not None and says_little(value):
        return f"{number(value.mean)} ({CANNOT_TELL})"
    return interval(value)


def positive(value: Interval | None) -> str:
    """Return a figure of trials that cannot be negative, with its interval; words if that says little."""
    if value is not None and value.low is None and isfinite(value.mean):
        return f"{number(value.mean)} ({ONE_TRIAL})"
    return ratio(value)


def _decimals(value: float, digits: int) -> int:
    """Return how many decimals show so many significant digits; negative numbers stand for tens, hundreds, ..."""
    return digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])


def _fixed(value: float, decimals: int) -> str:
    """Return a number rounded to so many decimals; a rounded zero has no sign."""
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def median(value: Median | None) -> str:
    """Return a median and the ends of its interval, to two digits of the half-width; the ends may lie unevenly."""
    if value is None or not isfinite(value.value):
        return UNKNOWN
    if value.low is None or value.high is None:
        return f"{number(value.value)} ({NO_INTERVAL})"
    figures = (value.value, value.low, value.high)
    half = (value.high - value.low) / 2
    decimals = _decimals(half, 2) if half else MOST_DECIMALS + 1
    is_plain = decimals <= MOST_DECIMALS and max(map(abs, figures)) < TOO_LARGE
    middle, low, high = (_fixed(x, decimals) if is_plain else number(x) for x in figures)
    return f"{middle} [{low}, {high}]"


def net(value: Interval | None) -> str:
    """Return a net energy with its interval; a bound if the energy may be 0."""
    return _bound(value) or positive(value)


def net_mean(value: Interval | None) -> str:
    """Return an energy without its interval; a bound where noise left its mean at 0 or below."""
    if value is not None and value.mean <= 0:
        return _bound(value) or number(value.mean)
    return number(value.mean if value else None)


def net_median(value: Median | None) -> str:
    """Return a median net energy with its interval; a bound if the energy may be 0."""
    return _bound(value) or median(value)


def _bound(value: Interval | Median | None) -> str:
    """Return a bound, or an empty text if the whole interval is above 0 or nothing is known of it."""
    if value is None or stands_out(value):
        return ""
    high = value.high
    if high is None and isinstance(value, Interval) and value.meter is not None:
        high = value.mean + value.meter
    if high is None:
        return ""
    return f"< {number(high, 2)}" if high > 0 else "≤ 0"


def several(number_of: int, what: str) -> str:
    """Return a number with its noun: 1 point, 2 points."""
    return f"{number_of} {what}{'' if number_of == 1 else 's'}"


def count(value: float | None) -> str:
    """Return a mean or median of counts, without decimals if it is whole."""
    if value is None or isinstance(value, int):
        return label(value)
    return f"{round(value, 1):.12g}"


def percent_interval(share: Interval | None) -> str:
    """Return a share with its interval in percent, without the sign; it is never below 0 or above 1."""
    if share is None:
        return UNKNOWN
    if share.low is None or share.high is None:
        return positive(Interval(share.mean * 100, None, None))
    if share.low <= 0 and share.high >= 1:
        return f"{number(share.mean * 100)} ({CANNOT_TELL})"
    return interval(Interval(share.mean * 100, max(share.low, 0.0) * 100, min(share.high, 1.0) * 100))


def milliseconds(value_s: float | None) -> str:
    """Return seconds as milliseconds."""
    return number(None if value_s is None else value_s * 1e3)


def percent(share: float) -> str:
    """Return a share as whole percent."""
    return f"{share * 100:.0f}%"


def change(relative: float) -> str:
    """Return a relative difference in percent, with its sign."""
    return f"{relative * 100:+.1f}%"


def share(value: float | None) -> str:
    """Return a share of a variance with three decimals, as papers print it."""
    return UNKNOWN if value is None else f"{value:.3f}"


def estimate(value: Interval) -> str:
    """Return a value and the ends of its interval, if they are known."""
    inside = ends(value)
    return f"{number(value.mean, 4)} ({inside})" if inside else number(value.mean, 4)


def ends(value: Interval, digits: int = 4) -> str:
    """Return the ends of an interval; an empty text if they are unknown."""
    if value.low is None or value.high is None:
        return ""
    return f"{number(value.low, digits)} to {number(value.high, digits)}"


def factor_words(value: Interval, level: str = "95%") -> str:
    """Return the interval of a ratio in words: its ends, or that it says little; an empty text if it is unknown."""
    if says_little(value):
        return f"{level}: wider than a factor of {TOO_WIDE:g}"
    inside = ends(value)
    return f"{level}: {inside}" if inside else ""


def p_value(p: float | None) -> str:
    """Return a p-value for a cell of a table."""
    if p is None:
        return UNKNOWN
    return "<.001" if p < 0.001 else number(p, 2)
