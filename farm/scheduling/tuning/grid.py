"""The full grid in a seeded order; fewer trials than points are a sample without replacement."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random

from farm.kinds.tuning.space import Choice, Parameter, Range, Space
from farm.kinds.tuning.strategies import Strategy
from farm.model import Point, Scalar
from farm.model.errors import InputError
from farm.scheduling.tuning.study import Finished, Pending, Study

#: A grid of more points is a mistake.
MAX_POINTS = 100_000


def ask(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:  # noqa: ARG001
    """Return the point of this number, which is below the number of points."""
    shuffled = list(points(study.strategy, study.space))
    Random(study.seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    return shuffled[number]


def points(strategy: Strategy, space: Space) -> tuple[Point, ...]:
    """List every combination of levels that exists, the last parameter changing fastest. Raises InputError."""
    combinations: Iterator[Point] = iter([{}])
    for name, parameter in space.items():
        combinations = _extended(combinations, name, parameter, _levels(strategy, parameter))
    found = tuple(islice(combinations, MAX_POINTS + 1))
    if len(found) > MAX_POINTS:
        raise InputError(f"the grid has more than {MAX_POINTS} points: give fewer levels, or use another strategy")
    return found


def _extended(points: Iterable[Point], name: str, parameter: Parameter, levels: Sequence[Scalar]) -> Iterator[Point]:
    for point in points:
        if parameter.exists(point):
            yield from ({**point, name: level} for level in levels)
        else:
            yield point


def _levels(strategy: Strategy, parameter: Range | Choice) -> Sequence[Scalar]:
    """Space levels evenly on the parameter's scale; whole numbers are rounded, and duplicates removed."""
    if isinstance(parameter, Choice):
        return parameter.choices
    low, high = (
        (math.log(parameter.low), math.log(parameter.high)) if parameter.log else (parameter.low, parameter.high)
    )
    count = parameter.levels or strategy.levels
    step = (high - low) / (count - 1 if strategy.endpoint else count)
    spaced = (low + index * step for index in range(count))
    levels = [_within(parameter, math.exp(level) if parameter.log else level) for level in spaced]
    return list(dict.fromkeys(map(round, levels))) if parameter.type == "int" else levels


def _within(parameter: Range, value: float) -> float:
    """Return the value, or the bound that it exceeds by rounding."""
    return min(max(value, parameter.low), parameter.high)
