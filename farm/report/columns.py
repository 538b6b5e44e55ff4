"""The columns that distinguish the rows of a sweep's results, and the types of columns in files."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of factors and other labels of a trial, by their place in a view."""

    always: tuple[str, ...] = ()  #: labels that are always columns
    context: tuple[str, ...] = ()  #: labels that are columns if they differ, and stand in the caption otherwise
    factors: tuple[str, ...] = ()  #: labels that are columns if they differ, and are not shown otherwise


_COUNTS = frozenset(
    {
        *("trials", "left_out", "batches", "spread_points", "requests", "unserved", "timed_batches", "repetition"),
        *("machines", "rank", "n", "n_a", "n_b", "groups", "year", "parameters", "calls", "seeds"),
        *("failed", "pruned", "dominated", "cheaper_than_random", "reached", "reached_target", "seeds_compared"),
        *("trials_so_far", "unknown_energy", "early", "diverged"),
    }
)
_YES_OR_NO = frozenset(
    {
        *("doubtful", "simulated", "imported", "saturated", "late", "agrees", "meets", "on_front", "front_is_clear"),
        "interpolated",
    }
)
_TEXTS = frozenset(
    {
        *(
            "sweep",
            "sweep_name",
            "kind",
            "job",
            "trial",
            "machine",
            "hardware_class",
            "environment",
            "device",
            "target",
        ),
        *("domain", "quality", "unit", "rating", "flags", "carbon_source", "row", "response_times", "arrivals"),
        *("policy", "strategy", "pass", "factor", "term", "level", "reference", "a", "b", "verdict", "advice"),
        *("energy", "paper", "source", "batch_sizes", "batches_by_size", "compared", "varies", "outcomes"),
        *("view", "column", "type", "meaning"),
    }
)
#: What stands before the name of a figure where a row has several of it.
_BEFORE = re.compile(r"(simulated|live|stopped|until_[\d.]+)_")


def column_type(name: str) -> type:
    """Return the type that a column has in every file, even if all its values are unknown: figures are floats."""
    own = name if name in _TEXTS else _BEFORE.sub("", name, count=1)
    if own.startswith("is_") or own in _YES_OR_NO:
        return bool
    return str if own in _TEXTS else int if own in _COUNTS else float
