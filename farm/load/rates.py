"""Rates of requests as people write them."""

import re
from math import isfinite

from farm.model.errors import InputError

_PER_S = {"s": 1.0, "min": 1 / 60, "h": 1 / 3600}
_RATE = rf"(\d+(?:\.\d*)?|\.\d+)\s*/\s*({'|'.join(_PER_S)}|m)"


def rate_per_s(text: str, where: str) -> float:
    """Read a rate such as 16/s, 30/min or 100/h.

    Args:
        text: the rate.
        where: the option or field, with which the error begins.

    Returns:
        Requests a second.

    Raises:
        InputError: the text is not a rate, or it is 0.
    """
    found = re.fullmatch(_RATE, text.strip())
    value = float(found[1]) * _PER_S["min" if found[2] == "m" else found[2]] if found else 0.0
    if not (value > 0 and isfinite(value)):
        raise InputError(f"{where}: expected requests per time above 0 such as 16/s or 30/min, got {text!r}")
    return value


def spelt_per_s(value: float, of: str = "") -> str:
    """Spell a rate per second, or per minute or hour where it is below 1.

    Args:
        value: requests a second.
        of: what stands between the number and its unit.
    """
    unit = next((unit for unit, per_s in _PER_S.items() if value >= per_s), "h")
    return f"{value / _PER_S[unit]:g}{of}/{unit}"
