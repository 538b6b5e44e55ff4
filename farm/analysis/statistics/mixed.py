"""Effects of factors on runs that are not independent, since they share a configuration: the group. Pure.

The group is the unit of replication. A factor that varies within groups is judged by its effect in each group, with
Student's t over the groups, so that groups may differ in the effect too (a random slope). A factor that varies between
groups is judged by the means of the groups, with Student's t. In a balanced design these are the intervals of a mixed
model with random slopes and exact degrees of freedom; a random intercept alone would count every run as new evidence.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pvariance
from typing import Any, Literal

from scipy import stats

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.statistics.data import Cell, Data, check_levels, check_spread, relative
from farm.analysis.statistics.libraries import library
from farm.model import Scalar
from farm.model.errors import InputError

#: A factor and one of its levels after the first.
_Term = tuple[str, Scalar]


@dataclass(frozen=True, slots=True)
class Effect:
    """A level of a factor against the first level of the factor, other factors being equal."""

    factor: str
    level: Scalar
    reference: Scalar
    difference: Interval  #: difference in the unit of the response, or of its logarithm
    relative: float | None  #: share of the mean of the reference; None if that is 0 or less
    p: float  #: Student's t over groups
    varies: Literal["within", "between"]  #: where the factor varies: within groups, or between them
    groups: int  #: groups that the effect rests on


@dataclass(frozen=True, slots=True)
class Mixed:
    """Main effects of the factors, and how much groups and runs differ."""

    effects: tuple[Effect, ...]
    n: int
    groups: int
    group_variance: float
    residual_variance: float
    marginal_r_sq: float  #: share of the variance that the factors explain
    conditional_r_sq: float  #: share that factors and groups explain

    @property
    def icc(self) -> float:
        """The intraclass correlation: the groups' share of the variance that the factors do not explain."""
        unexplained = self.group_variance + self.residual_variance
        return self.group_variance / unexplained if unexplained else 0.0


@dataclass(frozen=True, slots=True)
class _Estimate:
    """An estimate with its standard error."""

    value: float
    error: float
    df: int
    groups: int


@dataclass(frozen=True, slots=True)
class _Fit:
    """A fit by least squares; the intercept comes first."""

    estimates: Sequence[float]
    unit_errors: Sequence[float]  #: standard errors if the spread of the values were 1
    squares: float  #: sum of the squared residuals
    df: int


def mixed(data: Data, factors: Sequence[str], group: Sequence[str]) -> Mixed:
    """Estimate main effects over groups; raises InputError if the factors or the groups do not allow it.

    The variance between groups is that of an analysis of variance. R^2 by Nakagawa and Schielzeth (2013): variance of
    the fixed part, or of it and the groups, over their sum with the residual's.
    """
    check_levels(data, factors)
    check_spread(data, ())
    _check_groups(data.rows(group), group, data.rows(factors))
    rows: dict[Cell, list[int]] = defaultdict(list)
    for place, cell in enumerate(data.rows(group)):
        rows[cell].append(place)
    members = list(rows.values())
    _check_separable(data, factors)
    inside = [f for f in factors if any(len({data.columns[f][i] for i in own}) > 1 for own in members)]
    outside = [f for f in factors if f not in inside]
    within = _within(data, inside, outside, members)
    rest = [y - _fixed(data, place, within) for place, y in enumerate(data.values)]
    between = _between(data, outside, members, [fmean(rest[i] for i in own) for own in members])
    residuals = [y - _fixed(data, place, between) for place, y in enumerate(rest)]
    group_variance, residual_variance = _variances(residuals, members, len(within), len(between))
    explained = pvariance([_fixed(data, place, within | between) for place in range(len(data.values))])
    every = explained + group_variance + residual_variance
    return Mixed(
        effects=tuple(
            _effect(data, term, estimates[term], "within" if estimates is within else "between")
            for factor in factors
            for estimates in (within, between)
            for term in estimates
            if term[0] == factor
        ),
        n=len(data.values),
        groups=len(members),
        group_variance=group_variance,
        residual_variance=residual_variance,
        marginal_r_sq=explained / every,
        conditional_r_sq=(explained + group_variance) / every,
    )


def _within(
    data: Data, factors: Sequence[str], between: Sequence[str], members: Sequence[Sequence[int]]
) -> dict[_Term, _Estimate]:
    """Return the mean over groups of the effects in each group, by least squares; some groups tell nothing of some.

    What the factors between groups explain of an effect's spread is no chance: it is taken out.
    """
    found: dict[_Term, dict[int, float]] = {term: {} for term in _terms(data, factors)}
    firsts = {name: data.levels(name)[0] for name in factors}
    for own in members:
        present = {name: {data.columns[name][i] for i in own} for name in factors}
        comparable = [name for name in factors if firsts[name] in present[name]]
        if any(len(levels) > 1 for name, levels in present.items() if name not in comparable):
            continue  # these levels cannot be compared with the first one
        terms = [(name, level) for name, level in found if name in comparable and level in present[name]]
        fit = _least_squares(data, terms, own, [data.values[i] for i in own])
        if fit is not None:
            for term, value in zip(terms, fit.estimates[1:], strict=True):
                found[term][own[0]] = value
    estimates = {}
    for (name, level), effects in found.items():
        fit = _least_squares(data, _terms(data, between), list(effects), list(effects.values()))
        if fit is None or fit.df < 1:
            pair = f"{name}={firsts[name]} and {name}={level}"
            raise InputError(f"--group: too few groups have both {pair}: {len(effects)} do")
        error = sqrt(fit.squares / fit.df / len(effects))
        estimates[name, level] = _Estimate(fmean(effects.values()), error, fit.df, len(effects))
    return estimates


