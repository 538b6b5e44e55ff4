"""Intervals as columns of records."""

from farm.analysis.intervals import Interval
from farm.model import Scalar


def ends(name: str, value: Interval | None) -> dict[str, Scalar]:
    """Return a mean and the ends of its interval as three columns."""
    return {
        name: value.mean if value else None,
        f"{name}_low": value.low if value else None,
        f"{name}_high": value.high if value else None,
    }
