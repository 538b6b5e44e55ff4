"""What this machine lacks for a sweep, as far as that is known before a trial runs: files, folders, permissions."""

from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from farm.kinds.registry import get
from farm.model.carbon import Hourly
from farm.model.catalog import package_of
from farm.model.errors import InputError
from farm.spec import Sweep, remaining
from farm.spec.capability import parse
from farm.spec.positions import Loc
from farm.spec.types import Needs, PathOr, annotations


def missing_paths(sweep: Sweep) -> Iterator[tuple[Loc, str]]:
    """Yield the paths of a sweep that this machine could not use, each with its place in the sweep and the reason."""
    for loc, level, find in _levels(sweep, PathOr):
        if level is not None and level not in find.words and find.find_problem is not None:
            problem = find.find_problem(Path(level))
            if problem is not None:
                yield loc, f"{level}: {problem}"


def unreadable_carbon(sweep: Sweep) -> Iterator[tuple[Loc, str]]:
    """Yield why the sweep's file of carbon intensities cannot be read on this machine."""
    if sweep.carbon is not None and sweep.carbon.file is not None:
        try:
            Hourly.read(Path(sweep.carbon.file))
        except InputError as error:
            yield ("carbon", "file"), str(error).removeprefix("carbon: ")


def problems(sweep: Sweep, allowed_models: Sequence[str], folder: Path) -> Iterator[tuple[Loc, str]]:
    """Yield why points of a sweep cannot run on this machine: places in the sweep, with the reasons.

    Only a trial finds what its software and its devices must tell: whether there is a GPU, and enough memory.

    Args:
        sweep: the sweep.
        allowed_models: patterns of users' networks that this machine may load.
        folder: a folder of modules that are not installed.
    """
    yield from missing_paths(sweep)
    yield from unreadable_carbon(sweep)
    facts: dict[str, JsonValue] = {"worker": {"models": [*allowed_models]}}
    for loc, level, needs in _levels(sweep, Needs):
        for need in (one for text in needs.conditions(level) for one in parse(text).conditions):
            if need.path == "worker.models":
                package = package_of(level)
                if not need.holds(facts):
                    remedy = f"if you trust its code, add --allow-models '{package}.*', or set FARM_ALLOW_MODELS"
                    yield loc, f"this machine may not load {level}: {remedy}"
                elif not _is_importable(package, folder):
                    yield loc, f"there is no package {package}: install it, or put it into {folder}"
    workloads, runs = entry_points(group="wattfarm.workloads").names, get(sweep.kind).runs
    if runs not in workloads:
        yield ("kind",), f"this machine has no workload {runs}: install the package that brings it"


def _is_importable(package: str, folder: Path) -> bool:
    """Return whether a package or module is there, without running its code."""
    return any(PathFinder.find_spec(package, place) is not None for place in (None, [str(folder)]))


def _levels(sweep: Sweep, kind: type[Any]) -> Iterator[tuple[Loc, Any, Any]]:
    """Yield the levels of factors whose type has an annotation, with their place and it; none that is excluded."""
    marked = {
        name: one for name, field in get(sweep.kind).factors.items() for one in annotations(field.annotation, kind)
    }
    used: dict[str, set[Any]] = {name: set() for name in marked}
    for point in remaining(sweep.workload, sweep.exclude):
        for name, levels in used.items():
            levels.add(point[name])
    for name, one in marked.items():
        for index, level in enumerate(getattr(sweep.workload, name)):
            if level in used[name]:
                yield ("workload", name, index), level, one
