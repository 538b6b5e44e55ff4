"""The strategies that use Optuna's samplers; each ask rebuilds a study in memory and discards it."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from farm.kinds.tuning.space import Choice, Range, Space
from farm.kinds.tuning.strategies import Objective
from farm.model import Point, Scalar
from farm.scheduling.tuning.study import Finished, Pending, Study

DIRECTIONS: Mapping[Objective, StudyDirection] = {
    "accuracy": StudyDirection.MAXIMIZE,
    "energy": StudyDirection.MINIMIZE,
}
#: The largest number of trials that a Gaussian process fits, because its cost grows with their cube. Of more trials it
#: gets the best and the latest, half and half.
GP_FITS = 300


def random(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:  # noqa: ARG001
    """Return the point of this number in Optuna's own random sequence of the study's seed."""
    rebuilt = _created(study, RandomSampler(seed=study.seed))
    for _ in range(number):
        _suggested(rebuilt.ask(), study.space)
    return _suggested(rebuilt.ask(), study.space)


def sequence(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:  # noqa: ARG001
    """Return the point of this number in a scrambled low-discrepancy sequence (halton, sobol).

    Every parameter has a coordinate; a parameter that does not exist at the point leaves its coordinate unused.
    """
    return _suggested(_created(study, _Sequence(study, number)).ask(), study.space)


def tpe(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:
    """Ask a tree-structured Parzen estimator; pending trials count as bad ones (constant liar)."""
    sampler = TPESampler(seed=study.seed_of(number), n_startup_trials=study.strategy.startup, constant_liar=True)
    return _adaptive(study, sampler, history, pending, number)


def gp(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:
    """Ask a Gaussian process for the best (log) expected improvement, averaged over the results of pending trials.

    With two objectives it is the expected improvement of the hypervolume. Of more than GP_FITS finished trials it gets
    the best and the latest. Parameters with a condition are drawn at random: a Gaussian process cannot leave one out.
    """
    sampler = GPSampler(
        seed=study.seed_of(number), n_startup_trials=study.strategy.startup, warn_independent_sampling=False
    )
    return _adaptive(study, sampler, _worth_fitting(study, history), pending, number)


def nsga2(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:
    """Ask NSGA-II; pending trials have no offspring yet, and siblings differ by their seeds."""
    return _adaptive(study, _Generations(study, number), history, pending, number)


class _Sequence(QMCSampler):
    """A sequence that begins at one trial's number, independent of earlier asks."""

    def __init__(self, study: Study, number: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # tests compare it with its own sequence
            super().__init__(qmc_type=study.strategy.name, scramble=True, seed=study.seed)
        self._space = study.space
        self._number = number

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        return _distributions(self._space)

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:  # noqa: ARG002
        return self._number


class _Generations(NSGAIISampler):
    """NSGA-II with generations of consecutive trials, so that the numbers alone determine the parents of a trial."""

    def __init__(self, study: Study, number: int) -> None:
        self._size = study.strategy.population
        super().__init__(population_size=self._size, seed=study.seed_of(number))

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:  # noqa: ARG002
        return trial.number // self._size

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial for trial in complete if self.get_trial_generation(study, trial) == generation]


def _adaptive(
    study: Study, sampler: BaseSampler, history: Sequence[Finished], pending: Sequence[Pending], number: int
) -> Point:
    """Ask a sampler that knows the trials below this number; trials without a record count as failed."""
    known: list[Finished | Pending] = [*history, *pending]
    converted = {trial.number: _convert(study, trial) for trial in known}
    rebuilt = _created(study, sampler)
    rebuilt.add_trials(converted.get(earlier, create_trial(state=TrialState.FAIL)) for earlier in range(number))
    return _suggested(rebuilt.ask(), study.space)


def _created(study: Study, sampler: BaseSampler) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it logs the creation of each study
    return optuna.create_study(directions=[DIRECTIONS[o] for o in study.objectives], sampler=sampler)


def _convert(study: Study, trial: Finished | Pending) -> FrozenTrial:
    """Convert a trial to Optuna's.

    Only TPE with one objective uses pruned trials. The other samplers would ignore them, so a pruned trial becomes a
    complete one with the values that it had reached.
    """
    distributions = {name: _distribution(study.space[name]) for name in trial.params}
    create = partial(create_trial, params=trial.params, distributions=distributions)
    if isinstance(trial, Pending):
        return create(state=TrialState.RUNNING)
    if trial.values is None:
        return create(state=TrialState.FAIL)
    if trial.is_pruned and study.strategy.name == "tpe" and len(study.objectives) == 1:
        return create(state=TrialState.PRUNED, intermediate_values=dict(enumerate(trial.accuracies, start=1)))
    return create(state=TrialState.COMPLETE, values=trial.values)


def _worth_fitting(study: Study, history: Sequence[Finished]) -> Sequence[Finished]:
    """Select the trials for a Gaussian process: the best are those that the fewest others beat in every objective."""
    complete = [trial for trial in history if trial.values is not None]
    if len(complete) <= GP_FITS:
        return complete
    signs = [1.0 if DIRECTIONS[objective] == StudyDirection.MAXIMIZE else -1.0 for objective in study.objectives]
    values = np.array([trial.values for trial in complete]) * signs
    beaten_by = np.all(values[None, :] > values[:, None], axis=2).sum(axis=1)
    latest = range(len(complete) - GP_FITS // 2, len(complete))
    best = [int(place) for place in np.argsort(beaten_by, kind="stable") if place not in latest]
    return [complete[place] for place in sorted((*best[: GP_FITS - len(latest)], *latest))]


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {name: _distribution(parameter) for name, parameter in space.items()}


def _distribution(parameter: Range | Choice) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    if parameter.type == "int":
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _suggested(trial: Trial, space: Space) -> Point:
    """Return the trial's point; the parameters are suggested in the order of the space."""

    def suggest(name: str, parameter: Range | Choice) -> Scalar:
        if isinstance(parameter, Choice):
            return trial.suggest_categorical(name, parameter.choices)
        if parameter.type == "int":
            return trial.suggest_int(name, int(parameter.low), int(parameter.high), log=parameter.log)
        return trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)

    return space.fill(suggest)