def _between(
    data: Data, factors: Sequence[str], members: Sequence[Sequence[int]], means: Sequence[float]
) -> dict[_Term, _Estimate]:
    """Return the effects of factors on the means of groups, by least squares."""
    terms = _terms(data, factors)
    if not terms:
        return {}
    fit = _least_squares(data, terms, [own[0] for own in members], means)
    if fit is None or fit.df < 1:
        raise InputError(f"--group: {len(members)} groups are too few to tell the effects of {','.join(factors)}")
    return {
        term: _Estimate(value, unit * sqrt(fit.squares / fit.df), fit.df, len(members))
        for term, value, unit in zip(terms, fit.estimates[1:], fit.unit_errors[1:], strict=True)
    }


def _terms(data: Data, factors: Sequence[str]) -> list[_Term]:
    return [(name, level) for name in factors for level in data.levels(name)[1:]]


def _design(data: Data, terms: Sequence[_Term], places: Sequence[int]) -> Any:
    """Return the matrix of an intercept and a column of 0 and 1 for each term."""
    return library("numpy").array(
        [[1.0, *(float(data.columns[name][i] == level) for name, level in terms)] for i in places]
    )


def _least_squares(data: Data, terms: Sequence[_Term], places: Sequence[int], values: Sequence[float]) -> _Fit | None:
    """Fit an intercept and the terms to one value for each place; None if the places cannot tell them apart."""
    np = library("numpy")
    design = _design(data, terms, places)
    if not places or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    inverse = np.linalg.inv(design.T @ design)
    estimates = inverse @ design.T @ np.array(values)
    squares = float(((np.array(values) - design @ estimates) ** 2).sum())
    return _Fit(estimates.tolist(), np.sqrt(np.diag(inverse)).tolist(), squares, len(values) - len(terms) - 1)


def _fixed(data: Data, place: int, estimates: "dict[_Term, _Estimate]") -> float:
    """Return the sum of the effects on one run."""
    return sum(one.value for (name, level), one in estimates.items() if data.columns[name][place] == level)


def _variances(
    residuals: Sequence[float], members: Sequence[Sequence[int]], within: int, between: int
) -> tuple[float, float]:
    """Return the variance between groups, at least 0, and that within them, from an analysis of variance."""
    n, count, middle = len(residuals), len(members), fmean(residuals)
    means = [fmean(residuals[i] for i in own) for own in members]
    inside = sum((residuals[i] - mean) ** 2 for own, mean in zip(members, means, strict=True) for i in own)
    residual = inside / max(n - count - within, 1)
    outside = sum(len(own) * (mean - middle) ** 2 for own, mean in zip(members, means, strict=True))
    size = (n - sum(len(own) ** 2 for own in members) / n) / (count - 1)
    return max((outside / max(count - 1 - between, 1) - residual) / size, 0.0), residual


def _effect(data: Data, term: _Term, found: _Estimate, varies: Literal["within", "between"]) -> Effect:
    factor, level = term
    reference = data.levels(factor)[0]
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, found.df)) * found.error
    share = relative(data, found.value, fmean(data.cells([factor])[(reference,)]))
    t = abs(found.value) / found.error if found.error else float("inf") if found.value else 0.0
    difference = Interval(found.value, found.value - half, found.value + half)
    return Effect(factor, level, reference, difference, share, 2 * float(stats.t.sf(t, found.df)), varies, found.groups)


def _check_separable(data: Data, factors: Sequence[str]) -> None:
    design = _design(data, _terms(data, factors), range(len(data.values)))
    if library("numpy").linalg.matrix_rank(design) < design.shape[1]:
        raise InputError("the effects of the factors cannot be separated: one factor follows from the others")


def _check_groups(groups: Sequence[Cell], names: Sequence[str], cells: Sequence[Cell]) -> None:
    several = len(set(groups))
    if several < 2:
        raise InputError(f"--group: all trials have the same {','.join(names)}: there are no groups")
    if several == len(groups):
        raise InputError(f"--group: each trial has a {','.join(names)} of its own: nothing is shared")
    if several == len(set(cells)) == len(set(zip(groups, cells, strict=True))):
        raise InputError(
            f"--group: {','.join(names)} differs exactly as the factors do: their effects cannot be separated"
        )
