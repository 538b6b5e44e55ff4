"""Durations and shares as people write them: the only parsers and formatters of the program."""

import re
from decimal import Decimal

from farm.model.errors import InputError

_UNITS_S = {
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "min": Decimal(60),
    "m": Decimal(60),
    "h": Decimal(3600),
}
#: A duration with its unit, such as 20ms, 1.5 s, 10m, 10min or 2h; also the pattern of the JSON Schema.
DURATION = r"^\s*(\d{1,15}(?:\.\d{0,25})?|\.\d{1,25})\s*(us|ms|s|min|m|h)\s*$"
#: A share in percent, such as 2% or 0.7 %.
PERCENT = r"^\s*(\d{1,3}(?:\.\d{1,9})?)\s*%\s*$"


def seconds(text: str) -> float | None:
    """Read a duration such as 20ms, 1.5 s, 10m, 10min or 2h.

    Returns:
        Seconds; None where the text is not a duration.
    """
    found = re.match(DURATION, text, re.ASCII)
    return float(Decimal(found[1]) * _UNITS_S[found[2]]) if found else None


def duration_s(text: str, where: str) -> float:
    """Read a duration above 0.

    Args:
        text: such as 50ms.
        where: the option or field; the error begins with it.

    Raises:
        InputError: the text is not a duration, or it is 0.
    """
    value_s = seconds(text)
    if not value_s:
        raise InputError(f"{where}: expected a duration above 0 such as 50ms, 0.5s or 2min, got {text!r}")
    return value_s


def share(text: str) -> float | None:
    """Read a share in percent, such as 2%.

    Returns:
        The share as a fraction, 0.02 for 2%; None where the text is not a percentage.
    """
    found = re.match(PERCENT, text, re.ASCII)
    return float(Decimal(found[1]) / 100) if found else None


def spelt_s(value_s: float, between: str = "") -> str:
    """Spell a duration so that `seconds` reads the same value: in ms, from 10 s on in s.

    Args:
        value_s: seconds.
        between: the text between the number and its unit.
    """
    return f"{_plain(value_s * 1e3)}{between}ms" if value_s < 10 else f"{_plain(value_s)}{between}s"


def _plain(value: float) -> str:
    """Format twelve digits without an exponent."""
    return format(Decimal(f"{value:.12g}"), "f")


def span(value_s: float) -> str:
    """Spell a duration for people, in its two largest units: `9 min 05 s`, `2 d 03 h`."""
    whole = round(value_s)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02d} h"
