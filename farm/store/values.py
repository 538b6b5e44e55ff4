"""Values of the database that cannot be decoded: a reader gets a mark in their place, and the other rows of a query."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Malformed:
    """A value in a column that holds something else; it is of no type that a model accepts."""

    why: str

    def __str__(self) -> str:
        return self.why


def decoded(value: Any, decode: Callable[[Any], Any]) -> Any:
    """Return the decoded value, or a mark where it has another form: nested too deep, or a number of 5,000 digits."""
    try:
        return decode(value)
    except (RecursionError, TypeError, ValueError) as error:
        return Malformed(f"malformed: {type(error).__name__}")


def read_json(text: str) -> Any:
    """Read JSON."""
    return decoded(text, json.loads)
