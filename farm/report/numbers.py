"""Numbers with sensible digits: as many as the uncertainty supports, in the width of a table's cell."""

from math import isfinite

from farm.analysis.intervals import Interval, Median
from farm.model import Scalar

UNKNOWN = "–"
DIGITS = 3
#: Beyond these a number is written with an exponent.
MOST_DECIMALS = 6
TOO_LARGE = 1e7
#: Characters of an interval in a table's cell.
WIDEST = 19


def label(value: Scalar) -> str:
    """A factor's value as a sweep spells it; a dash for what is unknown."""
    if value is None:
        return UNKNOWN
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(value: float | None, digits: int = DIGITS) -> str:
    """Significant digits without exponents for everyday sizes; a dash for what is unknown."""
    if value is None or not isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = _decimals(value, digits)
    if decimals > MOST_DECIMALS or abs(value) >= TOO_LARGE:
        return f"{value:.{digits - 2}e}"
    return _fixed(value, decimals)


def interval(value: Interval | None) -> str:
    """Mean ± half-width, rounded to two digits of the half-width; an unknown spread is said so."""
    if value is None or not isfinite(value.mean):
        return UNKNOWN
    half = value.half_width
    if half is None or not isfinite(half):
        return f"{number(value.mean)} ±?"
    if half == 0:
        return number(value.mean)
    decimals = _decimals(half, 2)
    if decimals <= MOST_DECIMALS and max(abs(value.mean), half) < TOO_LARGE:
        text = f"{_fixed(value.mean, decimals)} ± {_fixed(half, decimals)}"
        if len(text) <= WIDEST:
            return text
    return f"{value.mean:.1e} ± {half:.1e}"


def _decimals(value: float, digits: int) -> int:
    """How many decimals show so many significant digits; negative: tens, hundreds, ... are rounded."""
    return digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])


def _fixed(value: float, decimals: int) -> str:
    """Rounded to so many decimals; a rounded zero has no sign."""
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def median(value: Median | None) -> str:
    """Median and the ends of its interval, to two digits of their half distance; they need not lie alike."""
    if value is None or not isfinite(value.value):
        return UNKNOWN
    if value.low is None or value.high is None:
        return f"{number(value.value)} ±?"
    figures = (value.value, value.low, value.high)
    half = (value.high - value.low) / 2
    decimals = _decimals(half, 2) if half else MOST_DECIMALS + 1
    is_plain = decimals <= MOST_DECIMALS and max(map(abs, figures)) < TOO_LARGE
    middle, low, high = (_fixed(x, decimals) if is_plain else number(x) for x in figures)
    return f"{middle} [{low}, {high}]"


def net(value: Interval | None) -> str:
    """A net energy; one that may be nothing is a bound, not a value."""
    return _bound(value) or interval(value)


def net_median(value: Median | None) -> str:
    """The same of a median."""
    return _bound(value) or median(value)


def _bound(value: Interval | Median | None) -> str:
    """Empty where all of the interval is above 0, or there is none."""
    if value is None or value.low is None or value.high is None or value.low > 0:
        return ""
    return f"< {number(value.high, 2)}" if value.high > 0 else "≤ 0"


def several(number_of: int, what: str) -> str:
    """1 point, 2 points."""
    return f"{number_of} {what}{'' if number_of == 1 else 's'}"


def count(value: float | None) -> str:
    """A mean or median of counts: a whole number where it is one."""
    return UNKNOWN if value is None else f"{round(value, 1):g}"


def percent_interval(share: Interval | None) -> str:
    """A share with its interval, as percent without the sign."""
    ends = (None, None, None) if share is None else (share.mean, share.low, share.high)
    mean, low, high = (None if end is None else end * 100 for end in ends)
    return UNKNOWN if mean is None else interval(Interval(mean, low, high))


def milliseconds(value_s: float | None) -> str:
    """Seconds as milliseconds."""
    return number(None if value_s is None else value_s * 1e3)


def percent(share: float) -> str:
    """A share as whole percent."""
    return f"{share * 100:.0f}%"


def p_value(p: float | None) -> str:
    """A probability, for a cell."""
    if p is None:
        return UNKNOWN
    return "<.001" if p < 0.001 else number(p, 2)
