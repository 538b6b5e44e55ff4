"""Types of the fields of a sweep; the error of each names in one phrase what the field expects.

A problem is a `PydanticCustomError` of type `PROBLEM` whose context holds the finished text under the same name.
"""

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from farm.model import Baseline, durations
from farm.model.catalog import COUNTRIES
from farm.model.suggestions import suggestion
from farm.spec.positions import Loc

PROBLEM = "problem"
MAX_ITEMS = 1000
MAX_NAME = 200


def shown(value: object) -> str:
    """Return a value on one line, in a form that a user recognises."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else text[:57] + "..."


def problem(text: str) -> PydanticCustomError:
    """Return the error that a validator raises; users see `text` unchanged."""
    return PydanticCustomError(PROBLEM, "{problem}", {PROBLEM: text})


def refuse(problems: Iterable[tuple[Loc, str]]) -> None:
    """Raise all problems at once, each with its location below the validated value; return if there are none."""
    details = [InitErrorDetails(type=problem(text), loc=loc, input=None) for loc, text in problems]
    if details:
        raise ValidationError.from_exception_data("sweep", details)


@dataclass(frozen=True, eq=False)
class Expected:
    """An annotation with the phrase for the values that a field expects, and candidates for suggestions."""

    phrase: str = ""  #: the default names the options of the Literal
    candidates: Mapping[str, str] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return a schema that replaces the errors of the type's own check."""
        options = get_args(source) if get_origin(source) is Literal else ()
        phrase = self.phrase or (f"one of {', '.join(options)}" if len(options) > 1 else options[0])
        candidates = self.candidates or dict(zip(options, options, strict=True))

        def validate(value: Any, check: core_schema.ValidatorFunctionWrapHandler) -> Any:
            try:
                return check(value)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
            limit = f", at most {first['ctx']['le']:.0f}" if first["type"] == "less_than_equal" else ""
            hint = " (put it in quotes)" if _needs_quotes(value, check) else suggestion(value, candidates)
            raise problem(f"expected {phrase}{limit}, got {shown(value)}{hint}")

        return core_schema.no_info_wrap_validator_function(validate, handler(source))


def _needs_quotes(value: Any, check: core_schema.ValidatorFunctionWrapHandler) -> bool:
    """Return True if a number would be valid as text."""
    if not isinstance(value, int | float):
        return False
    try:
        check(shown(value))
    except ValidationError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class OneOrMore:
    """An annotation of a tuple: one value stands for a list of one; short lists and duplicates are rejected."""

    least: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return a schema that makes a list before the checks of the items, and rejects duplicates after them."""
        items = core_schema.no_info_before_validator_function(self._listed, handler(source))
        return core_schema.no_info_after_validator_function(_distinct, items)

    def _listed(self, value: Any) -> Sequence[Any]:
        if not isinstance(value, list | tuple):
            return (value,)
        if not self.least <= len(value) <= MAX_ITEMS:
            raise problem(f"expected {self.least} to {MAX_ITEMS} values, got {len(value) or 'an empty list'}")
        return value

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of one item, or a list of items."""
        several = handler(schema)
        limits = {"minItems": self.least, "maxItems": MAX_ITEMS, "uniqueItems": True}
        return {"anyOf": [several["items"], several | limits]}


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    first = {item: index for index, item in reversed(list(enumerate(items)))}
    refuse(
        ((index,), f"the same as item [{first[item]}]: remove one")
        for index, item in enumerate(items)
        if first[item] != index
    )
    return items


@dataclass(frozen=True, eq=False)
class ShortForm:
    """A short form of a value; `expand` turns it into the long form and leaves any other value unchanged."""

    expand: Callable[[Any], Any]
    schema: Mapping[str, Any]  #: JSON Schema of the short form

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return a schema that expands the short form before the type's own check."""
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of either form."""
        return {"anyOf": [dict(self.schema), handler(schema)]}


def _expand(parse: Callable[[str], float | None]) -> Callable[[Any], Any]:
    """Return a function that parses text, and leaves other values and other text unchanged."""
    return lambda value: value if not isinstance(value, str) or (read := parse(value)) is None else read


@dataclass(frozen=True, eq=False)
class PathOr:
    """An annotation of a text: one of some words, or a path, which becomes absolute by the folder in the context.

    A sweep may be read where the path does not exist. `find_problem` says why this machine could not use it.
    """

    words: tuple[str, ...]
    find_problem: Callable[[Path], str | None] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return a schema that resolves the path after the type's own check."""
        return core_schema.with_info_after_validator_function(self._resolve, handler(source))

    def _resolve(self, text: str | None, info: ValidationInfo) -> str | None:
        if text is None or text in self.words:
            return text
        if not text.isprintable() or not ("/" in text or "." in text):
            raise ValueError("neither a known word nor a path")
        home = os.path.expanduser(text) if text.startswith("~/") else text  # noqa: PTH111 - Path drops "./" and may raise
        folder = (info.context or {}).get("folder", "")
        return os.path.normpath(os.path.join(folder, home))  # noqa: PTH118 - pure: reads no file system


