"""Mixed models for runs that are not independent, since they share a configuration. Pure."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pvariance, stdev
from typing import Any

from scipy import stats

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.statistics.data import Cell, Data, check_levels, check_spread, relative
from farm.analysis.statistics.libraries import library
from farm.model import Scalar
from farm.model.errors import InputError


@dataclass(frozen=True, slots=True)
class Effect:
    """A level of a factor against the first level of the factor, other factors being equal."""

    factor: str
    level: Scalar
    reference: Scalar
    difference: Interval  #: difference in the unit of the response, or of its logarithm
    relative: float | None  #: share of the mean of the reference; None if that is 0 or less
    p: float  #: Wald's z; where the groups' variance is 0, Student's t


@dataclass(frozen=True, slots=True)
class Mixed:
    """Fixed effects of the factors and a random effect of the group."""

    effects: tuple[Effect, ...]
    n: int
    groups: int
    group_variance: float
    residual_variance: float
    marginal_r_sq: float  #: share of the variance that the factors explain
    conditional_r_sq: float  #: share that factors and groups explain
    has_converged: bool
    is_singular: bool  #: the groups differ by no more than chance: their variance is estimated as 0

    @property
    def icc(self) -> float:
        """The intraclass correlation: the groups' share of the variance that the factors do not explain."""
        return self.group_variance / (self.group_variance + self.residual_variance)


def mixed(data: Data, factors: Sequence[str], group: Sequence[str]) -> Mixed:
    """Fit main effects by REML; values are scaled to unit spread for the optimiser.

    The optimiser may fail at a variance of 0; then least squares give the result.
    R^2 by Nakagawa and Schielzeth (2013): variance of the fixed part, or of it and the groups, over their sum with the
    residual's. Raises InputError if the factors or the groups do not allow it.
    """
    check_levels(data, factors)
    check_spread(data, ())
    groups = data.rows(group)
    _check_groups(groups, group, data.rows(factors))
    centre, scale = fmean(data.values), stdev(data.values)
    frame = data.frame(factors)
    frame["y"] = (frame["y"] - centre) / scale
    numbers = {cell: number for number, cell in enumerate(dict.fromkeys(groups))}
    frame["group"] = [numbers[cell] for cell in groups]
    formula = "y ~ " + " + ".join(f"C(f{place})" for place, _ in enumerate(factors))
    plain = _least_squares(formula, frame)
    found = _fitted(formula, frame)
    is_singular = _is_chance(plain.resid, frame["group"]) if found is None else _variance(found) < _NOTHING
    fitted = plain if found is None else found
    between = 0.0 if found is None else _variance(found)
    within, fixed = float(fitted.scale), plain.params.index
    ends = fitted.conf_int(1 - CONFIDENCE).loc[fixed]
    explained = pvariance([float(x) for x in fitted.model.exog @ fitted.params[fixed].to_numpy()])
    every = explained + between + within
    return Mixed(
        effects=tuple(
            _effect(data, factors, name, scale, (fitted.params[name], *ends.loc[name]), fitted.pvalues[name])
            for name in fixed[1:]  # after the intercept
        ),
        n=len(data.values),
        groups=len(numbers),
        group_variance=between * scale**2,
        residual_variance=within * scale**2,
        marginal_r_sq=explained / every,
        conditional_r_sq=(explained + between) / every,
        has_converged=found is not None or is_singular,
        is_singular=is_singular,
    )


#: A share of the variance below this counts as 0.
_NOTHING = 1e-6


def _least_squares(formula: str, frame: Any) -> Any:
    """Fit without groups; raises InputError if a factor is a combination of others."""
    models = library("statsmodels.formula.api")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rank of the model is checked below
        fitted = models.ols(formula, frame).fit()
    if fitted.model.rank < len(fitted.params):
        raise InputError("the effects of the factors cannot be separated: one factor follows from the others")
    return fitted


def _fitted(formula: str, frame: Any) -> Any:
    """Return the fit, or None if the optimiser did not converge or gave no intervals."""
    models, linalg = library("statsmodels.formula.api"), library("numpy").linalg
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit holds the same facts
        try:
            fitted = models.mixedlm(formula, frame, groups=frame["group"]).fit()
        except linalg.LinAlgError:
            return None
        ends = fitted.conf_int().loc[fitted.fe_params.index]
    return fitted if fitted.converged and ends.notna().all(axis=None) else None


def _variance(fitted: Any) -> float:
    """Return the variance between the groups."""
    return max(float(fitted.cov_re.iloc[0, 0]), 0.0)


def _is_chance(residuals: Any, groups: Any) -> bool:
    """Return whether the group means vary no more than single runs explain: F of at most 1."""
    return float(stats.f_oneway(*(own for _, own in residuals.groupby(groups))).statistic) <= 1


def _effect(
    data: Data, factors: Sequence[str], name: str, scale: float, estimate: tuple[float, float, float], p: float
) -> Effect:
    """Return factor and level of a name such as C(f0)[T.1]: the second level of the first factor."""
    place, code = (int("".join(filter(str.isdigit, part))) for part in name.split("["))
    factor = factors[place]
    levels = data.levels(factor)
    mean, low, high = (float(end) * scale for end in estimate)
    share = relative(data, mean, fmean(data.cells([factor])[(levels[0],)]))
    return Effect(factor, levels[code], levels[0], Interval(mean, low, high), share, float(p))


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
