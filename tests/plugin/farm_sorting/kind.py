"""Kind sorting, on the side of the farm: its factors, and what the farm must know of it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from farm.kinds import Kind
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


KIND = Kind(
    name="sorting",
    description="arrays of numbers, sorted",
    unit="element",
    sweep=SortingSweep,
    method="An array of random numbers is copied and sorted, again and again; the copy is part of the work.",
    examples=Path(__file__).parent / "sweeps",
)
