"""Cells of files: the type of a column by its values, and text that a spreadsheet would compute as a formula."""

import re
from collections.abc import Collection, Iterable
from typing import Any

#: A text that a spreadsheet computes, whatever apostrophes stand before it; and the characters that one begins with.
_FORMULA, _BEGINS = re.compile(r"'*[=+\-@\t\r＝＋－＠]"), frozenset("'=+-@\t\r＝＋－＠")
#: A number as people and programs write it; Python would also accept 1_0 and nan.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
#: The whole numbers of 64 bits.
_LEAST, _MOST = -(2**63), 2**63 - 1


class AsText(str):
    """The type of a text column that holds other values too: each is written as text."""

    __slots__ = ()


class _Huge(int):
    """The type of a whole number that 64 bits do not hold."""


class _Long(int):
    """The type of a whole number of 64 bits that no float holds exactly."""


def fitting_type(values: Iterable[Any], declared: type | None, other: type | None = None) -> type:
    """Return the type of a column: bool, int, float, str or AsText.

    Args:
        values: The values of the column; None is unknown and fits every type.
        declared: The type that the column should have; None: that which its values have in common.
        other: The type where a value does not fit what was declared; None: that which the values have in common.
    """
    return type_of({kind_of(value) for value in values if value is not None}, declared, other)


def kind_of(value: Any) -> type:
    """Return what decides on the type of a value's column; unknown types are text."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            return _Huge
        return int if -(2**53) <= value <= 2**53 or int(float(value)) == value else _Long
    return float if isinstance(value, float) else str


def type_of(kinds: Collection[type], declared: type | None = None, other: type | None = None) -> type:
    """Return the type of a column whose values are of these kinds, as `fitting_type` does."""
    found = set(kinds)
    fitting: dict[type, set[type]] = {bool: {bool}, int: {int, _Long}, float: {int, float}}
    if declared in fitting and found <= fitting[declared]:
        return declared
    if declared is None or (declared is not str and other is None):
        common = next((kind for kind, accepted in fitting.items() if found and found <= accepted), None)
        if common is not None:
            return common
    return str if found <= {str} else AsText


def as_type(value: Any, kind: type) -> Any:
    """Return a value as a column of this type holds it; a text column holds text, with escapes of what UTF-8 lacks."""
    if value is None or not issubclass(kind, str):
        return value
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def neutral(text: str) -> str:
    """Return text that a spreadsheet shows and does not compute: an apostrophe stands before a formula.

    Numbers stay as they are. `restored` takes the apostrophe away again.
    """
    return f"'{text}" if text[:1] in _BEGINS and _FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """Return the text that `neutral` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
