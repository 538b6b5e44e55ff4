"""Factors and exclusions of sweeps of every kind."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler, create_model
from pydantic_core import core_schema

from farm.model import Frozen, Point
from farm.spec.types import OneOrMore, shown


class Factors(Frozen):
    """Factors of a sweep; every field is a tuple of levels."""

    @property
    def size(self) -> int:
        """Number of combinations."""
        return math.prod(len(levels) for levels in dict(self).values())

    def combinations(self) -> Iterator[Point]:
        """Return every combination of levels; the last factor changes fastest."""
        names = tuple(type(self).model_fields)
        return (dict(zip(names, levels, strict=True)) for levels in product(*dict(self).values()))


class Exclusion(Frozen):
    """A rule that leaves out every point with one of the given values in each of the given factors."""

    @property
    def given(self) -> Mapping[str, tuple[Any, ...]]:
        """Given factors with their values."""
        return {name: values for name, values in self if values}

    def unmatched(self, workload: Factors) -> Iterator[tuple[str, str]]:
        """Yield the factors whose values no point of the workload has, each with an error."""
        for name, values in self.given.items():
            levels = getattr(workload, name)
            if not set(values) & set(levels):
                known, unknown = (", ".join(map(shown, several)) for several in (levels, values))
                yield name, f"matches no point: the sweep has {known}, got {unknown}"


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
        for name, field in factors.model_fields.items()
    }
    return create_model(f"{factors.__name__}Exclusion", __base__=Exclusion, **fields)


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
        matching[name] = dict.fromkeys(getattr(workload, name), silent)
        for bit, given in rules.items():
            for level in given.get(name, ()):
                matching[name][level] = matching[name].get(level, silent) | bit
    for point in workload.combinations():
        left_out_by = all_rules
        for name, by_level in matching.items():
            left_out_by &= by_level[point[name]]
        if not left_out_by:
            yield point
