"""The fields that the schema of sweep.yaml has for every kind."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from farm.model import Baseline, CarbonSource, Frozen, MeasureSettings, StoppingRule
from farm.model.catalog import COUNTRIES
from farm.model.suggestions import suggestion
from farm.spec.factors import Exclusion, Factors, remaining
from farm.spec.positions import Loc
from farm.spec.profiles import PROFILES
from farm.spec.targets import TARGET_WORDS, Target
from farm.spec.types import (
    Count,
    Country,
    Grams,
    IdlePower,
    IntensityFile,
    Name,
    OneOrMore,
    PositiveInt,
    Priority,
    Profile,
    Pue,
    Seconds,
    SecondsOrZero,
    Seed,
    Share,
    ShortForm,
    TimeLimit,
    problem,
    refuse,
    same,
    shown,
)

#: The key of the names of known kinds in the context of the validation.
KNOWN_KINDS = "kinds"
#: A sweep with more jobs is more likely a mistake than a plan.
MAX_JOBS = 100_000


class Measure(Frozen):
    """Settings of a trial's measurement: a profile, and fields that differ from it."""

    profile: Profile = Field("full", description="quick (for demos), screening or full")
    baseline: IdlePower = Field(
        Baseline.CONTEXT, description="idle power that net energy subtracts: bare, or context (model loaded)"
    )
    window_s: Seconds | None = Field(None, description="shortest measure window in seconds")
    windows: PositiveInt | None = Field(None, description="measure windows in a trial")
    min_iterations: PositiveInt | None = Field(None, description="fewest batches in a measure window")
    idle_s: Seconds | None = Field(None, description="idle before and after a trial in seconds")
    control_every: PositiveInt | None = Field(None, description="trials for each idle before a trial; 1: around each")
    cool_down_max_s: SecondsOrZero | None = Field(None, description="longest wait for the GPU's power to fall to rest")
    context_idle_s: Seconds | None = Field(None, description="idle with the model loaded in seconds")
    warmup_s: Seconds | None = Field(None, description="shortest warm-up in seconds")
    warmup_max_s: Seconds | None = Field(None, description="longest warm-up in seconds")
    latency_s: SecondsOrZero | None = Field(
        None, description="pass that times each batch in seconds; 0: batches are timed in the measure windows"
    )
    latency_max_batches: PositiveInt | None = Field(None, description="most batches whose times a trial keeps")
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
    """Number of times that each point is measured, each time in a fresh process."""

    min: Count = Field(3, description="repetitions that are planned at once: at least 2, unless max is 1 too")
    max: Count = Field(30, description="never more than this")
    target: Share | None = Field(
        None,
        description="half-width of the 95 % interval to reach, such as 2% or 0.02; default: the kind's, mostly 5%",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            culprit = "min" if "min" in self.model_fields_set else "max"
            refuse([((culprit,), f"min ({self.min}) is above max ({self.max})")])
        if self.min == 1 < self.max:
            refuse([(("min",), "one trial shows no spread, so nothing can end on it: min: 2, or repetitions: 1")])
        return self


class Carbon(CarbonSource):
    """Origin of the electricity, for machines that do not state their own."""

    country: Country | None = Field(None, description="ISO 3166 alpha-3 code, such as NLD")
    g_per_kwh: Grams | None = Field(None, description="carbon intensity in grams of CO2e per kWh")
    file: IntensityFile | None = Field(
        None, description="CSV file of hourly intensities, as electricityMaps exports them; workers read it"
    )
    pue: Pue | None = Field(None, description="power usage effectiveness of the building; default 1")

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        given = [name for name in ("country", "g_per_kwh", "file") if getattr(self, name) is not None]
        if len(given) > 1:
            refuse([((given[1],), f"{given[0]} is given too: keep one of the two")])
        return self


def _of_country(value: Any) -> Any:
    return {"country": value} if isinstance(value, str) else value


COUNTRY = ShortForm(_of_country, {"type": "string", "enum": list(COUNTRIES)})


def _exactly(value: Any) -> Any:
    return value if isinstance(value, dict | Repetitions) else {"min": value, "max": value}


EXACTLY = ShortForm(_exactly, {"type": "integer", "minimum": 1, "maximum": 1000})


# Fields that each kind declares again with types of its own.
KIND: Any = Field(description="what a trial does")
WORKLOAD: Any = Field(description="what a trial runs; every list is a factor")
EXCLUDE: Any = Field((), description="points to leave out")


def _known(kind: Any, info: ValidationInfo) -> Any:
    """Reject a kind that is not among the known kinds in the context of the validation, if it has any."""
    known = (info.context or {}).get(KNOWN_KINDS)
    if known is None or kind in known:
        return kind
    hint = suggestion(kind, same(*known)) or ": another kind needs the package that brings it"
    raise problem(f"expected one of {', '.join(known)}, got {shown(kind)}{hint}")


class Sweep(Frozen):
    """A sweep, with the fields that every kind has.

    A kind declares `kind`, `workload` and `exclude` again: see docs/extending.md.
    """

    #: Half-width of the 95 % interval to reach if a sweep names none, as a share of the mean.
    usual_target: ClassVar[float] = 0.05
    #: Fields whose keys and lists have a meaningful order.
    ordered: ClassVar[tuple[str, ...]] = ()

    name: Name = Field(description="letters, digits, - and _, at most 60")
    kind: Annotated[str, BeforeValidator(_known)] = KIND
    workload: Factors = WORKLOAD
    exclude: tuple[Exclusion, ...] = EXCLUDE
    measure: Measure = Field(default_factory=Measure, description="how a trial measures")
    repetitions: Annotated[Repetitions, EXACTLY] = Field(
        default_factory=Repetitions, description="how often each point is measured; 3 is short for {min: 3, max: 3}"
    )
    targets: Annotated[tuple[Target, ...], OneOrMore()] = Field(
        ("any",),
        description="any, each-hardware, each-machine, names of machines, or such as gpu.memory_gib >= 40",
    )
    seed: Seed = Field(1, description="seed of the order of trials, of random weights and of inputs")
    carbon: Annotated[Carbon, COUNTRY] | None = Field(
        None,
        description="origin of the electricity, for machines without their own; NLD is short for {country: NLD}",
    )
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
        if workload is None:  # the workload is invalid
            return exclude
        problems: list[tuple[Loc, str]] = [
            ((index, name), text) for index, rule in enumerate(exclude) for name, text in rule.unmatched(workload)
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


def stopping_rule(sweep: Sweep) -> StoppingRule:
    """Return the rule for the number of repetitions of each point."""
    written = sweep.repetitions
    return StoppingRule(min=written.min, max=written.max, target=written.target or sweep.usual_target)


def profile_settings(measure: Measure) -> MeasureSettings:
    """Return the settings of the profile, replaced by those that the sweep names."""
    own = measure.model_dump(exclude_none=True)
    return PROFILES[measure.profile].model_copy(update=own)
