"""Series of numbers as compressed blobs: little-endian floats, NaN for unknown, zlib."""

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Literal

#: Bytes of one number: float32 for readings, float64 where a long count or a clock needs the digits.
Width = Literal[4, 8]
#: The times of a request, a blob each.
REQUEST_TIMES = ("arrival_s", "enqueue_s", "dequeue_s", "start_s", "done_s")
_FORMAT: Mapping[Width, Literal["f", "d"]] = {4: "f", 8: "d"}


def pack(values: Sequence[float | None], width: Width) -> bytes:
    """Pack numbers as bytes; unknown becomes NaN."""
    numbers = (math.nan if value is None else value for value in values)
    return zlib.compress(struct.pack(f"<{len(values)}{_FORMAT[width]}", *numbers))


def unpack(blob: bytes, width: Width) -> tuple[float | None, ...]:
    """Convert bytes of `pack` back; a float32 becomes the nearest double."""
    return tuple(None if math.isnan(value) else value for value in unpack_known(blob, width))


def unpack_known(blob: bytes, width: Width) -> "array[float]":
    """Convert bytes of `pack` back, of a series without unknowns; an array takes a fourth of a tuple's memory."""
    values = array(_FORMAT[width], zlib.decompress(blob))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def pack_channel(values: Sequence[float | None], width: Width) -> bytes | None:
    """Pack a channel of a trace; None where none of it is known."""
    return None if all(value is None for value in values) else pack(values, width)


def unpack_channel(blob: bytes | None, width: Width, length: int) -> tuple[float | None, ...]:
    """Convert bytes of `pack_channel` back."""
    return (None,) * length if blob is None else unpack(blob, width)
