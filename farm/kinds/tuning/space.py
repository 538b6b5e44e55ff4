"""The search space of a tuning sweep: the values of each hyperparameter, and the condition under which it exists."""

from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, RootModel, Tag, model_validator

from farm.kinds.factors import Many
from farm.model import Frozen, Point, Scalar
from farm.model.suggestions import suggestion
from farm.spec.positions import Loc
from farm.spec.types import Expected, ShortForm, Switch, problem, refuse, shown

#: Largest number of hyperparameters; more are probably a mistake.
MAX_PARAMETERS = 50

Bound = Annotated[float, Field(strict=True, ge=-1e12, le=1e12), Expected("a number")]
NumberType = Annotated[Literal["float", "int"], Expected()]
Levels = Annotated[int, Field(strict=True, ge=2, le=1000), Expected("an integer, 2 or more")]
Option = Annotated[Scalar, Expected("a text, a number, true, false or null")]
Options = Many[Option]


class Parameter(Frozen):
    """Base class of hyperparameters."""

    when: dict[str, Options] = Field(
        default_factory=dict, description="the parameter exists only if others have one of these values"
    )

    def exists(self, chosen: Mapping[str, Scalar]) -> bool:
        """Return True if the parameter exists in a trial with these values of the parameters above it."""
        return all(name in chosen and chosen[name] in values for name, values in self.when.items())


class Range(Parameter):
    """Number between two bounds, which are possible values too."""

    low: Bound = Field(description="least value")
    high: Bound = Field(description="greatest value")
    type: NumberType = Field("float", description="float, or int for whole numbers only")
    log: Switch = Field(False, description="draw values evenly on a logarithmic scale")
    levels: Levels | None = Field(None, description="values in a grid; default: the levels of the strategy")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        if self.type == "int":
            problems += [
                ((field,), f"expected a whole number because type is int, got {shown(bound)}")
                for field, bound in (("low", self.low), ("high", self.high))
                if not bound.is_integer()
            ]
        if self.low >= self.high:
            problems.append((("high",), f"high ({self.high:g}) is not above low ({self.low:g})"))
        if self.log and self.low <= 0:
            problems.append((("low",), f"a logarithmic scale needs a low above 0, got {shown(self.low)}"))
        refuse(problems)
        return self


class Choice(Parameter):
    """Choice of one of several values without an order."""

    choices: Options = Field(description="the values")


def _listed(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return {"choices": value}
    if isinstance(value, dict | Parameter):
        return value
    raise problem(f"expected a range such as {{low: 0.001, high: 0.1}} or a list of choices, got {shown(value)}")


def _form(value: Any) -> str:
    return "choice" if isinstance(value, Choice) or (isinstance(value, dict) and "choices" in value) else "range"


Dimension = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choice")],
    Discriminator(_form),
    ShortForm(_listed, {"type": "array", "minItems": 1}),
]


class Space(RootModel[dict[str, Dimension]]):
    """Hyperparameters by name; a condition refers to parameters above it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    def __getitem__(self, name: str) -> Range | Choice:
        return self.root[name]

    def items(self) -> ItemsView[str, Range | Choice]:
        """Return names and parameters in the order of the text."""
        return self.root.items()

    def fill(self, choose: Callable[[str, Range | Choice], Scalar]) -> Point:
        """Return a point with a value that `choose` returns for each parameter that exists, in order."""
        chosen: Point = {}
        for name, parameter in self.items():
            if parameter.exists(chosen):
                chosen[name] = choose(name, parameter)
        return chosen

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if not 1 <= len(self.root) <= MAX_PARAMETERS:
            refuse([((), f"expected 1 to {MAX_PARAMETERS} parameters, got {len(self.root) or 'none'}")])
        refuse(
            ((name, "when", *loc), text)
            for name, parameter in self.items()
            for other, values in parameter.when.items()
            for loc, text in self._misplaced(name, other, values)
        )
        return self

    def _misplaced(self, name: str, other: str, values: tuple[Scalar, ...]) -> Iterator[tuple[Loc, str]]:
        """Yield what is wrong with the condition of `name` that `other` has one of the values."""
        names = list(self.root)
        if other not in self.root:
            above = {known: known for known in names[: names.index(name)]}
            yield (other,), f"no parameter {other!r} is in the space{suggestion(other, above)}"
        elif names.index(other) >= names.index(name):
            yield (other,), f"{other!r} must stand above {name!r}, because it is a condition of it"
        elif not isinstance(condition := self[other], Choice):
            yield (other,), f"{other!r} is a range: a condition needs a list of choices"
        else:
            known = ", ".join(map(shown, condition.choices))
            for index, value in enumerate(values):
                if value not in condition.choices:
                    yield (other, index), f"expected a choice of {other!r} ({known}), got {shown(value)}"
