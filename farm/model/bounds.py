"""Bounds on what a worker says of itself: whoever reads it later need not fear its size, its numbers or its characters.

They hold when a worker registers and when the store is read, since others may write into a store. What they change,
they change once: values within the bounds stay as they are.
"""

from collections.abc import Iterator
from functools import partial
from math import isfinite
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints

from farm.model.text import LONGEST, MOST_LINE, line, visible

#: Facts of one mapping, with all that is nested in it, and the levels of that.
MOST_FACTS, DEEPEST = 1000, 6
#: Notes of a heartbeat.
MOST_NOTES = 20
#: A whole number that is larger is no count and no size; it may not fit a float, or a column.
LARGEST = 2**63 - 1


def bounded(facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return facts in short lines and finite numbers, at most `MOST_FACTS` of them; other numbers are unknown."""
    return _mapping(facts, iter(range(MOST_FACTS)), DEEPEST)


def _mapping(facts: dict[str, JsonValue], room: Iterator[int], levels: int) -> dict[str, JsonValue]:
    return {line(str(name)): _value(value, room, levels) for (name, value), _ in zip(facts.items(), room, strict=False)}


def _value(value: JsonValue, room: Iterator[int], levels: int) -> JsonValue:
    match value:
        case str():
            return line(value)
        case dict() if levels > 1:
            return _mapping(value, room, levels - 1)
        case list() if levels > 1:
            return [_value(one, room, levels - 1) for one, _ in zip(value, room, strict=False)]
        case dict() | list():
            return None
        case int() | float() if not -LARGEST <= value <= LARGEST:  # nor is it NaN
            return None
    return value


def _facts(value: object) -> object:
    return bounded(value) if isinstance(value, dict) else value


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not isfinite(value) else value


def _line(text: object, longest: int = LONGEST) -> object:
    return line(text, longest) if isinstance(text, str) else text


def _shown(name: object) -> object:
    return visible(name) if isinstance(name, str) else name


def _few(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(line, notes[:MOST_NOTES]))


Facts = Annotated[dict[str, JsonValue], BeforeValidator(_facts)]
#: One line that others wrote: a fact or a note, and the message of a failure.
ShortLine = Annotated[str, BeforeValidator(_line)]
LongLine = Annotated[str, BeforeValidator(partial(_line, longest=MOST_LINE))]
Notes = Annotated[tuple[str, ...], AfterValidator(_few)]
#: A number that is unknown where it is not finite.
Known = Annotated[float | None, BeforeValidator(_finite)]
#: A name or an id: one that is too long is refused, not cut, because two names would become one.
Name = Annotated[str, StringConstraints(max_length=MOST_LINE), BeforeValidator(_shown)]
#: A moment of a monotonic clock.
Nanoseconds = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
#: A place in a list, or another number that a whole column of PostgreSQL holds.
Index = Annotated[int, Field(ge=0, lt=2**31)]
#: A number of units of work: the sum over thousands of windows fits a column too.
Count = Annotated[int, Field(ge=0, le=10**15)]
