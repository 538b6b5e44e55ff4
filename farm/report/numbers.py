"""Numbers with sensible digits: as many as the uncertainty supports, never fewer than a reader needs."""

from math import floor, log10

from farm.analysis.aggregate import Interval

UNKNOWN = "–"
DIGITS = 3


def number(value: float | None, digits: int = DIGITS) -> str:
    """Significant digits without exponents for everyday sizes; a dash for what is unknown."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = digits - 1 - floor(log10(abs(value)))
    if decimals > 7 or abs(value) >= 1e7:
        return f"{value:.{digits - 1}e}"
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def interval(value: Interval | None) -> str:
    """Mean ± half-width, rounded to two digits of the half-width; an unknown spread is said so."""
    if value is None:
        return UNKNOWN
    half = value.half_width
    if half is None:
        return f"{number(value.mean)} ±?"
    if half == 0:
        return number(value.mean)
    decimals = 1 - floor(log10(half))
    if decimals > 7 or abs(value.mean) >= 1e7:
        return f"{value.mean:.2e} ± {half:.1e}"
    return f"{round(value.mean, decimals):.{max(decimals, 0)}f} ± {round(half, decimals):.{max(decimals, 0)}f}"


def milliseconds(value_s: float | None) -> str:
    """Seconds as milliseconds."""
    return number(None if value_s is None else value_s * 1e3)


def percent(share: float) -> str:
    """A share as whole percent."""
    return f"{share * 100:.0f} %"


def span(seconds: float) -> str:
    """A duration as people say it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
