"""Matching of the points of two sides: all factors but the compared ones must be equal. Pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import geometric_mean

from farm.analysis.across import block_of
from farm.analysis.aggregate import Key
from farm.analysis.intervals import Interval
from farm.analysis.ratios import Ratio, blocked
from farm.analysis.statistics.data import order
from farm.analysis.statistics.pairs import Pair, corrected, of_logs
from farm.model import UNKNOWN_HARDWARE, Scalar
from farm.model.errors import InputError

Labels = Mapping[str, Scalar]
#: Machines of one class are interchangeable; machines of different classes are compared only on request.
HARDWARE = "hardware_class"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a positive value for each trial."""

    labels: Sequence[Labels]
    values: Sequence[float]
    factors: Collection[str]  #: the factors of its sweep


@dataclass(frozen=True, slots=True)
class Match:
    """A point that both sides measured."""

    key: Key
    mean_a: float  #: geometric mean
    mean_b: float
    pair: Pair


@dataclass(frozen=True, slots=True)
class Comparison:
    """All points that both sides measured; p is corrected over them."""

    matches: tuple[Match, ...]
    compared: Mapping[str, tuple[Sequence[Scalar], Sequence[Scalar]]]  #: what differs between the sides
    only_a: int  #: points that the other side lacks
    only_b: int
    ratio: Interval  #: geometric mean over the points
    p: float | None
    are_paired: bool  #: every point has a block that both sides measured

    @property
    def differing(self) -> tuple[str, ...]:
        """The factors in which the points differ."""
        names = [name for name, _ in self.matches[0].key]
        return tuple(n for n in names if len({dict(match.key)[n] for match in self.matches}) > 1)


def compare(a: Side, b: Side, chosen: Collection[str] = ()) -> Comparison:
    """Match the points of two sides and compare them.

    Points match by all factors except those of `chosen`, and those with one level on each side that differs.

    Raises:
        InputError: No point is on both sides, or a side has several levels of a compared factor.
    """
    names = [name for name in a.factors if name in b.factors]
    hardware = [] if {"machine", HARDWARE} & set(chosen) else _hardware(a, b)
    differing = [name for name in names if _is_contrast(_levels(a, name), _levels(b, name))]
    contrast = list(dict.fromkeys((*chosen, *differing)))
    keys = (*(name for name in names if name not in contrast), *hardware)
    points_a, points_b = _points(a, keys), _points(b, keys)
    shared = [key for key in points_a if key in points_b]
    if not shared:
        raise InputError(f"no point is on both sides: {_apart(a, b, keys)}")
    for side, places in ((a, points_a), (b, points_b)):
        _check_single(side, [place for key in shared for place in places[key]], contrast)
    values = blocked(
        ((name, key), block_of(side.labels[place]), side.values[place])
        for name, side, points in (("A", a, points_a), ("B", b, points_b))
        for key in shared
        for place in points[key]
    )
    ratios = {key: ratio for key in shared if (ratio := values.ratio(("B", key), ("A", key))) is not None}
    pairs = corrected(
        {
            key: _with_ratio(of_logs(_logs(a, points_a[key]), _logs(b, points_b[key])), ratio)
            for key, ratio in ratios.items()
        }
    )
    mean = values.mean_ratio(list(ratios.values()))
    return Comparison(
        matches=tuple(
            Match(key, _mean(a, points_a[key]), _mean(b, points_b[key]), pair) for key, pair in pairs.items()
        ),
        compared={name: (_levels(a, name), _levels(b, name)) for name in contrast},
        only_a=len(points_a) - len(shared),
        only_b=len(points_b) - len(shared),
        ratio=mean.interval,
        p=mean.p,
        are_paired=all(ratio.is_paired for ratio in ratios.values()),
    )


def _with_ratio(pair: Pair, ratio: Ratio) -> Pair:
    """Return a pair whose ratio and p are those within blocks."""
    return replace(
        pair, ratio=ratio.interval, p=ratio.p, p_adjusted=ratio.p, log_u=ratio.u, df=ratio.freedom if ratio.u else None
    )


def _hardware(a: Side, b: Side) -> list[str]:
    """Return the hardware class; a machine of unknown hardware is a class of its own."""
    is_known = UNKNOWN_HARDWARE not in {*_levels(a, HARDWARE), *_levels(b, HARDWARE)}
    return [HARDWARE] if is_known else [HARDWARE, "machine"]


def _points(side: Side, keys: Sequence[str]) -> dict[Key, list[int]]:
    """Return the indices of the values of each point, in order of the levels."""
    found: dict[Key, list[int]] = defaultdict(list)
    for place, labels in enumerate(side.labels):
        found[tuple((name, labels.get(name)) for name in keys)].append(place)
    return dict(sorted(found.items(), key=lambda item: [order(level) for _, level in item[0]]))


def _levels(side: Side, name: str) -> list[Scalar]:
    return sorted({labels.get(name) for labels in side.labels}, key=order)


def _is_contrast(a: Sequence[Scalar], b: Sequence[Scalar]) -> bool:
    return len(a) == len(b) == 1 and a != b


def _check_single(side: Side, places: Sequence[int], contrast: Sequence[str]) -> None:
    for name in contrast:
        levels = sorted({side.labels[place].get(name) for place in places}, key=order)
        if len(levels) > 1:
            named = ", ".join(map(str, levels))
            raise InputError(f"a side has several levels of {name} ({named}): choose one by --a and --b")


def _apart(a: Side, b: Side, keys: Sequence[str]) -> str:
    """Return the names in which the sides have no level in common."""
    apart = [name for name in keys if not {*_levels(a, name)} & {*_levels(b, name)}]
    if not apart:
        return "their factors are never all equal"
    first = "; ".join(f"{n} is {_spelt(_levels(a, n))} on one, {_spelt(_levels(b, n))} on the other" for n in apart)
    return f"{first}: to compare just that, choose one on each side by --a and --b"


def _spelt(levels: Sequence[Scalar]) -> str:
    return ", ".join("null" if level is None else str(level) for level in levels)


def _logs(side: Side, places: Sequence[int]) -> list[float]:
    return [log(side.values[place]) for place in places]


def _mean(side: Side, places: Sequence[int]) -> float:
    return geometric_mean(side.values[place] for place in places)
