"""Which point a trial of a study tries.

The store is the truth and nothing is remembered: an ask is a pure function of the study and of the trials before it,
and what it draws comes from the study's seed and the trial's number. So a controller that starts anew asks the same.
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

#: Strategies by name, as "module:function", imported on use; they are given trials in the order of their numbers.
REGISTRY: Mapping[str, str] = {
    "grid": "farm.scheduling.tuning.grid:ask",
    "random": "farm.scheduling.tuning.samplers:random",
    "halton": "farm.scheduling.tuning.samplers:sequence",
    "sobol": "farm.scheduling.tuning.samplers:sequence",
    "gp": "farm.scheduling.tuning.samplers:gp",
    "tpe": "farm.scheduling.tuning.samplers:tpe",
    "nsga2": "farm.scheduling.tuning.samplers:nsga2",
    "gp-pi": "farm.scheduling.tuning.gp_pi:ask",
}
#: The modules that each needs, beyond those of every installation; torch comes with an extra of its own.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "grid": (),
    "random": ("optuna",),
    "halton": ("optuna",),
    "sobol": ("optuna",),
    "gp": ("optuna", "torch"),
    "tpe": ("optuna",),
    "nsga2": ("optuna",),
    "gp-pi": ("sklearn",),
}


def check(study: Study) -> None:
    """Raise InputError where a study cannot be asked: before anything is planned, not in the middle of a sweep."""
    name = study.strategy.name
    missing = next((module for module in NEEDS[name] if find_spec(module) is None), None)
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

    `history` and `pending` are the trials below that number, in any order. grid, random, halton and sobol do not look
    at them: the same number has the same point, whatever has finished by then.
    """
    check(study)
    module, _, name = REGISTRY[study.strategy.name].partition(":")
    function: Ask = getattr(import_module(module), name)
    by_number = attrgetter("number")
    return function(study, sorted(history, key=by_number), sorted(pending, key=by_number), number)


def _check_gp_pi(study: Study) -> None:
    if study.objectives != ("accuracy",):
        raise InputError("strategy gp-pi has one objective, accuracy: use gp, tpe or nsga2 for accuracy and energy")
    for name, parameter in study.space.items():
        if not isinstance(parameter, Range) or parameter.when:
            raise InputError(f"strategy gp-pi takes ranges without a condition, unlike {name!r}: use gp or tpe")
