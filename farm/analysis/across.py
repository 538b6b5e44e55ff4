"""Configurations across machines: ratios to a reference on the same machine, their geometric means and ranks. Pure.

Machines differ in more than any sensor shows, so figures of two machines are never compared, but ratios are. Joules of
different quality, origin, domain or unit of work stay apart.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from farm.analysis.aggregate import Group, Key, UnitSample
from farm.analysis.intervals import CONFIDENCE, RESAMPLES, Interval, mean_interval
from farm.analysis.rules import stands_out
from farm.model import Scalar

#: Labels whose levels are never compared with each other.
KIND = ("domain", "quality", "simulated", "imported", "unit")
MACHINE = ("hardware_class", "machine")
SEED = 0
#: A log ratio, followed by the log ratios of RESAMPLES resamples.
Logs = Any


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


@dataclass(frozen=True, slots=True)
class Cell:
    """One configuration on one machine."""

    group: Group
    configuration: Key
    machine: Key
    kind: Key
    ratio: Interval | None  #: ratio to the reference on the same machine; None: a figure is unknown
    rank: int | None  #: rank on its machine; figures that cannot be distinguished share their best rank


@dataclass(frozen=True, slots=True)
class Overall:
    """One configuration over machines."""

    configuration: Key
    kind: Key
    machines: int
    ratio: Interval  #: geometric mean; its ends are known where several blocks show the spread
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
        figure: The figure to compare; None selects net energy, or gross if some net energy is within its noise.
    """
    figure = figure or _default_figure(groups)
    placed = [_placed(group) for group in groups]
    bases = {(_spelt(place[0]), *place[1:]): group for place, group in zip(placed, groups, strict=True)}
    found = [
        _replicates(group, bases.get((_spelt(configuration, reference), machine, kind)), figure) if reference else None
        for (configuration, machine, kind), group in zip(placed, groups, strict=True)
    ]
    ranks = _ranks([(_known(g, figure), place[1:]) for g, place in zip(groups, placed, strict=True)])
    cells = [
        Cell(group, *place, _with_ends(logs) if logs is not None else None, rank)
        for group, place, logs, rank in zip(groups, placed, found, ranks, strict=True)
    ]
    over: dict[tuple[Key, Key], list[Logs]] = defaultdict(list)
    for cell, logs in zip(cells, found, strict=True):
        if logs is not None and not cell.group.summary.is_doubtful:
            over[cell.configuration, cell.kind].append(logs)
    return Comparison(figure, cells, _overall({key: logs for key, logs in over.items() if len(logs) > 1}))


def _default_figure(groups: Sequence[Group]) -> Figure:
    known = [group.summary.net_j for group in groups if not group.summary.is_doubtful]
    return Figure.NET if known and all(map(stands_out, known)) else Figure.GROSS


def _placed(group: Group) -> tuple[Key, Key, Key]:
    """Return configuration, machine and kind of a group."""
    first = group.samples[0].labels
    apart = (*MACHINE, *KIND)
    configuration = tuple((name, value) for name, value in group.summary.key if name not in apart)
    machine, kind = (tuple((name, first.get(name)) for name in names) for names in (MACHINE, KIND))
    return configuration, machine, kind


def _spelt(configuration: Key, instead: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """Return a level as a user writes it: on the command line 16 is a text."""
    return tuple(instead.get(name, "null" if value is None else str(value)).lower() for name, value in configuration)


def _known(group: Group, figure: Figure) -> Interval | None:
    """Return the figure of a group; None if it may not be ranked."""
    if group.summary.is_doubtful:
        return None
    if figure is Figure.NET:
        return group.summary.net_j
    if figure is Figure.GROSS:
        return group.summary.gross_j
    values = [value for sample in group.samples if (value := figure.of(sample)) is not None]
    return mean_interval(values) if values else None


def _replicates(group: Group, base: Group | None, figure: Figure) -> Logs | None:
    """Return the log ratio of the means, then those of resampled blocks; None if the ratio is unknown.

    Whole blocks are resampled, since a disturbance of an hour affects both sides. Blocks of different sweeps differ.
    """
    if base is None:
        return None
    import numpy as np  # noqa: PLC0415 - slow to import: needed for ratios only

    if base is group:
        is_known = any(figure.of(sample) is not None for sample in group.samples)
        return np.zeros(RESAMPLES + 1) if is_known else None
    blocks: dict[tuple[Scalar, Scalar], list[float]] = defaultdict(lambda: [0.0, 0, 0.0, 0])
    for place, samples in ((0, group.samples), (2, base.samples)):
        for sample in samples:
            value = figure.of(sample)
            if value is not None:
                block = blocks[sample.labels.get("sweep"), sample.labels.get("repetition")]
                block[place] += value
                block[place + 1] += 1
    if not blocks:
        return None
    sums = np.array(list(blocks.values()))
    strata = Counter(sweep for sweep, _ in blocks)
    rng = np.random.default_rng(SEED)
    drawn = np.concatenate([rng.multinomial(n, [1 / n] * n, RESAMPLES) for n in strata.values()], axis=1)
    order = np.argsort([list(strata).index(sweep) for sweep, _ in blocks], kind="stable")
    totals = np.vstack([sums.sum(axis=0), drawn @ sums[order]])
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may lack a side, or hold only zeros
        logs = np.log(totals[:, 0] / totals[:, 1]) - np.log(totals[:, 2] / totals[:, 3])
    return logs if np.isfinite(logs[0]) else None


def _with_ends(logs: Logs) -> Interval:
    """Return the interval of a ratio: percentiles over resamples; no ends with one block or many void ones."""
    import numpy as np  # noqa: PLC0415

    resampled = logs[1:][np.isfinite(logs[1:])]
    ratio = float(np.exp(logs[0]))
    if len(resampled) < CONFIDENCE * RESAMPLES or (np.ptp(resampled) == 0 and logs[0] != 0):
        return Interval(ratio, None, None)
    low, high = np.exp(np.percentile(resampled, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]))
    return Interval(ratio, float(low), float(high))


def _overall(by_configuration: Mapping[tuple[Key, Key], Sequence[Logs]]) -> list[Overall]:
    """Draw machines, then blocks of each machine that was drawn, for every resample."""
    import numpy as np  # noqa: PLC0415

    means = []
    for logs in by_configuration.values():
        rng = np.random.default_rng(SEED)
        machines = rng.integers(0, len(logs), (RESAMPLES, len(logs)))
        blocks = rng.integers(1, RESAMPLES + 1, machines.shape)
        resampled = np.stack(logs)[machines, blocks].mean(axis=1)
        means.append(_with_ends(np.concatenate([[np.mean([of[0] for of in logs])], resampled])))
    ranks = _ranks([(mean, kind) for mean, (_, kind) in zip(means, by_configuration, strict=True)])
    found = [
        Overall(configuration, kind, len(logs), mean, rank)
        for ((configuration, kind), logs), mean, rank in zip(by_configuration.items(), means, ranks, strict=True)
    ]
    return sorted(found, key=lambda one: (str(one.kind), one.ratio.mean))


def _ranks(figures: Sequence[tuple[Interval | None, Hashable]]) -> list[int | None]:
    """Return ranks: 1 + the figures of the comparison whose intervals lie wholly below; None without an interval."""
    highs: dict[Hashable, list[float]] = defaultdict(list)
    for figure, comparison in figures:
        if figure is not None and figure.high is not None:
            highs[comparison].append(figure.high)
    for ends in highs.values():
        ends.sort()
    return [
        None if figure is None or figure.low is None else 1 + bisect_left(highs[comparison], figure.low)
        for figure, comparison in figures
    ]