def path_or(*words: str, find_problem: Callable[[Path], str | None] | None = None) -> PathOr:
    """Return the annotation of a text that is one of the words or a path."""
    return PathOr(words, find_problem)


@dataclass(frozen=True, eq=False)
class Needs:
    """An annotation of a factor's type: what a machine must have to run a level, as conditions on its facts."""

    conditions: Callable[[Any], Iterable[str]]


A = TypeVar("A")


def annotations(levels: Any, kind: type[A]) -> Iterator[A]:
    """Yield the annotations of a class on the type of a factor's levels; `levels`: annotation of the factor's field."""
    for level in get_args(levels):
        yield from (one for one in getattr(level, "__metadata__", ()) if isinstance(one, kind))


@dataclass(frozen=True, eq=False)
class Among:
    """An annotation of a text: one of many options, or a match of a regular expression."""

    options: tuple[str, ...]
    pattern: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return a literal of the options, so that editors complete them."""
        listed = core_schema.literal_schema(list(self.options))
        if not self.pattern:
            return listed
        free = core_schema.str_schema(pattern=self.pattern, max_length=MAX_NAME, strict=True)
        return core_schema.union_schema([listed, free])


def same(*words: str) -> dict[str, str]:
    """Return candidates of `Expected` that need no correction."""
    return {word: word for word in words}


def matching(pattern: str) -> Any:
    """Return the constraint that a text matches a regular expression."""
    return Field(strict=True, pattern=pattern)


def integer(low: int, high: int) -> Any:
    """Return the constraint that an integer lies between two limits, which are included."""
    return Field(strict=True, ge=low, le=high)


_SECONDS = Field(strict=True, gt=0, le=86_400)


Name = Annotated[
    str,
    matching(r"^[A-Za-z0-9_-]{1,60}$"),
    Expected("at most 60 letters, digits, - and _"),
]

Switch = Annotated[bool, Field(strict=True), Expected("true or false")]
Profile = Annotated[Literal["quick", "screening", "full"], Expected()]
IdlePower = Annotated[Baseline, Expected("one of bare, context", same(*Baseline))]
Seconds = Annotated[float, _SECONDS, Expected("a number of seconds above 0")]
SecondsOrZero = Annotated[float, Field(strict=True, ge=0, le=86_400), Expected("a number of seconds, 0 or more")]
PositiveInt = Annotated[int, integer(1, 1_000_000), Expected("a positive integer")]

Count = Annotated[int, integer(1, 1000), Expected("a positive integer")]
Share = Annotated[
    float,
    Field(strict=True, gt=0, lt=1),
    ShortForm(_expand(durations.share), {"type": "string", "pattern": durations.PERCENT}),
    Expected("a share between 0 and 1 such as 2% or 0.02"),
]
Seed = Annotated[int, integer(0, 2**32 - 1), Expected("an integer, 0 or more")]
Country = Annotated[
    str,
    Among(tuple(COUNTRIES)),
    Expected(
        "the ISO 3166 alpha-3 code of a country such as NLD",
        same(*COUNTRIES) | {country.name: code for code, country in COUNTRIES.items()},
    ),
]
Grams = Annotated[float, Field(strict=True, ge=0, le=10_000), Expected("a number of grams per kWh, 0 or more")]
Pue = Annotated[float, Field(strict=True, ge=1, le=10), Expected("a number from 1, such as 1.2")]
IntensityFile = Annotated[str, path_or(), Expected("the path of a CSV file such as ./intensity.csv")]
Priority = Annotated[int, integer(0, 9), Expected("an integer from 0 (first)")]
TimeLimit = Annotated[
    float,
    _SECONDS,
    ShortForm(_expand(durations.seconds), {"type": "string", "pattern": durations.DURATION}),
    Expected("a time such as 90, 10m or 1h"),
]
