"""A sweep as written: the models behind the schema of sweep.yaml. `farm.spec` reads and names sweeps."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator

from farm.kinds.tuning.space import Choice, Range, Space
from farm.kinds.tuning.strategies import Objective, PruningOrRule, Strategy, StrategyOrName
from farm.model import Baseline, Frozen, MeasureSettings, StoppingRule
from farm.spec.positions import Loc
from farm.spec.profiles import PROFILES
from farm.spec.targets import TARGET_WORDS, Target
from farm.spec.types import (
    Count,
    Country,
    Expected,
    IdlePower,
    Name,
    OneOrMore,
    PositiveInt,
    Priority,
    Profile,
    Seconds,
    SecondsOrZero,
    Seed,
    Share,
    ShortForm,
    TimeLimit,
    problem,
    refuse,
    same,
)
from farm.spec.workloads import Exclusion, Factors, Inference, LayersOf, PartOf, Serving, Training, remaining

#: More than this is a mistake rather than a plan.
MAX_JOBS = 100_000
MAX_SEEDS = 1000
#: Half-width of the 95 % interval to reach where a sweep names none, as a share.
INFERENCE_TARGET, USUAL_TARGET = 0.02, 0.05


class Measure(Frozen):
    """How a trial measures: a profile, and any of its fields that shall differ."""

    profile: Profile = Field("full", description="quick (for demos), screening or full")
    baseline: IdlePower = Field(
        Baseline.CONTEXT, description="idle power that net energy subtracts: bare, or context (model loaded)"
    )
    window_s: Seconds | None = Field(None, description="shortest measure window in seconds")
    windows: PositiveInt | None = Field(None, description="measure windows in a trial")
    min_iterations: PositiveInt | None = Field(None, description="fewest batches in a measure window")
    idle_s: Seconds | None = Field(None, description="idle before and after a trial in seconds")
    cool_down_max_s: SecondsOrZero | None = Field(None, description="longest wait for a warm GPU before an idle")
    context_idle_s: Seconds | None = Field(None, description="idle with the model loaded in seconds")
    warmup_s: Seconds | None = Field(None, description="shortest warm-up in seconds")
    warmup_max_s: Seconds | None = Field(None, description="longest warm-up in seconds")
    latency_s: Seconds | None = Field(None, description="latency pass in seconds")
    latency_max_batches: PositiveInt | None = Field(None, description="most batches in the latency pass")
    guard_s: SecondsOrZero | None = Field(None, description="settled idle either side of a measure window")
    poll_period_s: Seconds | None = Field(None, description="period of the power trace in seconds")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Self:
        settings = profile_settings(self)
        if settings.warmup_s > settings.warmup_max_s:
            culprit = "warmup_s" if self.warmup_s is not None else "warmup_max_s"
            text = f"warmup_s ({settings.warmup_s:g}) is longer than warmup_max_s ({settings.warmup_max_s:g})"
            refuse([((culprit,), text)])
        return self


class Repetitions(Frozen):
    """How often each point is measured, each time in a fresh process."""

    min: Count = Field(5, description="repetitions that are planned at once")
    max: Count = Field(30, description="never more than this")
    target: Share | None = Field(
        None,
        description="half-width of the 95 % interval to reach, such as 2% or 0.02; default 2 % of inference, else 5 %",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            culprit = "min" if "min" in self.model_fields_set else "max"
            refuse([((culprit,), f"min ({self.min}) is above max ({self.max})")])
        return self


class Carbon(Frozen):
    """Where the electricity comes from."""

    country: Country = Field(description="ISO 3166 alpha-3 code, such as NLD")


def _exactly(value: Any) -> Any:
    return value if isinstance(value, dict | Repetitions) else {"min": value, "max": value}


_EXACTLY = ShortForm(_exactly, {"type": "integer", "minimum": 1, "maximum": 1000})


Kind = Literal["inference", "serving", "training", "tuning", "layers"]
_KINDS = get_args(Kind)
_KIND = Expected(f"one of {', '.join(_KINDS)}", same(*_KINDS))


class Sweep(Frozen):
    """What sweeps of every kind have in common."""

    name: Name = Field(description="letters, digits, - and _, at most 60")
    kind: Annotated[Kind, _KIND] = Field(description="what a trial does")
    workload: Factors = Field(description="what a trial runs; every list is a factor")
    exclude: tuple[Exclusion, ...] = Field((), description="points to leave out")
    measure: Measure = Field(default_factory=Measure, description="how a trial measures")
    repetitions: Annotated[Repetitions, _EXACTLY] = Field(
        default_factory=Repetitions, description="how often each point is measured; 3 is short for {min: 3, max: 3}"
    )
    targets: Annotated[tuple[Target, ...], OneOrMore()] = Field(
        ("any",),
        description="any, each-hardware, each-machine, names of machines, or such as gpu.memory_gib >= 40",
    )
    seed: Seed = Field(1, description="seed of the order of trials, of random weights and of inputs")
    carbon: Carbon | None = Field(None, description="where the electricity comes from")
    priority: Priority = Field(5, description="0 is measured first, 9 last")
    time_limit: TimeLimit | None = Field(
        None, description="longest a trial may take: seconds, or such as 10m; by default far more than it needs"
    )

    @field_validator("workload")
    @classmethod
    def _is_bounded(cls, workload: Factors) -> Factors:
        if workload.size > MAX_JOBS:
            refuse([((), f"makes {workload.size} points, at most {MAX_JOBS} are allowed: split the sweep")])
        return workload

    @field_validator("exclude")
    @classmethod
    def _removes_some(cls, exclude: tuple[Exclusion, ...], info: ValidationInfo) -> tuple[Exclusion, ...]:
        workload = info.data.get("workload")
        if workload is None:  # it has problems of its own
            return exclude
        problems: list[tuple[Loc, str]] = [
            ((index, name), text) for index, rule in enumerate(exclude) for name, text in rule.strangers(workload)
        ]
        problems += [((i,), "expected at least one factor") for i, rule in enumerate(exclude) if not rule.given]
        refuse(problems)
        if not any(True for _ in remaining(workload, exclude)):
            refuse([((), "leaves no point to measure")])
        return exclude

    @field_validator("targets")
    @classmethod
    def _words_alone(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        refuse(
            ((index,), f"{target!r} stands alone: it cannot be listed with others")
            for index, target in enumerate(targets)
            if len(targets) > 1 and target in TARGET_WORDS
        )
        return targets


def _first_seeds(value: Any) -> Any:
    """A number stands for so many seeds; a list of one names its seed."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if not 1 <= value <= MAX_SEEDS:
        raise problem(f"expected how many seeds, 1 to {MAX_SEEDS}, or a list of them such as [7], got {value}")
    return list(range(1, value + 1))


