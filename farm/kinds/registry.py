"""The kinds that are installed: entry points of group `wattfarm.kinds`, loaded on use."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from farm.kinds.kind import Kind
from farm.model import SweepRecord
from farm.model.errors import InputError
from farm.model.reading import reading
from farm.spec import Sweep, loader
from farm.spec.types import PROBLEM, Name

GROUP = "wattfarm.kinds"
_NAME: TypeAdapter[str] = TypeAdapter(Name)
log = logging.getLogger(__name__)


@cache
def _entries() -> Mapping[str, EntryPoint]:
    """Return the entry points by name, in alphabetical order."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def names() -> tuple[str, ...]:
    """Return the names of all installed kinds, without loading them."""
    return tuple(_entries())


@cache
def get(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        InputError: no installed package has this kind, or the kind cannot be loaded.
    """
    entry = _entries().get(name)
    if entry is None:
        raise InputError(
            f"kind {name!r} is not installed here, only {', '.join(names())}: "
            "install the package that brings it, or update wattfarm"
        )
    try:
        kind = entry.load()
    except Exception as error:
        package = entry.dist.name if entry.dist else entry.value
        raise InputError(f"kind {name!r} of package {package} cannot be loaded: {error}") from error
    if not isinstance(kind, Kind) or kind.name != name:
        raise InputError(f"kind {name!r}: expected {entry.value} to be a farm.kinds.Kind of that name, got {kind!r}")
    return kind


def kinds() -> Iterator[Kind]:
    """Yield every installed kind; one that cannot be loaded is logged and left out."""
    for name in names():
        try:
            yield get(name)
        except InputError as error:
            log.warning("%s", error)


def factor_types() -> Mapping[str, type]:
    """Return the types of the factors of all installed kinds; one that two kinds declare differently is text."""
    found: dict[str, type] = {}
    for kind in kinds():
        for name, own in kind.factor_types.items():
            found[name] = own if found.get(name, own) is own else str
    return found


class _Models(Mapping[str, type[Sweep]]):
    """Schema of each kind that can be submitted; a kind is loaded on its first use."""

    def __getitem__(self, name: str) -> type[Sweep]:
        model = get(name).sweep if name in _entries() else None
        if model is None:
            raise KeyError(name)
        return model

    def __iter__(self) -> Iterator[str]:
        return (kind.name for kind in kinds() if kind.sweep is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


MODELS = _Models()


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file of any installed kind; raises SweepError with every problem, one line each."""
    return loader.load_sweep(path, MODELS)


def require_here(path: Path, sweep: Sweep, allowed_models: Sequence[str]) -> None:
    """Raise SweepError, with a line for each problem, where points of a sweep file cannot run on this machine."""
    from farm.kinds import here  # noqa: PLC0415 - it asks this module for kinds

    found = list(here.problems(sweep, allowed_models, path.absolute().parent))
    if found:
        raise loader.error_at(path.read_text(encoding="utf-8-sig"), str(path), found)


def parse_sweep(text: str, name: str, folder: Path) -> Sweep:
    """Read a sweep of any installed kind from text.

    Args:
        text: the YAML text.
        name: the name of the file in error messages.
        folder: the folder to which the paths in the sweep are relative.

    Raises:
        SweepError: with every problem, one line each, in the order of the text.
    """
    return loader.parse_sweep(text, name, folder, MODELS)


def require_name(text: str, where: str) -> None:
    """Raise InputError, which begins with `where`, unless a sweep may have this name."""
    try:
        _NAME.validate_python(text)
    except ValidationError as error:
        raise InputError(f"{where}: {error.errors()[0]['ctx'][PROBLEM]}") from None


def restored(record: SweepRecord) -> Sweep:
    """Return the sweep that was submitted, made from its record in the store.

    Raises:
        InputError: its kind is not installed, cannot be submitted, or says what this program does not know.
    """
    model = get(record.kind).sweep
    if model is None:
        raise InputError(f"{record.name} is of kind {record.kind}, which cannot be submitted")
    with reading("sweep", record.id, record.name):
        return loader.restored(record, model)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a sweep of any installed kind, for editors."""
    return loader.json_schema(MODELS)
