"""sweep.yaml: the fields that sweeps of every kind share, the position of every error, and the id of a sweep.

`farm.kinds` adds the fields of each kind, and reads sweep files.
"""

from farm.spec.factors import Exclusion, ExclusionsOf, Factors, remaining
from farm.spec.loader import canonical, canonical_json, sweep_id
from farm.spec.models import (
    EXACTLY,
    EXCLUDE,
    KIND,
    MAX_JOBS,
    WORKLOAD,
    Carbon,
    Measure,
    Repetitions,
    Sweep,
    profile_settings,
    stopping_rule,
)
from farm.spec.profiles import PROFILES

__all__ = [
    "EXACTLY",
    "EXCLUDE",
    "KIND",
    "MAX_JOBS",
    "PROFILES",
    "WORKLOAD",
    "Carbon",
    "Exclusion",
    "ExclusionsOf",
    "Factors",
    "Measure",
    "Repetitions",
    "Sweep",
    "canonical",
    "canonical_json",
    "profile_settings",
    "remaining",
    "stopping_rule",
    "sweep_id",
]
