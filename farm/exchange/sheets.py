"""Foreign CSV files: their rows with line numbers, and the numbers in their cells."""

import csv
import re
from io import StringIO
from math import isfinite
from pathlib import Path

from farm.model import files
from farm.model.errors import InputError
from farm.report.cells import NUMBER, restored

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
#: A longer cell holds no number, whatever its digits: no float has more than 767 that count.
_LONGEST_NUMBER = 800
#: A file is read whole.
MOST_BYTES = 128 * files.MIB


def read(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return column names and the rows with their line numbers; raises InputError with the line of an error.

    An apostrophe that keeps a formula from being computed, as exports have it, is no part of the text.
    """
    try:
        reader = csv.reader(StringIO(files.read_text(path, MOST_BYTES), newline=""), strict=True)
        header = list(map(restored, next(reader, [])))
        rows = [(reader.line_num, list(map(restored, cells))) for cells in reader if cells]
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: this is not CSV: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: this is not CSV in UTF-8 ({error.reason})") from None
    if not header:
        raise InputError(f"{path}: expected a line of column names, and rows below it")
    if len(set(header)) < len(header):
        raise InputError(f"{path}:1: two columns have the same name")
    if len(header) == 1 and ";" in header[0]:
        raise InputError(f"{path}:1: semicolons separate the columns: expected commas, and numbers such as 1.5")
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(f"{path}:{line}: expected {len(header)} cells, as the header has, got {len(cells)}")
    return header, [(line, dict(zip(header, cells, strict=True))) for line, cells in rows]


def number(text: str) -> int | float | None:
    """Return the number in a cell; None if there is no number, or it exceeds the range of a float."""
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not NUMBER.fullmatch(text) or not isfinite(float(text)):
        return None
    return int(text) if _WHOLE.fullmatch(text) else float(text)
