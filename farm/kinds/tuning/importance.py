"""Importance of hyperparameters: the share of the variance of a figure that each explains alone (fANOVA)."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import log10
from typing import TYPE_CHECKING

from farm.kinds.tuning.searches import Configuration
from farm.kinds.tuning.space import Choice, Range, Space
from farm.model import Scalar
from farm.model.errors import InputError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

#: Least number of configurations; the shares of fewer ones are due to chance.
LEAST_CONFIGURATIONS = 10
#: Number of trees: half of Optuna's default takes half the time, and the shares hardly differ.
_TREES = 32
_SEED = 0


def importance(space: Space, figures: Iterable[tuple[Configuration, float | None]]) -> Mapping[str, float] | None:
    """Return the share of the variance that each hyperparameter explains, the largest first.

    A parameter with a logarithmic scale is analysed on that scale. Parameters with a condition are left out, because
    not every configuration has them.

    Returns:
        None if too few configurations have a figure, or all have the same figure.

    Raises:
        InputError: Optuna or scikit-learn is missing.
    """
    known = [(configuration, value) for configuration, value in figures if value is not None]
    parameters = {name: parameter for name, parameter in space.items() if not parameter.when}
    if len(known) < LEAST_CONFIGURATIONS or len({value for _, value in known}) == 1 or not parameters:
        return None
    try:
        import sklearn  # noqa: F401, PLC0415 - Optuna's evaluator imports it late, with another error
        from optuna import create_study  # noqa: PLC0415
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # noqa: PLC0415
        from optuna.trial import create_trial  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(f"importance of hyperparameters needs {error.name}: pip install 'wattfarm[tuning]'") from None
    distributions = {name: _distribution(parameter) for name, parameter in parameters.items()}
    with _quiet():
        study = create_study()
        for configuration, value in known:
            params = {name: _scaled(parameters[name], configuration.params[name]) for name in parameters}
            study.add_trial(create_trial(value=value, params=params, distributions=distributions))
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=_TREES, seed=_SEED))
    return {name: float(share) for name, share in found.items()}


def _distribution(parameter: Range | Choice) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution  # noqa: PLC0415

    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    low, high = (_scaled(parameter, bound) for bound in (parameter.low, parameter.high))
    return FloatDistribution(float(low or 0.0), float(high or 0.0))


def _scaled(parameter: Range | Choice, value: Scalar) -> Scalar:
    """Return a value on the scale of the search."""
    if isinstance(parameter, Choice) or not isinstance(value, int | float):
        return value
    return log10(value) if parameter.log else float(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna, which logs each study that it creates."""
    from optuna import logging  # noqa: PLC0415

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
