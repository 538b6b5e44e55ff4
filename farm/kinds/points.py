"""Points in words."""

from farm.model import SEARCH_FACTORS, Point, Scalar
from farm.report.numbers import label, number
from farm.spec import Training

#: Values that need no mention, whatever the factor; then the defaults of factors.
_USUAL = (None, False, "fp32", "auto", "random", "sample")
_DEFAULTS = {name: field.default[0] for name, field in Training.model_fields.items() if not field.is_required()}


def point(values: Point) -> str:
    """The factors that tell a point from others: those that have their usual value are left out."""
    first = [label(values.get("model"))] if "model" in values or "batch_size" in values else []
    first += [f"batch {label(values['batch_size'])}"] if "batch_size" in values else []
    others = {n: v for n, v in values.items() if n not in {"model", "batch_size"} and not _is_usual(n, v)}
    named = [f"{name} {number(v) if isinstance(v, float) else label(v)}" for name, v in others.items()]
    return ", ".join([*([" ".join(first)] if first else []), *named])


def _is_usual(name: str, value: Scalar) -> bool:
    """Whether a value needs no mention; what a search chose always does, and 0 is not False."""
    if name in SEARCH_FACTORS:
        return False
    usual = (*_USUAL, _DEFAULTS.get(name))
    return any(value == other and type(value) is type(other) for other in usual)
