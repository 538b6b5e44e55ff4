"""Samples of trials, grouped and summed up. The unit of replication is the trial, not the window or the batch."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean

from farm.analysis.intervals import Interval, Median, median
from farm.analysis.means import Trials, means
from farm.analysis.rules import are_apart, grams, stands_out
from farm.model import OWN_LABELS, Flag, Quality, Scalar, distinct, values_of

#: A claim on a p99 needs so many batches: then an order statistic bounds it with 99 % confidence.
P99_NEEDS = 459

Key = tuple[tuple[str, Scalar], ...]


@dataclass(slots=True)  # not frozen: that would make them three times as slow to make, and there are many
class UnitSample:
    """One trial in one domain, per unit of work. Nobody changes it."""

    labels: Mapping[str, Scalar]  #: factors, machine, hardware class, ...
    quality: Quality | None
    simulated: bool
    units_per_s: float | None  #: None: an import may lack it
    gross_j: float | None  #: per unit
    gross_u_j: float | None  #: standard uncertainty of gross_j
    gross_shared_u_j: float | None  #: the part of it that all trials of the machine share
    net_j: float | None  #: per unit
    net_u_j: float | None  #: standard uncertainty of net_j
    net_shared_u_j: float | None  #: the part of it that all trials of the machine share
    latencies_s: tuple[float, ...]  #: latency of each batch
    carbon_g_per_kwh: float | None
    flags: tuple[Flag, ...]  #: reasons to doubt it
    imported: bool = False  #: measured elsewhere

    @property
    def seconds(self) -> float | None:
        """Seconds per unit of work."""
        return 1 / self.units_per_s if self.units_per_s else None

    @property
    def carbon_g(self) -> float | None:
        """CO2e of the gross energy per unit of work, in grams."""
        return grams(self.gross_j, self.carbon_g_per_kwh)

    @property
    def is_valid(self) -> bool:
        """Whether analyses count the sample: all its flags are notes."""
        return not self.flags or all(flag.is_note for flag in self.flags)


@dataclass(frozen=True, slots=True)
class Summary:
    """One group of samples; energies are per unit of work."""

    key: Key
    quality: Quality | None
    simulated: bool
    trials: int  #: trials that the figures rest on
    left_out: int  #: trials that a flag left out
    is_doubtful: bool  #: every trial is flagged: shown all the same, never compared
    flags: Mapping[Flag, int]  #: the number of trials with each flag, including those left out
    units_per_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    batches: int  #: batches that the percentiles rest on
    gross_j: Interval | None
    net_j: Interval | None
    carbon_g: float | None  #: per unit, of the gross energy
    gross_median_j: Median | None = None
    net_median_j: Median | None = None
    imported: bool = False

    @property
    def labels(self) -> dict[str, Scalar]:
        """The key as a mapping."""
        return dict(self.key)


@dataclass(frozen=True, slots=True)
class Group:
    """Samples of one kind, and their summary."""

    summary: Summary
    samples: Sequence[UnitSample]  #: samples that the figures rest on


def summarise(samples: Iterable[UnitSample], by: Sequence[str], include_flagged: bool = False) -> list[Summary]:
    """Return the summaries of all groups."""
    return [group.summary for group in grouped(samples, by, include_flagged)]


def grouped(samples: Iterable[UnitSample], by: Sequence[str], include_flagged: bool = False) -> list[Group]:
    """Group samples by labels, in order of appearance; joules of different quality, origin or unit never mix.

    Groups leave out flagged samples if they have others, unless `include_flagged` is True.
    """
    groups: dict[tuple[object, ...], list[UnitSample]] = defaultdict(list)
    found = list(samples)
    for sample, values in zip(found, values_of([sample.labels for sample in found], (*by, "unit")), strict=True):
        groups[values, sample.quality, sample.simulated, sample.imported].append(sample)
    counted = [_counted(everything, include_flagged) for everything in groups.values()]
    return [
        Group(_summary(by, everything, group, gross_j, net_j), group)
        for everything, group, gross_j, net_j in zip(
            groups.values(), counted, gross_means(counted), net_means(counted), strict=True
        )
    ]


def _counted(everything: Sequence[UnitSample], include_flagged: bool) -> Sequence[UnitSample]:
    valid = [s for s in everything if s.is_valid]
    return everything if include_flagged or not valid else valid


def gross_means(groups: Sequence[Sequence[UnitSample]]) -> list[Interval | None]:
    """Return the mean gross energy of each group, which is never negative; None where it is unknown."""
    found = means([_trials(group, [(s.gross_j, s.gross_u_j, s.gross_shared_u_j) for s in group]) for group in groups])
    return [mean and mean.not_negative() for mean in found]


def net_means(groups: Sequence[Sequence[UnitSample]]) -> list[Interval | None]:
    """Return the mean net energy of each group; None where it is unknown."""
    return means([_trials(group, [(s.net_j, s.net_u_j, s.net_shared_u_j) for s in group]) for group in groups])


def _trials(group: Sequence[UnitSample], energies: Sequence[tuple[float | None, float | None, float | None]]) -> Trials:
    """Return the known energies of a group, each with its standard uncertainty and the shared part of it."""
    known = [energy for energy in energies if energy[0] is not None]
    values, us, shared_us = (_known(column) for column in zip(*known, strict=True)) if known else ([], [], [])
    return Trials(values, us, shared_us, _place(group))


def _place(group: Sequence[UnitSample]) -> Hashable:
    """Return where and how the trials of one point were measured; None if they are of several points or all doubtful."""
    first, *others = (
        [(n, v) for n, v in own.items() if n not in OWN_LABELS] for own in distinct([s.labels for s in group])
    )
    if not any(s.is_valid for s in group) or any(other != first for other in others):
        return None
    labels, sample = dict(first), group[0]
    where = tuple(labels.get(name) for name in ("sweep", "machine", "domain", "unit"))
    return (*where, sample.quality, sample.simulated, sample.imported)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _summary(
    by: Sequence[str],
    everything: Sequence[UnitSample],
    group: Sequence[UnitSample],
    gross_j: Interval | None,
    net_j: Interval | None,
) -> Summary:
    first = everything[0]
    latencies_s = sorted([value for sample in group if sample.latencies_s for value in sample.latencies_s])
    rates, carbon_g = _known(s.units_per_s for s in group), _known(s.carbon_g for s in group)
    return Summary(
        key=tuple((name, first.labels.get(name)) for name in by),
        quality=first.quality,
        simulated=first.simulated,
        imported=first.imported,
        trials=len(group),
        left_out=len(everything) - len(group),
        is_doubtful=not any(s.is_valid for s in everything),
        flags=Counter([flag for s in everything if s.flags for flag in s.flags]),
        units_per_s=fmean(rates) if rates else None,
        p50_s=percentile(latencies_s, 50),
        p95_s=percentile(latencies_s, 95),
        p99_s=percentile(latencies_s, 99),
        batches=len(latencies_s),
        gross_j=gross_j,
        net_j=net_j,
        gross_median_j=median(_known(s.gross_j for s in group)) if gross_j else None,
        net_median_j=median(_known(s.net_j for s in group)) if net_j else None,
        carbon_g=fmean(carbon_g) if carbon_g else None,
    )


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the percentile by nearest rank, which is a value that occurred."""
    if not ordered:
        return None
    return ordered[max(ceil(percent / 100 * len(ordered)) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Saving:
    """The batch size with the least energy, compared with the smallest batch size."""

    best: Summary
    reference: Summary
    best_j: float  #: per unit
    share: float  #: saved share of the reference's energy
    is_net: bool  #: False: some net energies are within the noise, so gross ones were compared
    #: Its interval lies below that of the reference, or of the next batch size if it is the reference; None: unknown.
    is_clear: bool | None


def best_batch(summaries: Sequence[Summary]) -> Saving | None:
    """Return the batch size with the least energy per unit, among summaries that differ only in batch size.

    Returns None if there is nothing to compare, an energy is unknown, or the summaries are not of one kind: joules of
    different quality, or simulated and real ones, are never ranked together.
    """
    sized = [s for s in summaries if isinstance(s.labels.get("batch_size"), int) and not s.is_doubtful]
    if len(sized) < 2 or len({(s.quality, s.simulated) for s in sized}) > 1:
        return None
    net = [s.net_j for s in sized if s.net_j is not None and stands_out(s.net_j)]
    gross = [s.gross_j for s in sized if s.gross_j is not None and s.gross_j.mean > 0]
    is_net = len(net) == len(sized)
    if not is_net and len(gross) < len(sized):
        return None
    energies = list(zip(net if is_net else gross, sized, strict=True))
    best_energy, best = min(energies, key=lambda pair: pair[0].mean)
    energy, reference = min(energies, key=lambda pair: int(pair[1].labels["batch_size"] or 0))
    others = [pair for pair in energies if pair[1] is not best]
    rival_energy, rival = (energy, reference) if best is not reference else min(others, key=lambda pair: pair[0].mean)
    is_clear = are_apart(best_energy, rival_energy, min(best.trials, rival.trials))
    return Saving(best, reference, best_energy.mean, 1 - best_energy.mean / energy.mean, is_net, is_clear)
