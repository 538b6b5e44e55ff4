"""Which models of users' packages this worker may load: those that its allow-list has, for they are code."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from farm.model import Point


def refusal(point: Point, patterns: Sequence[str]) -> str | None:
    """Why a trial may not run here, in one clear line; None where it may. What has no colon is of the registry."""
    model = str(point.get("model", ""))
    if ":" not in model or any(fnmatchcase(_dotted(model), _dotted(pattern)) for pattern in patterns):
        return None
    package = model.partition(":")[0].partition(".")[0]
    return (
        f"model: this worker may not load {model}: where its code is trusted, start it with "
        f"`farm worker --allow-models '{package}.*'`, or set FARM_ALLOW_MODELS"
    )


def _dotted(name: str) -> str:
    return name.replace(":", ".")
