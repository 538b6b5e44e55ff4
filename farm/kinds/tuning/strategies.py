"""The strategies of a tuning sweep, and the rules that prune its trials."""

from collections.abc import Iterator, Mapping, Set
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from farm.kinds.tuning.space import Levels
from farm.model import Frozen
from farm.spec.positions import Loc
from farm.spec.types import Count, Expected, ShortForm, Switch, refuse

StrategyName = Annotated[Literal["grid", "random", "halton", "sobol", "gp", "tpe", "nsga2", "gp-pi"], Expected()]
RuleName = Annotated[Literal["median", "halving", "hyperband"], Expected()]
#: Figure that a strategy improves: higher accuracy or lower energy.
Objective = Annotated[Literal["accuracy", "energy"], Expected()]

Population = Annotated[int, Field(strict=True, ge=2, le=1000), Expected("an integer, 2 or more")]
Factor = Annotated[int, Field(strict=True, ge=2, le=100), Expected("an integer, 2 or more")]
Epochs = Annotated[int, Field(strict=True, ge=0, le=100_000), Expected("a number of epochs, 0 or more")]


#: Options that only some strategies or rules have, with the names of these.
_STRATEGY_OPTIONS = {"levels": ("grid",), "endpoint": ("grid",), "startup": ("gp", "tpe"), "population": ("nsga2",)}
_HALVINGS = ("halving", "hyperband")
_RULE_OPTIONS = {"startup": ("median",), "warmup": ("median",), "factor": _HALVINGS, "first": _HALVINGS}


class Strategy(Frozen):
    """Way to search for configurations."""

    name: StrategyName = Field(
        description="grid, random, halton, sobol, gp (Gaussian process, expected improvement), tpe, nsga2, or "
        "gp-pi (of the published study: raw units, probability of improvement)"
    )
    levels: Levels = Field(5, description="grid: number of values of a range without its own levels")
    endpoint: Switch = Field(True, description="grid: the upper bound of a range is one of its values")
    startup: Count = Field(10, description="gp, tpe: random trials before a model is used")
    population: Population = Field(20, description="nsga2: trials in a generation")

    @model_validator(mode="after")
    def _options_belong(self) -> Self:
        refuse(_misplaced(self.name, self.model_fields_set, _STRATEGY_OPTIONS))
        return self


class Pruning(Frozen):
    """Rule by which bad trials are stopped early."""

    rule: RuleName = Field(description="median, halving (successive halving) or hyperband")
    startup: Count = Field(5, description="median: trials that must complete before any is pruned")
    warmup: Epochs = Field(0, description="median: epochs that every trial runs")
    factor: Factor = Field(3, description="halving, hyperband: one in this number of trials continues at each rung")
    first: Count = Field(1, description="halving, hyperband: epochs before the first rung")

    @model_validator(mode="after")
    def _options_belong(self) -> Self:
        refuse(_misplaced(self.rule, self.model_fields_set, _RULE_OPTIONS))
        return self


def _misplaced(name: str, given: Set[str], options: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Loc, str]]:
    for option, owners in options.items():
        if option in given and name not in owners:
            yield (option,), f"belongs to {' and '.join(owners)}: {name} has no such option"


def _short(field: str) -> ShortForm:
    def expand(value: Any) -> Any:
        return {field: value} if isinstance(value, str) else value

    return ShortForm(expand, {"type": "string"})


#: `tpe` is short for `{name: tpe}`, `median` for `{rule: median}`.
StrategyOrName = Annotated[Strategy, _short("name")]
PruningOrRule = Annotated[Pruning, _short("rule")]
