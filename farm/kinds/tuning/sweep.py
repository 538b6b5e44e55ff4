"""Sweeps of kind tuning: the factors of training, and how hyperparameters are searched."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from farm.kinds.factors import Many
from farm.kinds.training.sweep import Training
from farm.kinds.tuning.space import Choice, Range, Space
from farm.kinds.tuning.strategies import Objective, PruningOrRule, Strategy, StrategyOrName
from farm.model import Frozen
from farm.spec import EXACTLY, EXCLUDE, KIND, WORKLOAD, Exclusion, ExclusionsOf, Repetitions, Sweep
from farm.spec.positions import Loc
from farm.spec.types import Count, OneOrMore, PositiveInt, Seed, ShortForm, problem, refuse

MAX_SEEDS = 1000
#: Fields of `Training` that a tuning sweep may search.
SEARCHABLE = (
    *("batch_size", "optimizer", "lr", "beta1", "beta2", "eps", "momentum", "weight_decay", "schedule"),
    *("conv_layers", "linear_layers", "relu", "patience", "precision", "train_size"),
)


def _first_seeds(value: Any) -> Any:
    """Return the seeds 1 to N for a number N; a list of seeds stays as it is."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if not 1 <= value <= MAX_SEEDS:
        raise problem(f"expected a number of seeds, 1 to {MAX_SEEDS}, or a list of seeds such as [7], got {value}")
    return list(range(1, value + 1))


class Tuning(Frozen):
    """Settings of a search: every strategy with every seed is a study."""

    space: Space = Field(description="hyperparameters to search, which replace those of the workload")
    strategies: Many[StrategyOrName] = Field(description="ways to search")
    trials: Count = Field(20, description="configurations in a study")
    seeds: Annotated[tuple[Seed, ...], OneOrMore(), ShortForm(_first_seeds, {"type": "integer"})] = Field(
        (1, 2, 3, 4, 5), description="seeds of the strategies: a list, or their number; a claim needs at least 5"
    )
    objectives: Many[Objective] = Field(("accuracy",), description="figures to improve: accuracy, energy, or both")
    pruning: PruningOrRule | None = Field(None, description="stop bad trials early: median, halving or hyperband")
    parallel: PositiveInt = Field(1, description="trials of one study that may run at once")

    @field_validator("strategies")
    @classmethod
    def _have_names(cls, strategies: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
        names = [strategy.name for strategy in strategies]
        refuse(
            ((index,), f"{name} appears twice: results could not distinguish the two, so use separate sweeps")
            for index, name in enumerate(names)
            if name in names[:index]
        )
        return strategies


class TuningSweep(Sweep):
    """Sweep that searches hyperparameters by training."""

    kind: Literal["tuning"] = KIND
    workload: Training = WORKLOAD
    exclude: Annotated[tuple[Exclusion, ...], ExclusionsOf(Training)] = EXCLUDE
    ordered: ClassVar[tuple[str, ...]] = ("tuning",)  # the order of parameters and choices matters: see `Sweep`
    tuning: Tuning = Field(description="how to search")
    repetitions: Annotated[Repetitions, EXACTLY] = Field(
        default_factory=lambda: Repetitions(min=1, max=1),
        description="trainings of each configuration, whose mean accuracy counts",
    )

    @field_validator("repetitions")
    @classmethod
    def _are_fixed(cls, repetitions: Repetitions) -> Repetitions:
        if repetitions.min != repetitions.max:
            refuse([((), "expected one number: the repetitions of a configuration do not depend on results")])
        return repetitions

    @field_validator("tuning")
    @classmethod
    def _space_fits(cls, tuning: Tuning, info: ValidationInfo) -> Tuning:
        workload = info.data.get("workload")
        refuse(problem for name, _ in tuning.space.items() for problem in _misfits(name, tuning.space[name], workload))
        return tuning


def _misfits(name: str, parameter: Range | Choice, workload: Training | None) -> Iterator[tuple[Loc, str]]:
    """Yield the values of a parameter that the workload does not accept."""
    if name not in SEARCHABLE:
        yield ("space", name), f"cannot be searched: expected one of {', '.join(SEARCHABLE)}"
        return
    if workload is not None and name in workload.model_fields_set:
        yield ("space", name), f"workload.{name} is given too: remove one of them"
    field = Training.model_fields[name]
    one_or_more: Any = Annotated[field.annotation, *field.metadata]
    takes: TypeAdapter[Any] = TypeAdapter(one_or_more)
    values = parameter.choices if isinstance(parameter, Choice) else _ends(parameter)
    for value in values:
        try:
            takes.validate_python(value)
        except ValidationError as error:
            yield ("space", name), str(error.errors()[0]["ctx"]["problem"])


def _ends(parameter: Range) -> tuple[float, ...]:
    """Return the bounds; the upper bound of a range of fractions may be a limit that is never drawn."""
    if parameter.type == "int":
        return int(parameter.low), int(parameter.high)
    return parameter.low, math.nextafter(parameter.high, parameter.low)
