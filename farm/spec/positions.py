"""A reader of YAML that keeps the position of every key and value.

It reads a strict subset, so that a file is unambiguous and cannot expand without limit: the core schema of YAML 1.2
(`yes` and dates are text), one document, plain keys, no tags, anchors or aliases, and limits on depth and size.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from farm.model.text import clipped, visible

MAX_DEPTH = 16
MAX_VALUES = 20_000

#: The path to a value from the root: keys of mappings and indices of lists.
Loc: TypeAlias = tuple[str | int, ...]

_WORDS: Mapping[str, JsonValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Place(NamedTuple):
    """A position in a text; line and column count from 1."""

    line: int
    column: int


class Problem(NamedTuple):
    """A problem at a position, in one line."""

    place: Place
    text: str


@dataclass(frozen=True)
class Document:
    """The content of a text, with positions and problems."""

    value: JsonValue  #: None also if the text is not YAML; then there are problems
    places: Mapping[Loc, Place]  #: positions of values
    keys: Mapping[Loc, Place]  #: positions of keys of mappings
    problems: tuple[Problem, ...]


def read(text: str) -> Document:
    """Read one document; this never raises, since the document lists its problems."""
    reader = _Reader(text)
    value: JsonValue = None
    try:
        value = reader.document()
    except _Unreadable as error:
        reader.problems.append(error.problem)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reader.problems.append(Problem(_place(mark), _not_yaml(error.context, error.problem)))
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        reader.problems.append(Problem(place, f"not YAML: the character U+{error.character:04X} is not allowed"))
    except (YAMLError, ValueError, OverflowError):
        reader.problems.append(Problem(reader.place, "not YAML: an escape or a number after this is out of range"))
    return Document(value, reader.places, reader.keys, tuple(reader.problems))


def _not_yaml(*parts: str | None) -> str:
    words = " ".join(", ".join(part for part in parts if part).split())
    return "not YAML: " + "".join(char if char.isprintable() else "?" for char in words)


class _Unreadable(Exception):
    """A problem that ends the reading."""

    def __init__(self, place: Place, text: str) -> None:
        self.problem = Problem(place, text)
        super().__init__(text)


class _Reader:
    """A builder of values from parser events; it makes no object from a tag, and checks the depth."""

    def __init__(self, text: str) -> None:
        self._events = YAML(typ="safe", pure=True).parse(text)
        self._values = 0
        self.place = Place(1, 1)  #: the end of the last event
        self.places: dict[Loc, Place] = {}
        self.keys: dict[Loc, Place] = {}
        self.problems: list[Problem] = []

    def document(self) -> JsonValue:
        """Return the first document of the stream; a second one is a problem."""
        self._next()
        if isinstance(self._next(), StreamEndEvent):
            return None
        value = self._value(self._next(), ())
        self._next()
        following = self._next()
        if not isinstance(following, StreamEndEvent):
            self.problems.append(Problem(_place(following.start_mark), "expected one document, got a second one"))
        return value

    def _next(self) -> Any:
        event = next(self._events)
        self.place = _place(event.end_mark)
        return event

    def _value(self, event: Any, loc: Loc) -> JsonValue:
        place = _place(event.start_mark)
        self._values += 1
        if len(loc) > MAX_DEPTH:
            raise _Unreadable(place, f"nested more than {MAX_DEPTH} levels deep")
        if self._values > MAX_VALUES:
            raise _Unreadable(place, f"more than {MAX_VALUES} values in one file")
        if isinstance(event, ScalarEvent) and event.value == "" and loc in self.keys:
            place = self.keys[loc]  # the parser places an empty value on the next line
        self.places.setdefault(loc, place)
        if isinstance(event, AliasEvent) or event.anchor:
            self.problems.append(Problem(place, "anchors and aliases are not supported: write the value out"))
        elif event.tag:
            self.problems.append(Problem(place, f"tags are not supported: remove {_short(event.tag)!r}"))
        match event:
            case MappingStartEvent():
                return self._mapping(loc)
            case SequenceStartEvent():
                return self._sequence(loc)
            case ScalarEvent():
                if visible(event.value) != event.value:
                    text = f"expected text without control characters, got {clipped(repr(event.value), 60)}"
                    self.problems.append(Problem(place, text))
                return _plain(event.value) if event.implicit[0] else str(event.value)
            case _:
                return None

    def _sequence(self, loc: Loc) -> list[JsonValue]:
        items: list[JsonValue] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._value(event, (*loc, len(items))))
        return items

    def _mapping(self, loc: Loc) -> dict[str, JsonValue]:
        entries: dict[str, JsonValue] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            place = _place(event.start_mark)
            key = self._key(event)
            if first := self.keys.get((*loc, key)):
                self.problems.append(Problem(place, f"the key {key!r} occurs twice, first in line {first.line}"))
                self._skip((*loc, key))
            else:
                self.keys[*loc, key] = place
                entries[key] = self._value(self._next(), (*loc, key))
        return entries

    def _skip(self, loc: Loc) -> None:
        """Check a value that has no place in the document, and keep nothing of it."""
        kept = self.places, self.keys
        self.places, self.keys = {}, {}
        self._value(self._next(), loc)
        self.places, self.keys = kept

    def _key(self, event: Any) -> str:
        """Return the text of a key, which is never converted to a number or a boolean."""
        if isinstance(event, ScalarEvent) and not event.anchor and not event.tag:
            return str(event.value)
        raise _Unreadable(_place(event.start_mark), "expected a plain key such as `name`")


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _short(tag: Any) -> str:
    return str(tag).replace("tag:yaml.org,2002:", "!!")


def _plain(text: str) -> JsonValue:
    """Return the value of an unquoted scalar in the core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text
