"""Capabilities that a job may require of a machine, as users write them: `gpu.memory_gib>=40 and cpu.model~EPYC`."""

import re
from functools import lru_cache

from farm.model import queue_for
from farm.model.conditions import FACTS, Capability, Condition, is_capability, read
from farm.model.errors import InputError
from farm.model.suggestions import suggestion
from farm.spec.types import shown

#: Corrections of paths: users easily forget a unit.
_ALIASES = {name: name for name in FACTS} | {re.sub("_(gib|w)$", "", name): name for name in FACTS}
#: Comparisons of each type of fact, and the values that they expect.
_SIGNS = {
    "text": ("=", "!=", "~"),
    "number": ("=", "!=", ">=", ">", "<=", "<"),
    "switch": ("=", "!="),
    "names": ("=",),
}
_VALUES = {
    "text": "a text such as EPYC",
    "number": "a number such as 40",
    "switch": "true or false",
    "names": "a name such as my_package.nets:TinyNet",
}
_CONDITION = re.compile(r"\s*([^\s<>=!~]+)\s*(>=|<=|!=|=|>|<|~)\s*(.*?)\s*", re.DOTALL)
_AND = re.compile(r"\s+and\s+")
#: A text with one of these words was meant as several conditions.
_JOINING = {"and", "or", "&&", "||"}
MAX_LENGTH = 400


def parse(text: str, most: int = MAX_LENGTH) -> Capability:
    """Parse conditions joined by `and`, of at most so many characters; raises InputError."""
    if len(text) > most:
        raise InputError(f"expected at most {most} characters, got {len(text)}")
    return Capability(tuple(_condition(part) for part in _AND.split(text.strip())))


@lru_cache(maxsize=1024)
def queue_of(target: str, requirements: tuple[str, ...] = ()) -> str:
    """Return the queue of the jobs of a target whose points need what a kind's `requirements` say.

    A capability stays, until the controller replaces it by queues of machines. What the points need makes a capability
    of any target. Raises InputError for a requirement that is none.
    """
    if not requirements:
        return target if is_capability(target) else queue_for(target)
    place, _, name = target.partition(":")
    fact = {"machine": "machine.name", "hw": "machine.class"}.get(place)
    of_place = read(f"{fact} = {name}" if fact else target).conditions if fact or is_capability(target) else ()
    needed = (condition for text in requirements for condition in parse(text, len(text)).conditions)
    return str(Capability((*of_place, *needed)))


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
    if kind == "names" and re.fullmatch(r"[A-Za-z0-9_.:%/~-]+", plain) and plain not in _JOINING:
        return plain
    joining = next((word for word in plain.split() if word.casefold() in _JOINING), None)
    if kind == "text" and joining:
        raise InputError(
            f"{path}: only `and` joins conditions, not {joining}: expected a text that all of these machines "
            f"have, or a target for each, got {shown(text)}"
        )
    if kind == "text" and plain and plain.isprintable():
        return plain
    raise InputError(f"{path}: expected {_VALUES[kind]}, got {shown(text)}")
