"""Short names of points for people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

from farm.kinds import registry
from farm.model import SEARCH_FACTORS, USUAL_VALUES, Point, Scalar
from farm.report.numbers import label, number


def point(values: Point) -> str:
    """Return the factors that distinguish a point from others; factors with their usual value are left out."""
    first = [label(values["model"])] if "model" in values else []
    first += [f"batch {label(values['batch_size'])}"] if "batch_size" in values else []
    others = {n: v for n, v in values.items() if n not in {"model", "batch_size"} and not _is_usual(n, v)}
    named = [f"{name} {number(v) if isinstance(v, float) else label(v)}" for name, v in others.items()]
    return ", ".join([*([" ".join(first)] if first else []), *named])


def _is_usual(name: str, value: Scalar) -> bool:
    """Return True if a value is not mentioned. Values that a search chose are always mentioned; 0 is not False."""
    if name in SEARCH_FACTORS:
        return False
    return any(value == other and type(value) is type(other) for other in (*USUAL_VALUES, *_defaults().get(name, ())))


@cache
def _defaults() -> Mapping[str, Sequence[Scalar]]:
    """Return the default values of each factor in all kinds that have it."""
    found: dict[str, list[Scalar]] = defaultdict(list)
    for kind in registry.kinds():
        for name, field in kind.factors.items():
            found[name] += () if field.is_required() else field.default[:1]
    return found
