"""Conditions on the labels of trials, as `--where` takes them: `batch_size>=8`, `model=alexnet,vgg11`."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from farm.model import Scalar
from farm.model.errors import InputError
from farm.model.facets import FACETS
from farm.report.numbers import label

_ORDERS: Mapping[str, Callable[[tuple[float, ...], tuple[float, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"([^=!<>]+)(>=|<=|!=|==|=|>|<)(.*)", re.DOTALL)
_VERSION = re.compile(r"\d+(\.\d+)*")
_QUOTES = "; a condition with > or < needs quotes, or the shell takes it for a file: {option} '{name}>=8'"


class Condition(NamedTuple):
    """A condition on one label."""

    name: str
    sign: str  #: =, !=, or a comparison of numbers
    values: tuple[str, ...]  #: as they were typed; = and != take several

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{','.join(self.values)}"

    def holds(self, value: Scalar) -> bool:
        """Return whether a label fulfils the condition; an unknown one is neither more nor less than anything."""
        if self.sign in {"=", "!="}:
            several = {value, *value.split(";")} if isinstance(value, str) else {value}  # flags are one text
            return any(_is_same(one, wanted) for one in several for wanted in self.values) == (self.sign == "=")
        order = _version if isinstance(value, str) else _number
        found, wanted = order(value), order(self.values[0])
        return bool(found and wanted) and _ORDERS[self.sign](found, wanted)


def parse_conditions(option: str, texts: Iterable[str]) -> tuple[Condition, ...]:
    """Read conditions from the command line; a comma separates conditions, or values of one.

    Raises:
        InputError: A text is no condition.
    """
    found: list[Condition] = []
    for item in (part.strip() for text in texts for part in text.split(",")):
        match = _CONDITION.fullmatch(item)
        if match:
            name, sign, value = (part.strip() for part in match.groups())
            found.append(_checked(option, Condition(name, "=" if sign == "==" else sign, (value,))))
        elif found and item and found[-1].sign in {"=", "!="} and not re.search("[=<>]", item):
            found[-1] = found[-1]._replace(values=(*found[-1].values, item))
        else:
            hint = _QUOTES.format(option=option.split(", ")[-1], name=item) if item.isidentifier() else ""  # noqa: PLC0207
            raise InputError(f"{option}: expected NAME=VALUE, got {item!r}{hint}")
    return tuple(found)


def _checked(option: str, condition: Condition) -> Condition:
    wanted = condition.values[0]
    if condition.sign in _ORDERS and not (_number(wanted) or _version(wanted)):
        raise InputError(f"{option}: {condition}: expected a number or a version behind {condition.sign}")
    return condition


def spelt(value: Scalar) -> str:
    """Return a value as a user may type it."""
    return "null" if value is None else label(value).lower()


def _is_same(value: Scalar, wanted: str) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return spelt(value) == wanted.lower() or (is_number and _number(value) == _number(wanted))


def _number(value: Scalar) -> tuple[float, ...]:
    """Return a number; empty where there is none."""
    if isinstance(value, bool) or value is None:
        return ()
    try:
        return (float(value),)
    except ValueError:
        return ()


def _version(value: Scalar) -> tuple[float, ...]:
    """Return the parts of a version such as 2.11.0+cu126, of which 2.11.0 counts; empty where there is none."""
    found = _VERSION.match(str(value))
    return tuple(map(float, found[0].split("."))) if found else ()


def meant(name: str, known: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)`, or an empty text."""
    near = get_close_matches(name, [*known, *FACETS], 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
