"""Analysis of variance with effect sizes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum
from statistics import fmean
from typing import Any, Literal

from scipy import stats

from farm.analysis.statistics.assumptions import Normality, equal_variances, normality
from farm.analysis.statistics.data import Cell, Data, check_cells, check_levels, check_size, check_spread
from farm.analysis.statistics.libraries import library
from farm.analysis.statistics.spread import pooled

RESIDUAL = "Residual"
Type = Literal[2, 3]


@dataclass(frozen=True, slots=True)
class Term:
    """A line of the table: a factor, an interaction a:b, or the residual."""

    term: str
    df: int
    sum_sq: float
    f: float | None  #: None for the residual, like the following fields
    p: float | None
    eta_sq: float | None  #: share of the total sum of squares about the mean
    partial_eta_sq: float | None  #: sum_sq / (sum_sq + that of the residual)
    omega_sq: float | None  #: eta_sq without its bias; may be below 0


@dataclass(frozen=True, slots=True)
class Anova:
    """The table, and the assumptions that it rests on."""

    type: Type
    terms: tuple[Term, ...]  #: the last is the residual
    n: int
    smallest_cell: int
    largest_cell: int
    residuals: Normality | None
    equal_variances_p: float | None  #: Brown and Forsythe, over the cells

    @property
    def effects(self) -> tuple[Term, ...]:
        """All terms except the residual."""
        return self.terms[:-1]


def anova(data: Data, factors: Sequence[str], type_: Type = 2) -> Anova:
    """Analyse all factors with all their interactions; raises InputError if the cells do not allow it.

    Type III has sum-to-zero contrasts, without which it tests something else. Sources: eta^2 and partial eta^2, Cohen
    (1973); omega^2 = (SS - df * MS_residual) / (SS_total + MS_residual), Hays (1963). SS_total is about the grand mean,
    so that the eta^2 of a balanced design and the residual's share add up to 1.
    """
    check_levels(data, factors)
    check_size(data, factors)
    check_cells(data, factors)
    check_spread(data, factors)
    cells = data.cells(factors)
    means, middle = {cell: fmean(values) for cell, values in cells.items()}, fmean(data.values)
    residuals = [value - means[cell] for cell, value in zip(data.rows(factors), data.values, strict=True)]
    total, residual_ss = (fsum(x * x for x in own) for own in ([value - middle for value in data.values], residuals))
    df = len(data.values) - len(cells)
    error = pooled(cells.values(), data.fixed().cells(factors).values())
    effects = _sums_of_squares(
        [(cell, len(values), means[cell]) for cell, values in cells.items()], len(factors), type_
    )
    return Anova(
        type=type_,
        terms=(
            *(
                _term(":".join(factors[place] for place in term), *found, total, (residual_ss, residual_ss / df), error)
                for term, found in effects.items()
            ),
            Term(RESIDUAL, df, residual_ss, None, None, None, None, None),
        ),
        n=len(data.values),
        smallest_cell=min(map(len, cells.values())),
        largest_cell=max(map(len, cells.values())),
        residuals=normality(residuals),
        equal_variances_p=equal_variances(cells.values()),
    )


def _sums_of_squares(
    cells: Sequence[tuple[Cell, int, float]], factors: int, type_: Type
) -> dict[tuple[int, ...], tuple[int, float]]:
    """Return degrees of freedom and sum of squares of each term, which is named by the places of its factors.

    All values of a cell have one row of the design, so a cell counts as its mean with the number of its values as
    weight: the sums are the same, and memory grows with cells instead of values. The sum of squares of a term is what
    it explains beside other terms: of type II those that do not contain it, of type III all.

    Args:
        cells: The levels, the number of values and the mean of each cell, sorted; none is missing.
        factors: The number of factors.
        type_: The type of the sums.
    """
    np = library("numpy")
    terms = [term for size in range(1, factors + 1) for term in combinations(range(factors), size)]
    levels = [list(dict.fromkeys(cell[place] for cell, _, _ in cells)) for place in range(factors)]
    weights = np.sqrt([float(count) for _, count, _ in cells])
    wanted = weights * np.array([mean for _, _, mean in cells])
    columns: dict[tuple[int, ...], Any] = {(): weights[:, None]}
    for term in terms:
        own = columns[term[:-1]]
        codes = np.vstack([np.eye(len(levels[term[-1]]) - 1), -np.ones(len(levels[term[-1]]) - 1)])
        places = {level: place for place, level in enumerate(levels[term[-1]])}
        coded = codes[[places[cell[term[-1]]] for cell, _, _ in cells]]
        columns[term] = (own[:, :, None] * coded[:, None, :]).reshape(len(cells), -1)
    found = {}
    for term in terms:
        beside = [o for o in columns if o != term and (type_ == 3 or not set(term) <= set(o))]
        stacked = np.hstack([*(columns[other] for other in beside), columns[term], wanted[:, None]])
        explained = np.linalg.qr(stacked, mode="r")[: stacked.shape[1] - 1, -1]  # the means on each column of Q
        df = columns[term].shape[1]
        found[term] = df, float((explained[-df:] ** 2).sum())
    return found


def _term(
    term: str, df: int, sum_sq: float, total: float, residual: tuple[float, float], error: tuple[float, int]
) -> Term:
    """Return a line of the table, from the residual's sum and mean of squares, and F's error with its df."""
    residual_ss, residual_ms = residual
    f = sum_sq / df / error[0]
    return Term(
        term=term,
        df=df,
        sum_sq=sum_sq,
        f=f,
        p=float(stats.f.sf(f, df, error[1])),
        eta_sq=sum_sq / total,
        partial_eta_sq=sum_sq / (sum_sq + residual_ss),
        omega_sq=(sum_sq - df * residual_ms) / (total + residual_ms),
    )
