"""Configurations across machines: ratios to a reference on the same machine, their geometric means and ranks. Pure.

Machines differ in more than any sensor shows, so figures of two machines are never compared, but ratios are. Joules of
different quality, origin, domain or unit of work stay apart.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from types import MappingProxyType
from typing import TypeVar

from farm.analysis import ratios
from farm.analysis.aggregate import Group, Key, UnitSample
from farm.analysis.ratios import Blocked, Ratio
from farm.analysis.rules import may_rank_energy, stands_out
from farm.model import Quality, Scalar

K = TypeVar("K", bound=Hashable)
#: Labels whose levels are never compared with each other.
KIND = ("domain", "quality", "simulated", "imported", "unit", "settings")
MACHINE = ("hardware_class", "machine")


class Figure(StrEnum):
    """The figure that is compared, per unit of work."""

    NET = "net"
    GROSS = "gross"
    SECONDS = "seconds"
    GRAMS = "grams"

    def of(self, sample: UnitSample) -> float | None:
        """Return the figure of one trial."""
        match self:
            case Figure.NET:
                return sample.net_j
            case Figure.GROSS:
                return sample.gross_j
            case Figure.SECONDS:
                return sample.seconds
            case Figure.GRAMS:
                return sample.carbon_g

    def may_rank(self, quality: Quality | None) -> bool:
        """Return True if values of a quality may be divided and ranked: seconds may, but modelled joules may not."""
        return self is Figure.SECONDS or may_rank_energy(quality)


@dataclass(frozen=True, slots=True)
class Cell:
    """One configuration on one machine."""

    group: Group
    configuration: Key
    machine: Key
    kind: Key
    ratio: (
        Ratio | None
    )  #: ratio to the reference on the same machine; None: one of both is unknown, within noise or flagged
    rank: int | None  #: rank on its machine; figures that cannot be distinguished share their best rank


@dataclass(frozen=True, slots=True)
class Overall:
    """One configuration over machines."""

    configuration: Key
    kind: Key
    machines: int
    ratio: Ratio  #: geometric mean; two machines give no interval
    rank: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All configurations, on each machine and over machines."""

    figure: Figure
    cells: Sequence[Cell]
    overall: Sequence[Overall]  #: configurations that two or more machines measured, the least first


def compare(groups: Sequence[Group], reference: Mapping[str, str], figure: Figure | None) -> Comparison:
    """Compare groups by configuration, machine and kind.

    Args:
        groups: The groups of samples.
        reference: The levels in which the configuration to divide by differs; empty for no ratios.
        figure: The figure to compare; None selects net energy, gross if some net energy is within its noise, or
            seconds if no energy may be ranked.
    """
    figure = figure or _default_figure(groups)
    placed = [_placed(group) for group in groups]
    places: dict[tuple[Key, Key], dict[Key, Group]] = defaultdict(dict)
    for group, (configuration, *place) in zip(groups, placed, strict=True):
        if figure.may_rank(group.summary.quality):
            places[place[0], place[1]][configuration] = group
    machines = {place: _Machine(own, figure, reference) for place, own in places.items()}
    unranked = _Machine({}, figure, reference)
    cells = []
    for group, (configuration, machine, kind) in zip(groups, placed, strict=True):
        own = machines.get((machine, kind), unranked)
        rank = own.ranks.get(configuration)
        cells.append(Cell(group, configuration, machine, kind, own.ratio(configuration), rank))
    return Comparison(figure, cells, _overall(cells, machines) if reference else [])


def _default_figure(groups: Sequence[Group]) -> Figure:
    if not any(g.summary.gross_j is not None and may_rank_energy(g.summary.quality) for g in groups):
        return Figure.SECONDS
    known = [group.summary.net_j for group in groups if not group.summary.is_doubtful]
    return Figure.NET if known and all(map(stands_out, known)) else Figure.GROSS


def _placed(group: Group) -> tuple[Key, Key, Key]:
    """Return configuration, machine and kind of a group."""
    apart = (*MACHINE, *KIND)
    configuration = tuple((name, value) for name, value in group.summary.key if name not in apart)
    return configuration, *place_of(group)


def place_of(group: Group) -> tuple[Key, Key]:
    """Return machine and kind of a group: what keeps figures from being compared."""
    first = group.samples[0].labels
    machine, kind = (tuple((name, first.get(name)) for name in names) for names in (MACHINE, KIND))
    return machine, kind


def _spelt(configuration: Key, instead: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """Return a level as a user writes it: on the command line 16 is a text."""
    return tuple(instead.get(name, "null" if value is None else str(value)).lower() for name, value in configuration)


def block_of(labels: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
    """Return the block of a trial: a repetition of a sweep on a machine."""
    return tuple(map(labels.get, ("machine", "sweep", "repetition")))


def blocked_samples(samples: Iterable[tuple[K, Iterable[UnitSample]]], figure: Figure) -> Blocked[K]:
    """Return the known values of configurations by block."""
    return ratios.blocked(
        (key, block_of(sample.labels), value)
        for key, own in samples
        for sample in own
        if (value := figure.of(sample)) is not None
    )


class _Machine:
    """The configurations of one kind on one machine. Those whose every trial is flagged are never compared."""

    def __init__(self, groups: Mapping[Key, Group], figure: Figure, reference: Mapping[str, str]) -> None:
        self._reference = reference
        sound = {key: group.samples for key, group in groups.items() if not group.summary.is_doubtful}
        self._bases = {_spelt(configuration): configuration for configuration in sound}
        self.blocked = blocked_samples(sound.items(), figure)
        self.ranks = self.blocked.ranks()

    def ratio(self, configuration: Key) -> Ratio | None:
        """Return the ratio to the reference; None if either side is flagged, or was not measured."""
        base = self._bases.get(_spelt(configuration, self._reference)) if self._reference else None
        return None if base is None else self.blocked.ratio(configuration, base)


def _overall(cells: Sequence[Cell], machines: Mapping[tuple[Key, Key], _Machine]) -> list[Overall]:
    """Return the mean ratios over machines; ranks rest on the ratios of every two configurations on each machine."""
    over: dict[Key, dict[Key, list[Ratio]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        if cell.ratio is not None:
            over[cell.kind][cell.configuration].append(cell.ratio)
    found = []
    for kind, by_configuration in over.items():
        several = {key: own for key, own in by_configuration.items() if len(own) > 1}
        blocks = [own.blocked for (_, other), own in machines.items() if other == kind]
        is_ranked = len(several) <= ratios.MOST_RANKED
        compared = combinations(several, 2) if is_ranked else ()
        pairs = ((pair, [r for one in blocks if (r := one.ratio(*pair))]) for pair in compared)
        ranks = ratios.ranks((pair, ratios.over_machines(own)) for pair, own in pairs if own)
        for key, own in several.items():
            rank = ranks.get(key, 1) if is_ranked and len(own) >= ratios.MACHINES_NEEDED else None
            found.append(Overall(key, kind, len(own), ratios.over_machines(own), rank))
    return sorted(found, key=lambda one: (str(one.kind), one.ratio.log))
