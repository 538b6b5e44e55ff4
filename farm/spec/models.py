"""A sweep as written: the models behind the schema of sweep.yaml. `farm.spec` reads and names sweeps."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from farm.model import Baseline, Frozen, MeasureSettings, Point
from farm.spec.positions import Loc
from farm.spec.types import (
    TARGET_WORDS,
    BatchSize,
    Count,
    Country,
    Device,
    IdlePower,
    Images,
    Kind,
    ModelName,
    Name,
    OneOrMore,
    PositiveInt,
    Precision,
    Priority,
    Profile,
    Seconds,
    SecondsOrZero,
    Seed,
    Share,
    ShortForm,
    Switch,
    Target,
    Threads,
    TimeLimit,
    Weights,
    refuse,
    shown,
)

#: More than this is a mistake rather than a plan.
MAX_JOBS = 100_000

#: What each profile does, in seconds unless the name says otherwise; a sweep may change single fields.
PROFILES: Mapping[str, MeasureSettings] = {
    "full": MeasureSettings(
        profile="full",
        window_s=10,
        windows=3,
        min_iterations=32,
        idle_s=10,
        cool_down_max_s=120,
        context_idle_s=10,
        warmup_s=3,
        warmup_max_s=60,
        latency_s=10,
        latency_max_batches=1000,
        guard_s=0.25,
        poll_period_s=0.1,
    ),
    "screening": MeasureSettings(
        profile="screening",
        window_s=5,
        windows=2,
        min_iterations=32,
        idle_s=5,
        cool_down_max_s=60,
        context_idle_s=5,
        warmup_s=1.5,
        warmup_max_s=30,
        latency_s=5,
        latency_max_batches=1000,
        guard_s=0.25,
        poll_period_s=0.1,
    ),
    "quick": MeasureSettings(
        profile="quick",
        window_s=2,
        windows=1,
        min_iterations=8,
        idle_s=2,
        cool_down_max_s=24,
        context_idle_s=2,
        warmup_s=0.6,
        warmup_max_s=12,
        latency_s=2,
        latency_max_batches=1000,
        guard_s=0.25,
        poll_period_s=0.1,
    ),
}

Models = Annotated[tuple[ModelName, ...], OneOrMore()]
BatchSizes = Annotated[tuple[BatchSize, ...], OneOrMore()]
Precisions = Annotated[tuple[Precision, ...], OneOrMore()]
Devices = Annotated[tuple[Device, ...], OneOrMore()]
WeightsOf = Annotated[tuple[Weights, ...], OneOrMore()]
ImagesFrom = Annotated[tuple[Images, ...], OneOrMore()]
Switches = Annotated[tuple[Switch, ...], OneOrMore()]
ThreadCounts = Annotated[tuple[Threads, ...], OneOrMore()]


class Workload(Frozen):
    """What a trial runs; every list is a factor, and every combination of the factors is a point."""

    model: Models = Field(description="network: the name of a torchvision classification network")
    batch_size: BatchSizes = Field((1,), description="images in a batch")
    precision: Precisions = Field(("fp32",), description="number format of the computation")
    device: Devices = Field(("auto",), description="auto (a GPU if there is one), cpu, cuda or cuda:N")
    weights: WeightsOf = Field(
        ("random",), description="random, default (torchvision's trained ones) or the path of a local file"
    )
    images: ImagesFrom = Field(
        ("sample",), description="sample (scikit-learn's two photographs) or the path of a folder"
    )
    channels_last: Switches = Field((False,), description="memory format with the channels last")
    compile: Switches = Field((False,), description="compile the network with torch.compile")
    threads: ThreadCounts = Field((None,), description="CPU threads of the trial; null: all cores")

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(len(levels) for levels in dict(self).values())

    def combinations(self) -> Iterator[Point]:
        """Every combination, the last factor changing fastest; keys in the order of the fields."""
        names = tuple(type(self).model_fields)
        return (dict(zip(names, levels, strict=True)) for levels in product(*dict(self).values()))


class Exclusion(Frozen):
    """A partial point: every point that has one of the given values in all the given factors is left out."""

    model: Models = Field((), description="network")
    batch_size: BatchSizes = Field((), description="images in a batch")
    precision: Precisions = Field((), description="number format")
    device: Devices = Field((), description="device")
    weights: WeightsOf = Field((), description="weights")
    images: ImagesFrom = Field((), description="images")
    channels_last: Switches = Field((), description="memory format")
    compile: Switches = Field((), description="torch.compile")
    threads: ThreadCounts = Field((), description="CPU threads")

    @property
    def given(self) -> dict[str, tuple[Any, ...]]:
        """The factors that are given, with their values."""
        return {name: values for name, values in self if values}

    def strangers(self, workload: Workload) -> Iterator[tuple[str, str]]:
        """The factors in which no point of the workload has any of the values, with what is wrong."""
        for name, values in self.given.items():
            levels = getattr(workload, name)
            if not set(values) & set(levels):
                known, unknown = (", ".join(map(shown, several)) for several in (levels, values))
                yield name, f"matches no point: the sweep has {known}, got {unknown}"


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
    target: Share = Field(0.02, description="half-width of the 95 % interval to reach, such as 2% or 0.02")

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


class Sweep(Frozen):
    """A sweep as written."""

    name: Name = Field(description="letters, digits, - and _, at most 60")
    kind: Kind = Field(description="what a trial does")
    workload: Workload = Field(description="what a trial runs; every list is a factor")
    exclude: Annotated[tuple[Exclusion, ...], OneOrMore(least=0)] = Field((), description="points to leave out")
    measure: Measure = Field(default_factory=Measure, description="how a trial measures")
    repetitions: Annotated[Repetitions, _EXACTLY] = Field(
        default_factory=Repetitions, description="how often each point is measured; 3 is short for {min: 3, max: 3}"
    )
    targets: Annotated[tuple[Target, ...], OneOrMore()] = Field(
        ("any",), description="hardware: any, each-hardware or names of machines"
    )
    seed: Seed = Field(1, description="seed of the order of trials, of random weights and of inputs")
    carbon: Carbon | None = Field(None, description="where the electricity comes from")
    priority: Priority = Field(5, description="0 is measured first, 9 last")
    time_limit: TimeLimit | None = Field(
        None, description="longest a trial may take: seconds, or such as 10m; by default far more than it needs"
    )

    @field_validator("workload")
    @classmethod
    def _is_bounded(cls, workload: Workload) -> Workload:
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
            ((index,), f"{target!r} stands alone: it cannot be listed with names of machines")
            for index, target in enumerate(targets)
            if len(targets) > 1 and target in TARGET_WORDS
        )
        return targets


def remaining(workload: Workload, exclude: tuple[Exclusion, ...]) -> Iterator[Point]:
    """The combinations of a workload that no rule leaves out, in their order."""
    rules = [{name: frozenset(values) for name, values in rule.given.items()} for rule in exclude]
    for point in workload.combinations():
        if not any(all(point[name] in values for name, values in rule.items()) for rule in rules):
            yield point


def profile_settings(measure: Measure) -> MeasureSettings:
    """The profile's settings with the sweep's own fields in their place."""
    own = measure.model_dump(exclude_none=True)
    return PROFILES[measure.profile].model_copy(update=own)
