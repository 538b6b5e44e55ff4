"""The allow-list of models from users' packages. Such a model is code, so a worker loads only what its list names."""

from collections.abc import Sequence

from farm.model import Point
from farm.model.catalog import package_of
from farm.model.conditions import matches


def refusal(point: Point, patterns: Sequence[str]) -> str | None:
    """Return why the model of this point may not be loaded, in one line, or None. Without a colon it is no user's."""
    model = str(point.get("model", ""))
    if ":" not in model or any(matches(model, pattern) for pattern in patterns):
        return None
    return (
        f"model: this worker may not load {model}: if you trust its code, start the worker with "
        f"`farm worker --allow-models '{package_of(model)}.*'`, or set FARM_ALLOW_MODELS"
    )
