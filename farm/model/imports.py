"""Measurements that were made elsewhere, and are read from a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from farm.model.words import Domain, Point, Quality


@dataclass(frozen=True, slots=True)
class Mapped:
    """The mapping by which a file is read."""

    columns: Mapping[str, str]  #: role -> column
    factors: Mapping[str, str]  #: factor -> column
    unit: str = "run"
    constants: Mapping[str, str] = field(default_factory=dict)  #: role -> value of all rows

    def canonical(self) -> str:
        """Return JSON that is the same for the same mapping."""
        parts = {"columns": self.columns, "factors": self.factors, "unit": self.unit, "constants": self.constants}
        return json.dumps(parts, sort_keys=True)


@dataclass(frozen=True, slots=True)
class ImportedTrial:
    """A trial from one row of a file."""

    line: int
    factors: Point
    machine: str
    hardware_class: str
    domain: Domain
    quality: Quality | None
    repetition: int
    units: int
    gross_j: float | None
    net_j: float | None
    net_j_low: float | None
    net_j_high: float | None
    duration_s: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Import:
    """A file as a sweep; the same file, read by the same mapping, has the same id."""

    id: str
    name: str
    source: str  #: the file's name
    mapped: Mapped
    trials: Sequence[ImportedTrial]
