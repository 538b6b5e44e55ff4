"""Make a failing input smaller, as far as that is cheap."""

from collections.abc import Callable
from time import process_time

#: A fault is found in few bytes as a rule; one that needs long is kept as it is.
_MOST_CPU_S = 20.0


def smaller(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """Return a part of an input that still fails: pieces are left out, large ones first."""
    end_s = process_time() + _MOST_CPU_S
    size = len(data) // 2
    while size > 0:
        place = 0
        while place < len(data):
            if process_time() > end_s:
                return data
            shorter = data[:place] + data[place + size :]
            if fails(shorter):
                data = shorter
            else:
                place += size
        size = min(size // 2, len(data))
    return data
