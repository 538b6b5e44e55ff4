"""What is known of a trial's software, by the names that users group and filter by. Pure."""

from collections.abc import Mapping
from typing import Any

from farm.model.words import Scalar

#: The place of each fact in the content of an environment; where there are two, the first one that is known counts.
_PLACES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "torch": (("torch", "version"), ("libraries", "torch")),
    "torchvision": (("libraries", "torchvision"),),
    "cuda": (("torch", "cuda"),),
    "cudnn": (("torch", "cudnn"),),
    "driver": (("driver",),),
    "commit": (("commit",),),
    "wattfarm": (("wattfarm",),),
    "python": (("python",),),
    "platform": (("platform",),),
}
#: Names that every trial may be grouped or filtered by, though no table lists them.
FACETS = (*_PLACES, "flags")


def facets(environment: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the facts of an environment by their names; one that nobody recorded is None."""
    return {
        name: next((found for place in places if (found := _at(environment, place)) is not None), None)
        for name, places in _PLACES.items()
    }


def _at(content: Any, place: tuple[str, ...]) -> Scalar:
    for name in place:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content if isinstance(content, str | int | float) else None
