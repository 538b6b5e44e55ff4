"""sweep.yaml: its schema, its loader with the place of every error, and the name of what it means."""

from farm.spec.loader import canonical, canonical_json, json_schema, load_sweep, parse_sweep, sweep_id
from farm.spec.models import (
    MAX_JOBS,
    PROFILES,
    Carbon,
    Exclusion,
    Measure,
    Repetitions,
    Sweep,
    Workload,
    profile_settings,
    remaining,
)

__all__ = [
    "MAX_JOBS",
    "PROFILES",
    "Carbon",
    "Exclusion",
    "Measure",
    "Repetitions",
    "Sweep",
    "Workload",
    "canonical",
    "canonical_json",
    "json_schema",
    "load_sweep",
    "parse_sweep",
    "profile_settings",
    "remaining",
    "sweep_id",
]