#: Fields of `Training` that a tuning sweep may search.
SEARCHABLE = (
    *("batch_size", "optimizer", "lr", "beta1", "beta2", "eps", "momentum", "weight_decay", "schedule"),
    *("conv_layers", "linear_layers", "relu", "patience", "precision", "train_size"),
)
_WHAT_IT_DOES = Field(description="what a trial does")
_WHAT_IT_RUNS = Field(description="what a trial runs; every list is a factor")
_LEFT_OUT = Field((), description="points to leave out")


class InferenceSweep(Sweep):
    """Networks on batch after batch of images."""

    kind: Literal["inference"] = _WHAT_IT_DOES
    workload: Inference = _WHAT_IT_RUNS
    exclude: Annotated[tuple[Annotated[Exclusion, PartOf(Inference)], ...], OneOrMore(least=0)] = _LEFT_OUT


class ServingSweep(Sweep):
    """Networks that serve requests as they come."""

    kind: Literal["serving"] = _WHAT_IT_DOES
    workload: Serving = _WHAT_IT_RUNS
    exclude: Annotated[tuple[Annotated[Exclusion, PartOf(Serving)], ...], OneOrMore(least=0)] = _LEFT_OUT


class TrainingSweep(Sweep):
    """Networks trained."""

    kind: Literal["training"] = _WHAT_IT_DOES
    workload: Training = _WHAT_IT_RUNS
    exclude: Annotated[tuple[Annotated[Exclusion, PartOf(Training)], ...], OneOrMore(least=0)] = _LEFT_OUT


class Tuning(Frozen):
    """How a tuning sweep searches: every strategy with every seed is a study of its own."""

    space: Space = Field(description="the hyperparameters to choose, which take the place of the workload's")
    strategies: Annotated[tuple[StrategyOrName, ...], OneOrMore()] = Field(description="ways to search")
    trials: Count = Field(20, description="configurations in a study")
    seeds: Annotated[tuple[Seed, ...], OneOrMore(), ShortForm(_first_seeds, {"type": "integer"})] = Field(
        (1, 2, 3, 4, 5), description="of the strategies: a list, or how many; a claim needs at least 5"
    )
    objectives: Annotated[tuple[Objective, ...], OneOrMore()] = Field(
        ("accuracy",), description="what is looked for: accuracy, energy, or both"
    )
    pruning: PruningOrRule | None = Field(None, description="cut bad trials short: median, halving or hyperband")
    parallel: PositiveInt = Field(1, description="trials of one study that may be open at once")

    @field_validator("strategies")
    @classmethod
    def _have_names(cls, strategies: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
        names = [strategy.name for strategy in strategies]
        refuse(
            ((index,), f"a second {name}: results could not tell them apart, use a sweep each")
            for index, name in enumerate(names)
            if name in names[:index]
        )
        return strategies


class TuningSweep(Sweep):
    """Hyperparameters searched by training."""

    kind: Literal["tuning"] = _WHAT_IT_DOES
    workload: Training = _WHAT_IT_RUNS
    exclude: Annotated[tuple[Annotated[Exclusion, PartOf(Training)], ...], OneOrMore(least=0)] = _LEFT_OUT
    tuning: Tuning = Field(description="how to search")
    repetitions: Annotated[Repetitions, _EXACTLY] = Field(
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
    """What a parameter of the space has that the workload cannot take."""
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
    """The bounds; the upper one of a range of fractions may be a limit that is never drawn."""
    if parameter.type == "int":
        return int(parameter.low), int(parameter.high)
    return parameter.low, math.nextafter(parameter.high, parameter.low)


class LayersSweep(Sweep):
    """Networks layer by layer."""

    kind: Literal["layers"] = _WHAT_IT_DOES
    workload: LayersOf = _WHAT_IT_RUNS
    exclude: Annotated[tuple[Annotated[Exclusion, PartOf(LayersOf)], ...], OneOrMore(least=0)] = _LEFT_OUT


#: The schema of each kind of sweep.
SWEEPS: Mapping[str, type[Sweep]] = {
    "inference": InferenceSweep,
    "serving": ServingSweep,
    "training": TrainingSweep,
    "tuning": TuningSweep,
    "layers": LayersSweep,
}


def stopping_rule(sweep: Sweep) -> StoppingRule:
    """How often each point is repeated."""
    written = sweep.repetitions
    target = written.target or (INFERENCE_TARGET if sweep.kind == "inference" else USUAL_TARGET)
    return StoppingRule(min=written.min, max=written.max, target=target)


def profile_settings(measure: Measure) -> MeasureSettings:
    """The profile's settings with the sweep's own fields in their place."""
    own = measure.model_dump(exclude_none=True)
    return PROFILES[measure.profile].model_copy(update=own)
