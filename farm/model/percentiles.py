"""The percentile that tables, views and charts use."""

from collections.abc import Sequence
from math import ceil


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the percentile by nearest rank, which is a value that occurred; None of no values."""
    if not ordered:
        return None
    return ordered[max(ceil(percent / 100 * len(ordered)) - 1, 0)]
