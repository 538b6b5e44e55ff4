"""The study's own Bayesian strategy: scikit-learn's Gaussian process of that time, and the probability of improvement.

The model sees raw units: a kernel of length 1 on a learning rate below 0.1 and a momentum below 1. It is here to
reproduce the study; `gp` is the better choice.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from farm.kinds.tuning.space import Range
from farm.model import Point
from farm.scheduling.tuning.study import Finished, Pending, Study

CANDIDATES = 10_000
Floats: TypeAlias = NDArray[np.float64]


def ask(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:
    """Return the candidate that most likely beats the best accuracy so far; a random one while none is known.

    Pending trials get the mean accuracy so far, so that their neighbourhood counts as known (constant liar). Failed
    trials have no accuracy and are left out. The space has ranges only.
    """
    ranges = {name: parameter for name, parameter in study.space.items() if isinstance(parameter, Range)}
    candidates = draw_candidates(ranges, np.random.default_rng([study.seed, number]))
    measured = [(trial.params, trial.values[0]) for trial in history if trial.values is not None]
    if not measured:
        return _point(ranges, candidates[0])
    accuracies = np.array([accuracy for _, accuracy in measured])
    params = [
        *(params for params, _ in measured),
        *(trial.params for trial in sorted(pending, key=lambda trial: trial.number)),
    ]
    known = np.array([[point[name] for name in ranges] for point in params], dtype=np.float64)
    mean, std = posterior(known, np.append(accuracies, np.full(len(pending), accuracies.mean())), candidates)
    return _point(ranges, candidates[np.argmax(improvement(mean, std, accuracies.max()))])


def draw_candidates(ranges: Mapping[str, Range], rng: np.random.Generator) -> Floats:
    """Draw candidates in raw units, as (CANDIDATES, parameters), evenly on the scale of each parameter."""
    return np.column_stack([_column(parameter, rng.random(CANDIDATES)) for parameter in ranges.values()])


def _column(parameter: Range, uniform: Floats) -> Floats:
    """Scale uniform numbers to a parameter's range; whole numbers share [low, high + 1) evenly."""
    is_int = parameter.type == "int"
    ends = np.array([parameter.low, parameter.high + is_int])
    low, high = np.log(ends) if parameter.log else ends
    values = low + (high - low) * uniform
    values = np.exp(values) if parameter.log else values
    clipped: Floats = np.clip(np.floor(values) if is_int else values, parameter.low, parameter.high)
    return clipped


def posterior(known: Floats, values: Floats, candidates: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation at the candidates: kernel exp(-d²/2), nugget 1e-10, no scaling.

    These were scikit-learn's defaults at the time of the study. Since version 1.9 it also fits the length of the
    kernel by default.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415 - it loads pandas where there is one

    model = GaussianProcessRegressor(optimizer=None).fit(known, values)
    with warnings.catch_warnings():
        # Raw units make a nearly singular kernel matrix; a variance that rounding makes negative counts as 0.
        warnings.filterwarnings("ignore", "Predicted variances smaller than 0", UserWarning)
        mean, std = model.predict(candidates, return_std=True)
    return mean, std


def improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """Return the probability that each candidate is better than the best."""
    probability: Floats = ndtr((mean - best) / np.maximum(std, 1e-9))
    return probability


def _point(ranges: Mapping[str, Range], row: Floats) -> Point:
    return {
        name: int(value) if ranges[name].type == "int" else float(value)
        for name, value in zip(ranges, row, strict=True)
    }
