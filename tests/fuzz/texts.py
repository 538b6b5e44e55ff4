"""Targets that are short texts: conditions, policies, rates, durations, options."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farm.exchange.importing import parse_pairs
from farm.kinds.serving.recommended.choice import parse_limits
from farm.kinds.serving.simulated.asked import parse_arrivals, parse_policies
from farm.load.policy import Policy
from farm.load.rates import rate_per_s, spelt_per_s
from farm.model import Machine, Scalar, conditions, durations
from farm.report.conditions import parse_conditions
from farm.report.selection import Selection
from farm.scheduling.holds import parse_hold
from farm.spec import capability
from tests.contract.store_records import MACHINE

_NOW = datetime(2026, 11, 30, tzinfo=UTC)
#: Labels of trials as stores hold them.
_LABELS: tuple[Scalar, ...] = (
    *(None, True, False, 0, 1, -1, 10**30, 0.5, float("inf"), float("nan"), "", "alexnet", "2.11.0+cu126"),
    *("9" * 5000, "a;b", "1e999", "\x1b"),
)


def text_of(data: bytes) -> str:
    """Return a text as the system passes it to a program: bytes that are no UTF-8 are halves of surrogates."""
    return data.decode(errors="surrogateescape")


def take_capability(data: bytes, folder: Path) -> None:
    """A capability, as targets and requirements have it; its canonical text means the same."""
    found = capability.parse(text_of(data))
    again = conditions.read(str(found))
    if str(again) != str(found):
        raise AssertionError(f"{found} is read back as {again}")
    found.fits(MACHINE.facts)


def take_facts(data: bytes, folder: Path) -> None:
    """What a machine reports of itself, which any worker may send; conditions on each fact are asked."""
    machine = Machine.model_construct(**(MACHINE.model_dump() | _object(data)))
    for path, kind in conditions.FACTS.items():
        value: str | float | bool = {"number": 4.0, "switch": True}.get(kind, "x")
        signs = ("=",) if kind == "names" else ("=", "!=")
        for sign in (*signs, *((">=", "<") if kind == "number" else ()), *(("~",) if kind == "text" else ())):
            conditions.Condition(path, sign, value).holds(machine.facts)


def _object(data: bytes) -> dict[str, Any]:
    """Return JSON as Python's own parser reads it from a store, NaN and infinity included; empty where it is none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    hardware = found.get("hardware") if isinstance(found, dict) else None
    return {"hardware": hardware} if isinstance(hardware, dict) else {}


def take_where(data: bytes, folder: Path) -> None:
    """Conditions of --where."""
    for condition in parse_conditions("--where", text_of(data).split("\n")):
        for label in _LABELS:
            condition.holds(label)


def take_options(data: bytes, folder: Path) -> None:
    """--map, --factor, --by, --domain, --when and --deadline, of which the first letter chooses one."""
    text = text_of(data)
    readers: tuple[Callable[[str], object], ...] = (
        lambda value: parse_pairs("--map", [value]),
        lambda value: parse_pairs("--factor", [value], is_name_enough=True),
        lambda value: Selection.parse(value, [], None, False),
        lambda value: Selection.parse(None, [], value, False),
        lambda value: parse_hold(value, None, _NOW),
        lambda value: parse_hold("carbon < 200", value, _NOW),
    )
    readers[ord(text[0]) % len(readers) if text else 0](text[1:])


def take_load(data: bytes, folder: Path) -> None:
    """--policy, --rate, --arrivals, --slo and durations, of which the first letter chooses one."""
    text = text_of(data)
    readers: tuple[Callable[[str], object], ...] = (_policy, _rate, _arrivals, lambda v: parse_limits([v]), _duration)
    readers[ord(text[0]) % len(readers) if text else 0](text[1:])


def _policy(text: str) -> None:
    for policy in parse_policies([text]):
        if Policy.parse(str(policy)) != Policy.parse(str(Policy.parse(str(policy)))):
            raise AssertionError(f"{policy} is not read back")
        policy.filled(512)
        str(policy.in_words)


def _rate(text: str) -> None:
    spelt_per_s(rate_per_s(text, "--rate"))


def _arrivals(text: str) -> None:
    parse_arrivals(text if "/" not in text else "poisson", ["16/s"] if text in {"poisson", "constant"} else [])


def _duration(text: str) -> None:
    value_s = durations.duration_s(text, "--deadline")
    durations.spelt_s(value_s)
    durations.span(value_s)
    durations.share(text)
