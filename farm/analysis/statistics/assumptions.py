"""Tests of the assumptions of other tests: normal residuals, equal variances. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats

from farm.analysis.statistics.data import Cell, Data
from farm.analysis.statistics.multiplicity import Correction, adjusted

#: The fewest values that Shapiro-Wilk needs.
LEAST = 3
#: With more values its p is not exact (Royston 1995), and every deviation would be significant.
MOST = 5000


@dataclass(frozen=True, slots=True)
class Normality:
    """The result of Shapiro and Wilk's test: the fit of values to a straight line in a normal plot."""

    n: int
    w: float  #: 1 is straight
    p: float | None  #: None: too many values
    skewness: float  #: skewness, corrected for bias; 0 is symmetric


@dataclass(frozen=True, slots=True)
class CellNormality:
    """The normality of one cell, as measured and on a logarithmic scale; None with too few or equal values."""

    cell: Cell
    n: int
    plain: Normality | None
    p: float | None  #: p of `plain`, corrected over the cells
    logs: Normality | None  #: None also if a value is 0 or less
    p_logs: float | None


def normality(values: Sequence[float]) -> Normality | None:
    """Test the normality of values; returns None if there are too few, or all are equal."""
    least, largest = min(values, default=0.0), max(values, default=0.0)
    if len(values) < LEAST or least == largest:
        return None
    shape = [(value - least) / (largest - least) for value in values]  # else tiny values would count as equal
    skewness = float(stats.skew(shape, bias=False))
    if len(values) > MOST:
        kept = sorted(shape)[:: len(values) // MOST + 1]
        return Normality(len(values), float(stats.shapiro(kept).statistic), None, skewness)
    found = stats.shapiro(shape)
    return Normality(len(values), float(found.statistic), float(found.pvalue), skewness)


def of_cells(data: Data, factors: Sequence[str], correction: Correction = Correction.HOLM) -> list[CellNormality]:
    """Test the normality of each combination of levels, of the values that no result decided."""
    data = data.fixed()
    cells = data.cells(factors)
    logs = data.logs().cells(factors) if min(data.values) > 0 else {}
    plain = {cell: normality(values) for cell, values in cells.items()}
    on_logs = {cell: normality(logs[cell]) if logs else None for cell in cells}
    p_plain, p_logs = (
        dict(zip(cells, adjusted([n.p if n else None for n in found.values()], correction), strict=True))
        for found in (plain, on_logs)
    )
    return [
        CellNormality(cell, len(values), plain[cell], p_plain[cell], on_logs[cell], p_logs[cell])
        for cell, values in cells.items()
    ]


def equal_variances(groups: Iterable[Sequence[float]]) -> float | None:
    """Return p of Brown and Forsythe's test (Levene's with medians); None if a group has fewer than two values.

    Both values of a group of two have the same distance from their median, so None also if all groups have two.
    """
    several = list(groups)
    if any(len(group) < 2 for group in several) or all(len(g) == 2 or min(g) == max(g) for g in several):
        return None
    return float(stats.levene(*several, center="median").pvalue)
