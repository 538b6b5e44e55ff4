"""Factors and exclusions of sweeps of every kind."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from farm.model import Frozen, Point
from farm.model.suggestions import suggestion
from farm.spec.types import Expected, OneOrMore, problem, same, shown

MAX_TEXT = 1000


class Factors(Frozen):
    """Factors of a sweep; every field is a tuple of levels, unless a subclass says otherwise in `levels`."""

    @classmethod
    def declared(cls) -> Mapping[str, FieldInfo]:
        """Return the fields that are factors."""
        return {name: field for name, field in cls.model_fields.items() if get_origin(field.annotation) is tuple}

    @property
    def levels(self) -> Mapping[str, tuple[Any, ...]]:
        """Levels of each factor; a subclass may know factors that no field declares."""
        return dict(self)

    @property
    def size(self) -> int:
        """Number of combinations."""
        return math.prod(map(len, self.levels.values()))

    def combinations(self) -> Iterator[Point]:
        """Return every combination of levels; the last factor changes fastest."""
        levels = self.levels
        return (dict(zip(levels, chosen, strict=True)) for chosen in product(*levels.values()))


def _read_level(value: Any) -> Any:
    if isinstance(value, str) and not (value.isprintable() and len(value) <= MAX_TEXT):
        raise problem(f"expected a text of at most {MAX_TEXT} printable characters, got {shown(value)}")
    return value


#: A level of a factor that the user has named: YAML knows its type.
Level = Annotated[
    StrictBool | StrictInt | StrictFloat | StrictStr,
    Expected("a text, a number, true or false"),
    AfterValidator(_read_level),
]
Levels = Annotated[tuple[Level, ...], OneOrMore()]


class OpenFactors(Factors):
    """Factors of which the user may name more: each further key is one."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Levels]


class Exclusion(Frozen):
    """A rule that leaves out every point with one of the given values in each of the given factors."""

    @property
    def given(self) -> Mapping[str, tuple[Any, ...]]:
        """Given factors with their values."""
        return {name: values for name, values in self if values}

    def unmatched(self, workload: Factors) -> Iterator[tuple[str, str]]:
        """Yield the factors whose values no point of the workload has, each with an error."""
        for name, values in self.given.items():
            levels = workload.levels.get(name)
            if levels is None:
                yield name, "unknown factor" + (suggestion(name, same(*workload.levels)) or "")
            elif not set(values) & set(levels):
                known, unknown = (", ".join(map(shown, several)) for several in (levels, values))
                yield name, f"matches no point: the sweep has {known}, got {unknown}"


class OpenExclusion(Exclusion):
    """An exclusion whose factors the user may have named."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Levels]


def plain_type(levels: Any) -> type:
    """Return the type of a factor in files, from the annotation of its levels; no number and no bool is text."""
    found = set(_plain_types(levels))
    if found == {int, float}:
        return float
    return found.pop() if len(found) == 1 else str


def _plain_types(hint: Any) -> Iterator[type]:
    if get_origin(hint) is Literal:
        yield from map(type, get_args(hint))
    elif hint in {bool, int, float}:
        yield hint
    elif get_args(hint):
        inner = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
        yield from (kind for one in inner if one not in {NoneType, Ellipsis} for kind in _plain_types(one))
    else:
        yield str


@cache
def exclusion_of(factors: type[Factors]) -> type[Exclusion]:
    """Return the class of exclusions with these factors."""
    fields: dict[str, Any] = {
        name: (Annotated[field.annotation, *field.metadata], Field((), description=field.description))
        for name, field in factors.declared().items()
    }
    base = OpenExclusion if issubclass(factors, OpenFactors) else Exclusion
    return create_model(f"{factors.__name__}Exclusion", __base__=base, **fields)


@dataclass(frozen=True, eq=False)
class ExclusionsOf:
    """An annotation of the field `exclude` of a kind: each exclusion has the factors of the kind as keys."""

    factors: type[Factors]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return the schema of exclusions with these factors; one exclusion stands for a list of one."""
        own: Any = exclusion_of(self.factors)
        return handler.generate_schema(Annotated[tuple[own, ...], OneOrMore(least=0)])


def remaining(workload: Factors, exclude: tuple[Exclusion, ...]) -> Iterator[Point]:
    """Yield the combinations of a workload that no rule leaves out, in their order.

    A number stands for a set of rules, a bit for each, since a sweep may have a thousand rules and 100,000 points.
    """
    rules = {1 << place: rule.given for place, rule in enumerate(exclude)}
    all_rules = sum(rules)
    matching: dict[str, dict[Any, int]] = {}  # for each level of a factor: the rules that have it, or lack the factor
    for name in {name for given in rules.values() for name in given}:
        silent = sum(bit for bit, given in rules.items() if name not in given)
        matching[name] = dict.fromkeys(workload.levels[name], silent)
        for bit, given in rules.items():
            for level in given.get(name, ()):
                matching[name][level] = matching[name].get(level, silent) | bit
    for point in workload.combinations():
        left_out_by = all_rules
        for name, by_level in matching.items():
            left_out_by &= by_level[point[name]]
        if not left_out_by:
            yield point
