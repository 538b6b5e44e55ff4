"""Conditions on what a machine has: `gpu.memory_gib >= 40 and cpu.model ~ EPYC`. Machines report facts to meet them."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from math import isfinite, nan
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import JsonValue

#: Facts that conditions may use, by their paths in `Machine.facts`. A name that ends in `_gib` reads the fact that
#: ends in `_bytes`, rounded to whole GiB, since a board of 80 GB reports 79.6. A fact of type `names` is a list of
#: names or patterns of names, and equals a name that one of them matches; a name with blanks is written as in a URL.
FACTS: Mapping[str, Literal["text", "number", "switch", "names"]] = {
    "cpu.model": "text",
    "cpu.sockets": "number",
    "cpu.cores": "number",
    "cpu.threads": "number",
    "cpu.smt": "switch",
    "cpu.governor": "text",
    "gpu.name": "text",
    "gpu.uuid": "text",
    "gpu.count": "number",
    "gpu.memory_gib": "number",
    "gpu.compute_capability": "number",
    "gpu.driver": "text",
    "gpu.power_limit_w": "number",
    "gpu.ecc": "switch",
    "gpu.mig": "switch",
    "gpu.pcie_generation": "number",
    "gpu.pcie_width": "number",
    "ram_gib": "number",
    "kernel": "text",
    "virtualisation.hypervisor": "switch",
    "virtualisation.container": "switch",
    "machine.name": "text",
    "machine.class": "text",
    "worker.gpus": "number",
    "worker.commands": "names",
    "worker.models": "names",
    "worker.workloads": "names",
    "worker.extras": "names",
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    ">=": ge,
    ">": gt,
    "<=": le,
    "<": lt,
    "~": lambda text, part: part.casefold() in text.casefold(),
}
_CANONICAL = re.compile(r"[a-z_.]+ [<>=!~]+ ")
_AND = re.compile(rf" and (?={_CANONICAL.pattern})")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one fact of a machine."""

    path: str
    sign: str
    value: str | float | bool

    def __str__(self) -> str:
        match self.value:
            case bool():
                value = str(self.value).lower()
            case float():
                value = f"{self.value:.12g}"
            case str():
                value = self.value
        return f"{self.path} {self.sign} {value}"

    def holds(self, facts: Mapping[str, JsonValue]) -> bool:
        """Return True if a machine meets the condition; an unknown fact meets no condition."""
        found = _known(self.path, facts)
        if isinstance(found, list):
            return any(matches(unquote(str(self.value)), str(pattern)) for pattern in found)
        try:
            return found is not None and _COMPARE[self.sign](found, self.value)
        except (AttributeError, KeyError, TypeError):  # a newer program compares what this one does not
            return False


@dataclass(frozen=True, slots=True)
class Capability:
    """Conditions that a machine must all meet; equal capabilities have equal texts."""

    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(sorted({str(condition) for condition in self.conditions}))

    def fits(self, facts: Mapping[str, JsonValue]) -> bool:
        """Return True if a machine with these facts meets all conditions."""
        return not self.unmet(facts)

    def unmet(self, facts: Mapping[str, JsonValue]) -> tuple[Condition, ...]:
        """Return the conditions that a machine with these facts does not meet."""
        return tuple(condition for condition in self.conditions if not condition.holds(facts))


def is_capability(queue: str) -> bool:
    """Return True if a target, or the value of a queue column, is a capability rather than a queue."""
    return _CANONICAL.match(queue) is not None


@lru_cache(maxsize=1024)
def read(text: str) -> Capability:
    """Return the capability whose canonical text this is; `farm.spec.capability` parses what users write."""
    parts = (part.split(" ", 2) for part in _AND.split(text))
    return Capability(tuple(Condition(path, sign, _typed(path, value)) for path, sign, value in parts))


def _typed(path: str, value: str) -> str | float | bool:
    kind = FACTS.get(path, "text")
    if kind == "number":
        with suppress(ValueError):  # what is no number here is compared with no number
            return float(value)
    return value == "true" if kind == "switch" else value


def matches(name: str, pattern: str) -> bool:
    """Return whether a pattern such as `my_package.*` matches a name; `package:Class` is as good as `package.Class`."""
    return fnmatchcase(name.replace(":", "."), pattern.replace(":", "."))


def _known(path: str, facts: Mapping[str, JsonValue]) -> str | float | bool | list[JsonValue] | None:
    """Return a fact in its type, or None if it is unknown or of another type."""
    found: Any = facts
    kind = FACTS.get(path)
    for part in path.replace("_gib", "_bytes").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None or kind is None:
        return None
    if kind == "switch":
        return found if isinstance(found, bool) else None
    if kind == "names":
        return found if isinstance(found, list) else None
    if kind == "text":
        return None if isinstance(found, Mapping | list) else str(found)
    try:
        number = float(found)
    except (OverflowError, TypeError, ValueError):
        number = nan
    if not isfinite(number):
        return None
    return round(number / 2**30) if path.endswith("_gib") else number
