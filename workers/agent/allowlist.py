"""The allow-list of models from users' packages. Such a model is code, so a worker loads only what its list names."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from farm.model import Point


def refusal(point: Point, patterns: Sequence[str]) -> str | None:
    """Return why the model of this point may not be loaded, in one line, or None. Without a colon it is no user's."""
    model = str(point.get("model", ""))
    if ":" not in model or any(fnmatchcase(_dotted(model), _dotted(pattern)) for pattern in patterns):
        return None
    package = model.partition(":")[0].partition(".")[0]
    return (
        f"model: this worker may not load {model}: if you trust its code, start the worker with "
        f"`farm worker --allow-models '{package}.*'`, or set FARM_ALLOW_MODELS"
    )


def _dotted(name: str) -> str:
    return name.replace(":", ".")
