"""Kinds of measurement: each has a folder, and is found by its entry point of group `wattfarm.kinds`."""

from farm.kinds.kind import LATENCY, Kind, windows_s
from farm.kinds.registry import (
    MODELS,
    factor_types,
    get,
    json_schema,
    kinds,
    load_sweep,
    names,
    parse_sweep,
    require_here,
    restored,
)
from farm.spec import Sweep

__all__ = [
    "LATENCY",
    "MODELS",
    "Kind",
    "Sweep",
    "factor_types",
    "get",
    "json_schema",
    "kinds",
    "load_sweep",
    "names",
    "parse_sweep",
    "require_here",
    "restored",
    "windows_s",
]
