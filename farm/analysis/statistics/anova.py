"""Analysis of variance with effect sizes. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from farm.analysis.statistics.assumptions import Normality, equal_variances, normality
from farm.analysis.statistics.data import Data, check_cells, check_levels, check_spread
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
    check_cells(data, factors)
    check_spread(data, factors)
    formula = "y ~ " + " * ".join(f"C(f{place}, Sum)" for place, _ in enumerate(factors))
    fitted = library("statsmodels.formula.api").ols(formula, data.frame(factors)).fit()
    table = library("statsmodels.stats.anova").anova_lm(fitted, typ=type_)
    rows = {_named(term, factors): row for term, row in table.iterrows() if term != "Intercept"}
    total, residual_ss, residual_ms = (float(x) for x in (fitted.centered_tss, fitted.ssr, fitted.mse_resid))
    cells = data.cells(factors)
    error = pooled(cells.values(), data.fixed().cells(factors).values())
    return Anova(
        type=type_,
        terms=tuple(_term(term, row, total, (residual_ss, residual_ms), error) for term, row in rows.items()),
        n=len(data.values),
        smallest_cell=min(map(len, cells.values())),
        largest_cell=max(map(len, cells.values())),
        residuals=normality([float(value) for value in fitted.resid]),
        equal_variances_p=equal_variances(cells.values()),
    )


def _named(term: object, factors: Sequence[str]) -> str:
    """Return a term such as C(f0, Sum):C(f1, Sum) by the names of its factors."""
    return ":".join(factors[int(place)] for place in re.findall(r"C\(f(\d+), Sum\)", str(term))) or str(term)


def _term(
    term: str, row: "dict[str, float]", total: float, residual: tuple[float, float], error: tuple[float, int]
) -> Term:
    """Return a line of the table, from the residual's sum and mean of squares, and F's error with its df."""
    df, sum_sq = round(row["df"]), float(row["sum_sq"])
    residual_ss, residual_ms = residual
    if term == RESIDUAL:
        return Term(term, df, sum_sq, None, None, None, None, None)
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
