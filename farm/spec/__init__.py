"""sweep.yaml: its schema, its loader with the place of every error, and the name of what it means."""

from farm.spec.loader import canonical, canonical_json, json_schema, load_sweep, parse_sweep, restored, sweep_id
from farm.spec.models import (
    MAX_JOBS,
    Carbon,
    InferenceSweep,
    LayersSweep,
    Measure,
    Repetitions,
    ServingSweep,
    Sweep,
    TrainingSweep,
    Tuning,
    TuningSweep,
    profile_settings,
    stopping_rule,
)
from farm.spec.profiles import PROFILES
from farm.spec.workloads import Exclusion, Inference, LayersOf, Serving, Training, remaining

__all__ = [
    "MAX_JOBS",
    "PROFILES",
    "Carbon",
    "Exclusion",
    "Inference",
    "InferenceSweep",
    "LayersOf",
    "LayersSweep",
    "Measure",
    "Repetitions",
    "Serving",
    "ServingSweep",
    "Sweep",
    "Training",
    "TrainingSweep",
    "Tuning",
    "TuningSweep",
    "canonical",
    "canonical_json",
    "json_schema",
    "load_sweep",
    "parse_sweep",
    "profile_settings",
    "remaining",
    "restored",
    "stopping_rule",
    "sweep_id",
]
