"""Runs that share a configuration are alike: a mixed model counts them as what they are. Pure."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean, pvariance, stdev

from farm.analysis.statistics.data import Data, check_levels, check_spread
from farm.analysis.statistics.libraries import library
from farm.errors import InputError
from farm.intervals import CONFIDENCE, Interval
from farm.model import Scalar


@dataclass(frozen=True, slots=True)
class Effect:
    """A level of a factor against the factor's first, other factors being equal."""

    factor: str
    level: Scalar
    reference: Scalar
    difference: Interval  #: in the unit of the response, or of its logarithm
    relative: float  #: to the mean of the reference
    p: float  #: Wald's z


@dataclass(frozen=True, slots=True)
class Mixed:
    """Fixed effects of the factors, a random one of the group."""

    effects: tuple[Effect, ...]
    n: int
    groups: int
    group_variance: float
    residual_variance: float
    marginal_r_sq: float  #: share of the variance that the factors explain
    conditional_r_sq: float  #: that factors and groups explain
    has_converged: bool
    is_singular: bool  #: the groups differ by no more than chance: their variance is estimated as 0

    @property
    def icc(self) -> float:
        """How alike two runs of one group are: the groups' share of the variance that the factors leave."""
        return self.group_variance / (self.group_variance + self.residual_variance)


def mixed(data: Data, factors: Sequence[str], group: Sequence[str]) -> Mixed:
    """Main effects by REML; values are brought to unit spread for the optimiser and back.

    R^2 by Nakagawa and Schielzeth (2013): variance of the fixed part, or of it and the groups, over their sum with the
    residual's. Raises InputError where the groups do not allow it.
    """
    check_levels(data, factors)
    check_spread(data, ())
    groups = data.rows(group)
    _check_groups(groups, group)
    centre, scale = fmean(data.values), stdev(data.values)
    frame = data.frame(factors)
    frame["y"] = (frame["y"] - centre) / scale
    numbers = {cell: number for number, cell in enumerate(dict.fromkeys(groups))}
    frame["group"] = [numbers[cell] for cell in groups]
    formula = "y ~ " + " + ".join(f"C(f{place})" for place, _ in enumerate(factors))
    models = library("statsmodels.formula.api")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is read from the fit
        try:
            fitted = models.mixedlm(formula, frame, groups=frame["group"]).fit()
        except library("numpy").linalg.LinAlgError:
            raise InputError("the factors cannot be told apart: one of them follows from the others") from None
        ends = fitted.conf_int(1 - CONFIDENCE)
    within = float(fitted.scale)
    between = max(float(fitted.cov_re.iloc[0, 0]), 0.0)
    explained = pvariance([float(x) for x in fitted.model.exog @ fitted.fe_params.to_numpy()])
    every = explained + between + within
    return Mixed(
        effects=tuple(
            _effect(data, factors, name, float(estimate) * scale, [float(e) * scale for e in ends.loc[name]], p)
            for name, estimate, p in zip(fitted.fe_params.index, fitted.fe_params, fitted.pvalues, strict=False)
            if name != "Intercept"
        ),
        n=len(data.values),
        groups=len(numbers),
        group_variance=between * scale**2,
        residual_variance=within * scale**2,
        marginal_r_sq=explained / every,
        conditional_r_sq=(explained + between) / every,
        has_converged=bool(fitted.converged) and bool(ends.loc[fitted.fe_params.index].notna().all(axis=None)),
        is_singular=between < _NOTHING * within,
    )


#: Less than this share of the residual variance is an estimate on the edge of what is possible.
_NOTHING = 1e-6


def _effect(data: Data, factors: Sequence[str], name: str, estimate: float, ends: Sequence[float], p: float) -> Effect:
    """From a name such as C(f0)[T.1]: the second level of the first factor."""
    place, code = (int("".join(filter(str.isdigit, part))) for part in name.split("["))
    factor = factors[place]
    levels = data.levels(factor)
    relative = exp(estimate) - 1 if data.is_log else estimate / fmean(data.cells([factor])[(levels[0],)])
    return Effect(factor, levels[code], levels[0], Interval(estimate, ends[0], ends[1]), relative, float(p))


def _check_groups(groups: Sequence[object], names: Sequence[str]) -> None:
    several = len(set(groups))
    if several < 2:
        raise InputError(f"--group: all trials have the same {','.join(names)}: there are no groups")
    if several == len(groups):
        raise InputError(f"--group: each trial has a {','.join(names)} of its own: nothing is shared")
