"""Capabilities that a job may require of a machine: `gpu.memory_gib >= 40 and cpu.model ~ EPYC`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal

from pydantic import JsonValue

from farm.model import queue_for
from farm.model.errors import InputError
from farm.model.suggestions import suggestion
from farm.spec.types import shown

#: Facts that conditions may use, by their paths in `Machine.hardware`. A name that ends in `_gib` reads the fact that
#: ends in `_bytes`, rounded to whole GiB, since a board of 80 GB reports 79.6.
FACTS: Mapping[str, Literal["text", "number", "switch"]] = {
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
}
#: Corrections of paths: users easily forget a unit.
_ALIASES = {name: name for name in FACTS} | {re.sub("_(gib|w)$", "", name): name for name in FACTS}
#: Comparisons of each type of fact, and the values that they expect.
_SIGNS = {"text": ("=", "!=", "~"), "number": ("=", "!=", ">=", ">", "<=", "<"), "switch": ("=", "!=")}
_VALUES = {"text": "a text such as EPYC", "number": "a number such as 40", "switch": "true or false"}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    ">=": ge,
    ">": gt,
    "<=": le,
    "<": lt,
    "~": lambda text, part: part.casefold() in text.casefold(),
}
_CONDITION = re.compile(r"\s*([^\s<>=!~]+)\s*(>=|<=|!=|=|>|<|~)\s*(.*?)\s*", re.DOTALL)
_CANONICAL = re.compile(r"[a-z_.]+ [<>=!~]+ ")
_AND = re.compile(r"\s+and\s+")
#: A text with one of these words was meant as several conditions.
_JOINING = {"and", "or", "&&", "||"}
MAX_LENGTH = 200


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

    def holds(self, hardware: Mapping[str, JsonValue]) -> bool:
        """Return True if the machine meets the condition; an unknown fact meets no condition."""
        found = _known(self.path, hardware)
        return found is not None and _COMPARE[self.sign](found, self.value)


@dataclass(frozen=True, slots=True)
class Capability:
    """Conditions that a machine must all meet; equal capabilities have equal texts."""

    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(sorted({str(condition) for condition in self.conditions}))

    def fits(self, hardware: Mapping[str, JsonValue]) -> bool:
        """Return True if a machine with this hardware meets all conditions."""
        return all(condition.holds(hardware) for condition in self.conditions)


def parse(text: str) -> Capability:
    """Parse conditions joined by `and`; raises InputError."""
    if len(text) > MAX_LENGTH:
        raise InputError(f"expected at most {MAX_LENGTH} characters, got {len(text)}")
    return Capability(tuple(_condition(part) for part in _AND.split(text.strip())))


def is_capability(target: str) -> bool:
    """Return True if a target, or the value of a queue column, is a capability rather than a queue."""
    return _CANONICAL.match(target) is not None


@lru_cache
def queue_of(target: str) -> str:
    """Return the queue of a target; a capability stays, until the controller replaces it by queues of machines."""
    return target if is_capability(target) else queue_for(target)


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InputError(f"expected conditions such as gpu.memory_gib >= 40 and cpu.model ~ EPYC, got {shown(text)}")
    path, sign, value = found.groups()
    if path not in FACTS:
        hint = suggestion(path, _ALIASES)
        raise InputError(f"unknown fact {shown(path)}{hint}: expected one of {', '.join(FACTS)}")
    kind = FACTS[path]
    if sign not in _SIGNS[kind]:
        raise InputError(f"{path}: expected one of {' '.join(_SIGNS[kind])} before {_VALUES[kind]}, got {sign}")
    return Condition(path, sign, _read(path, kind, value))


def _read(path: str, kind: str, text: str) -> str | float | bool:
    if kind == "number" and re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    if kind == "switch" and text in {"true", "false"}:
        return text == "true"
    plain = " ".join(text.strip("\"'").split())
    joining = next((word for word in plain.split() if word.casefold() in _JOINING), None)
    if kind == "text" and joining:
        raise InputError(
            f"{path}: only `and` joins conditions, not {joining}: expected a text that all of these machines "
            f"have, or a target for each, got {shown(text)}"
        )
    if kind == "text" and plain and plain.isprintable():
        return plain
    raise InputError(f"{path}: expected {_VALUES[kind]}, got {shown(text)}")


def _known(path: str, hardware: Mapping[str, JsonValue]) -> str | float | bool | None:
    """Return a fact in its type, or None if it is unknown or of another type."""
    found: Any = hardware
    for part in path.replace("_gib", "_bytes").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None or FACTS[path] == "switch":
        return found if isinstance(found, bool) else None
    if FACTS[path] == "text":
        return str(found)
    try:
        number = float(found)
    except (TypeError, ValueError):
        return None
    return round(number / 2**30) if path.endswith("_gib") else number
