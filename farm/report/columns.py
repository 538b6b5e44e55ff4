"""The columns that distinguish the rows of a sweep's results, and the types of columns in files."""

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
        *("machines", "rank", "n", "n_a", "n_b", "groups", "epochs", "year", "parameters", "calls", "number", "seeds"),
        *("tuning_seed", "configuration", "limit"),
    }
)
_YES_OR_NO = frozenset(
    {
        *("doubtful", "simulated", "imported", "compared", "saturated", "late", "agrees", "meets", "on_front"),
        *("front_is_clear", "varies", "is_net", "is_closed"),
    }
)
_TEXTS = frozenset(
    {
        *(
            "sweep",
            "sweep_name",
            "job",
            "trial",
            "machine",
            "hardware_class",
            "environment",
            "kind",
            "device",
            "domain",
        ),
        *("quality", "unit", "rating", "flags", "carbon_source", "row", "response_times", "arrivals", "policy"),
        *(
            "factor",
            "term",
            "level",
            "reference",
            "a",
            "b",
            "verdict",
            "advice",
            "energy",
            "paper",
            "source",
            "strategy",
        ),
        *("batch_sizes", "batches_by_size", "view", "column", "meaning", "type"),
    }
)


def column_type(name: str) -> type:
    """Return the type that a column has in every file: its values may all be unknown. Figures are floats."""
    kinds = ((int, _COUNTS), (bool, _YES_OR_NO), (str, _TEXTS))
    return next((kind for kind, names in kinds if name in names), float)
