"""Factors and exclusions: what every kind of sweep varies, whatever its factors are."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, create_model
from pydantic_core import core_schema

from farm.model import Frozen, Point
from farm.spec.types import OneOrMore, shown


class Factors(Frozen):
    """What a trial runs; every field is a tuple of levels."""

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(len(levels) for levels in dict(self).values())

    def combinations(self) -> Iterator[Point]:
        """Every combination, the last factor changing fastest; keys in the order of the fields."""
        names = tuple(type(self).model_fields)
        return (dict(zip(names, levels, strict=True)) for levels in product(*dict(self).values()))


class Exclusion(Frozen):
    """A partial point: every point that has one of the given values in all the given factors is left out."""

    @property
    def given(self) -> Mapping[str, tuple[Any, ...]]:
        """The factors that are given, with their values."""
        return {name: values for name, values in self if values}

    def strangers(self, workload: Factors) -> Iterator[tuple[str, str]]:
        """The factors in which no point of the workload has any of the values, with what is wrong."""
        for name, values in self.given.items():
            levels = getattr(workload, name)
            if not set(values) & set(levels):
                known, unknown = (", ".join(map(shown, several)) for several in (levels, values))
                yield name, f"matches no point: the sweep has {known}, got {unknown}"


@cache
def exclusion_of(factors: type[Factors]) -> type[Exclusion]:
    """The exclusion with the factors of a kind, none of them given."""
    fields: dict[str, Any] = {
        name: (Annotated[field.annotation, *field.metadata], Field((), description=field.description))
        for name, field in factors.model_fields.items()
    }
    return create_model(f"{factors.__name__}Exclusion", __base__=Exclusion, **fields)


@dataclass(frozen=True, eq=False)
class ExclusionsOf:
    """For the field `exclude` of a kind: the keys of each exclusion are the factors of the kind."""

    factors: type[Factors]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return the schema of exclusions with these factors; one exclusion stands for a list of one."""
        own: Any = exclusion_of(self.factors)
        return handler.generate_schema(Annotated[tuple[own, ...], OneOrMore(least=0)])


def remaining(workload: Factors, exclude: tuple[Exclusion, ...]) -> Iterator[Point]:
    """The combinations of a workload that no rule leaves out, in their order."""
    rules = [{name: frozenset(values) for name, values in rule.given.items()} for rule in exclude]
    for point in workload.combinations():
        if not any(all(point[name] in values for name, values in rule.items()) for rule in rules):
            yield point
