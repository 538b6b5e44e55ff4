"""Durations and rates as people write them."""

import re
from decimal import Decimal
from math import isfinite

from farm.errors import InputError

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_PER_S = {"s": 1.0, "min": 1 / 60, "h": 1 / 3600}
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"


def duration_s(text: str, where: str) -> float:
    """50ms, 0.5s or 2min; `where` begins the complaint. Raises InputError."""
    found = re.fullmatch(rf"{_NUMBER}\s*({'|'.join(_SECONDS)})", text.strip())
    value_s = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not (value_s > 0 and isfinite(value_s)):
        raise InputError(f"{where}: expected a duration above 0 such as 50ms or 0.5s, got {text!r}")
    return value_s


def spelt_s(value_s: float, between: str = "") -> str:
    """A duration in ms, from 10 s on in s; `between` stands between number and unit."""
    return f"{_plain(value_s * 1e3)}{between}ms" if value_s < 10 else f"{_plain(value_s)}{between}s"


def _plain(value: float) -> str:
    """Twelve digits, without an exponent: what is spelt can be read again."""
    return format(Decimal(f"{value:.12g}"), "f")


def spelt_per_s(value: float, of: str = "") -> str:
    """A rate per second, or per minute or hour where that is below 1; `of` stands between number and unit."""
    unit = next((unit for unit, per_s in _PER_S.items() if value >= per_s), "h")
    return f"{value / _PER_S[unit]:g}{of}/{unit}"


def rate_per_s(text: str, where: str) -> float:
    """16/s, 30/min or 100/h; `where` begins the complaint. Raises InputError."""
    found = re.fullmatch(rf"{_NUMBER}\s*/\s*({'|'.join(_PER_S)})", text.strip())
    value = float(found[1]) * _PER_S[found[2]] if found else 0.0
    if not (value > 0 and isfinite(value)):
        raise InputError(f"{where}: expected requests per time above 0 such as 16/s or 30/min, got {text!r}")
    return value
