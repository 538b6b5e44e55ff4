"""Values of one response with the levels of their factors, checked before a library gets them. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, product
from math import exp, log, prod
from typing import Self

from farm.model import Scalar
from farm.model.errors import InputError

#: One combination of levels, in the order of the factors.
Cell = tuple[Scalar, ...]
#: The most cells that are analysed: a matrix of one design has the square of as many numbers.
MOST_CELLS = 1000
#: The most cells of which every two are compared, at milliseconds a pair.
MOST_PAIRED = 200


@dataclass(frozen=True, slots=True)
class Data:
    """The data of an analysis: one value a trial."""

    response: str  #: name of the values
    values: tuple[float, ...]
    columns: Mapping[str, tuple[Scalar, ...]]  #: the level of each value, by factor
    is_log: bool = False  #: the values are natural logarithms of the response
    #: Whether each value was planned before any result was known; empty: all were, since repetitions were fixed.
    planned: tuple[bool, ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether no result decided how many values there are."""
        return all(self.planned)

    def fixed(self) -> Self:
        """Return the values that were planned before any result was known."""
        if self.is_fixed:
            return self
        columns = {name: tuple(compress(own, self.planned)) for name, own in self.columns.items()}
        return replace(self, values=tuple(compress(self.values, self.planned)), columns=columns, planned=())

    def levels(self, factor: str) -> list[Scalar]:
        """Return the levels in order: numbers by size, words by the alphabet."""
        return sorted(set(self.columns[factor]), key=order)

    def rows(self, factors: Sequence[str]) -> list[Cell]:
        """Return the cell of each value."""
        columns = [self.columns[name] for name in factors]
        return list(zip(*columns, strict=True)) if columns else [()] * len(self.values)

    def cells(self, factors: Sequence[str]) -> dict[Cell, list[float]]:
        """Return the values of each combination of levels, in order; without factors, all values are one cell."""
        found: dict[Cell, list[float]] = {}
        for cell, value in zip(self.rows(factors), self.values, strict=True):
            found.setdefault(cell, []).append(value)
        return dict(sorted(found.items(), key=lambda item: [order(level) for level in item[0]]))

    def logs(self) -> Self:
        """Return the data on a logarithmic scale; raises InputError if a value is 0 or less."""
        if self.is_log:
            return self
        below = sum(value <= 0 for value in self.values)
        if below:
            raise InputError(
                f"{self.response}: {below} of {len(self.values)} values are 0 or less: they have no logarithm"
            )
        return replace(self, values=tuple(map(log, self.values)), is_log=True)


def order(value: Scalar) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by size and words by the alphabet."""
    return (False, float(value), "") if isinstance(value, int | float) else (True, 0.0, str(value or ""))


def spelt(factors: Sequence[str], cell: Cell) -> str:
    """Return a cell as the command line names it."""
    return ",".join(f"{name}={'null' if level is None else level}" for name, level in zip(factors, cell, strict=True))


def relative(data: Data, difference: float, reference: float) -> float | None:
    """Return a difference of means as a share of the reference; of logarithms, the share on the measured scale.

    Returns None if the reference is 0 or less.
    """
    if data.is_log:
        return exp(difference) - 1
    return difference / reference if reference > 0 else None


def check_levels(data: Data, factors: Sequence[str]) -> None:
    """Raise InputError if a factor has fewer than two levels."""
    for name in factors:
        levels = data.levels(name)
        if len(levels) < 2:
            only = f"one level only, {spelt([name], (levels[0],))}" if levels else "no level"
            raise InputError(f"--factors: {name} has {only}: there is nothing to compare")


def check_size(data: Data, factors: Sequence[str], most: int = MOST_CELLS) -> None:
    """Raise InputError if there are so many combinations of levels that an analysis would take hours, or all memory."""
    count = prod(len(data.levels(name)) for name in factors)
    if count > most:
        raise InputError(
            f"--factors: {','.join(factors)} have {count:,} combinations of levels, and at most {most:,} are compared: "
            "drop a factor, or choose levels by --where"
        )


def check_cells(data: Data, factors: Sequence[str], needed: int = 2) -> None:
    """Raise InputError if a combination of levels has too few values."""
    counts = Counter(data.rows(factors))
    for cell in product(*(data.levels(name) for name in factors)):
        if counts[cell] < needed:
            has = f"has {counts[cell]} value, needs {needed}: " if counts[cell] else "is empty: "
            advice = "drop a factor, leave levels out by --where, or measure more"
            raise InputError(f"the cell {spelt(factors, cell)} {has}{advice}")


def check_spread(data: Data, factors: Sequence[str]) -> None:
    """Raise InputError if nothing varies inside the cells, since every F would be infinite."""
    if all(min(values) == max(values) for values in data.cells(factors).values()):
        raise InputError(f"{data.response}: the values of each cell are all the same: a test needs spread")


def check_varied(response: str, cell: str, values: Sequence[float]) -> None:
    """Raise InputError if the values of a cell are all the same."""
    if min(values) == max(values):
        raise InputError(f"{response}: the values of {cell} are all the same: a test needs spread")
