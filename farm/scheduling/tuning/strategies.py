"""Strategies: they choose the point that a trial of a study tries.

The store is the source of truth, and no state is kept: an ask is a pure function of the study and of the trials before
it, and random numbers follow from the study's seed and the trial's number. So a restarted controller asks the same.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from typing import TypeAlias

from farm.kinds.tuning.space import Range
from farm.model import Point
from farm.model.errors import InputError
from farm.scheduling.tuning.grid import points
from farm.scheduling.tuning.study import Finished, Pending, Study

Ask: TypeAlias = Callable[[Study, Sequence[Finished], Sequence[Pending], int], Point]

#: Strategies by name: "module:function", imported on use, and the modules that it needs beyond those of every
#: installation. The functions get trials in the order of their numbers.
REGISTRY: Mapping[str, tuple[str, Sequence[str]]] = {
    "grid": ("farm.scheduling.tuning.grid:ask", ()),
    "random": ("farm.scheduling.tuning.samplers:random", ("optuna",)),
    "halton": ("farm.scheduling.tuning.samplers:sequence", ("optuna",)),
    "sobol": ("farm.scheduling.tuning.samplers:sequence", ("optuna",)),
    "gp": ("farm.scheduling.tuning.samplers:gp", ("optuna", "torch")),
    "tpe": ("farm.scheduling.tuning.samplers:tpe", ("optuna",)),
    "nsga2": ("farm.scheduling.tuning.samplers:nsga2", ("optuna",)),
    "gp-pi": ("farm.scheduling.tuning.gp_pi:ask", ("sklearn",)),
}


def check(study: Study) -> None:
    """Raise InputError where a study cannot be asked: before anything is planned, not in the middle of a sweep."""
    name = study.strategy.name
    missing = next((module for module in REGISTRY[name][1] if find_spec(module) is None), None)
    if missing is not None:
        raise InputError(
            f"strategy {name} needs {missing}: pip install 'wattfarm[{'gp' if name == 'gp' else 'tuning'}]'"
        )
    if name == "grid":
        points(study.strategy, study.space)
    elif name == "gp-pi":
        _check_gp_pi(study)


def size(study: Study) -> int:
    """Return the number of trials of a study; it is smaller than wanted where a grid has fewer points."""
    if study.strategy.name != "grid":
        return study.trials
    return min(study.trials, len(points(study.strategy, study.space)))


def ask(study: Study, history: Sequence[Finished], pending: Sequence[Pending], number: int) -> Point:
    """Return the point of trial `number`, which is below the study's size; raises InputError where `check` does.

    `history` and `pending` are the trials below that number, in any order. grid, random, halton and sobol ignore them:
    the same number always has the same point.
    """
    check(study)
    function = load(study.strategy.name)
    by_number = attrgetter("number")
    return function(study, sorted(history, key=by_number), sorted(pending, key=by_number), number)


def load(name: str) -> Ask:
    """Import a strategy."""
    module, _, function = REGISTRY[name][0].partition(":")
    found: Ask = getattr(import_module(module), function)
    return found


def _check_gp_pi(study: Study) -> None:
    if study.objectives != ("accuracy",):
        raise InputError("strategy gp-pi has one objective, accuracy: use gp, tpe or nsga2 for accuracy and energy")
    for name, parameter in study.space.items():
        if not isinstance(parameter, Range) or parameter.when:
            raise InputError(f"strategy gp-pi takes ranges without a condition, unlike {name!r}: use gp or tpe")
