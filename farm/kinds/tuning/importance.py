"""Which hyperparameters matter: how much of the variance of a figure each explains alone (fANOVA)."""

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

#: Fewer configurations than this show nothing but chance.
LEAST_CONFIGURATIONS = 10
#: Half of Optuna's: the shares hardly differ, and half the time.
_TREES = 32
_SEED = 0


def importance(space: Space, figures: Iterable[tuple[Configuration, float | None]]) -> Mapping[str, float] | None:
    """Shares of one, the largest first; None where too few configurations have a figure, or all have the same.

    A parameter on a logarithmic scale is judged on that scale. Those with a condition are left out: not every
    configuration has them. Raises InputError where Optuna or scikit-learn is missing.
    """
    known = [(configuration, value) for configuration, value in figures if value is not None]
    parameters = {name: parameter for name, parameter in space.items() if not parameter.when}
    if len(known) < LEAST_CONFIGURATIONS or len({value for _, value in known}) == 1 or not parameters:
        return None
    try:
        import sklearn  # noqa: F401, PLC0415 - Optuna's evaluator asks for it late, and in other words
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
    """On the scale of the search."""
    if isinstance(parameter, Choice) or not isinstance(value, int | float):
        return value
    return log10(value) if parameter.log else float(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells of each study that it makes."""
    from optuna import logging  # noqa: PLC0415

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
