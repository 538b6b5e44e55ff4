"""Kind sorting, on the side of the farm: its factors, and what the farm must know of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from farm.kinds import Kind
from farm.model import Point
from farm.spec import EXCLUDE, WORKLOAD, Exclusion, ExclusionsOf, Factors, Sweep
from farm.spec import KIND as KIND_OF_SWEEP
from farm.spec.types import Expected, OneOrMore, PositiveInt

Algorithm = Annotated[Literal["quick", "heap", "stable"], Expected()]


class Sorting(Factors):
    """An array of numbers, sorted again and again."""

    algorithm: Annotated[tuple[Algorithm, ...], OneOrMore()] = Field(description="quick, heap or stable")
    n: Annotated[tuple[PositiveInt, ...], OneOrMore()] = Field((100_000,), description="numbers in the array")


class SortingSweep(Sweep):
    """Arrays sorted."""

    kind: Literal["sorting"] = KIND_OF_SWEEP
    workload: Sorting = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Sorting)] = EXCLUDE


NUMBER_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class SortingKind(Kind):
    """Kind sorting, whose trials hold an array and a copy of it."""

    def requirements(self, point: Point) -> Iterator[str]:
        """Yield what every kind needs, and the memory of the array and its copy."""
        yield from super().requirements(point)
        if gib := 2 * NUMBER_BYTES * int(point["n"] or 0) // 2**30:
            yield f"ram_gib >= {gib}"


KIND = SortingKind(
    name="sorting",
    description="arrays of numbers, sorted",
    unit="element",
    sweep=SortingSweep,
    method="An array of random numbers is copied and sorted, again and again; the copy is part of the work.",
    examples=Path(__file__).parent / "sweeps",
)
