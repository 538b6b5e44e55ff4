"""Samples of trials, grouped and summed up. The unit of replication is the trial, not the window or the batch."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.analysis.intervals import Interval, Median, median
from farm.analysis.means import Trials, means
from farm.model import OWN_LABELS, CarbonFactor, Flag, Quality, Scalar, distinct, values_of
from farm.model.percentiles import percentile

#: A claim on a p99 needs so many batches: then an order statistic bounds it with 99 % confidence.
P99_NEEDS = 459

Key = tuple[tuple[str, Scalar], ...]
_NOBODYS = dict.fromkeys(OWN_LABELS)


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
    latencies_s: Sequence[float]  #: latency of each batch
    carbon: CarbonFactor
    flags: tuple[Flag, ...]  #: reasons to doubt it
    imported: bool = False  #: measured elsewhere

    @property
    def seconds(self) -> float | None:
        """Seconds per unit of work."""
        return 1 / self.units_per_s if self.units_per_s else None

    @property
    def carbon_g(self) -> float | None:
        """CO2e of the gross energy per unit of work, in grams."""
        return self.carbon.grams(self.gross_j)

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
    is_doubtful: bool  #: every trial is flagged, and nobody asked to include those: shown, but never compared
    flags: Mapping[Flag, int]  #: the number of trials with each flag, including those left out
    units_per_s: float | None  #: if every trial did the same work
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
    carbon: Sequence[CarbonFactor] = ()  #: the different factors that carbon_g rests on

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

    Groups leave out flagged samples if they have others, and are doubtful if not, unless `include_flagged` is True.
    """
    groups: dict[tuple[object, ...], list[UnitSample]] = defaultdict(list)
    found = list(samples)
    for sample, values in zip(found, values_of([sample.labels for sample in found], (*by, "unit")), strict=True):
        groups[values, sample.quality, sample.simulated, sample.imported].append(sample)
    counted = [_counted(everything, include_flagged) for everything in groups.values()]
    return [
        Group(_summary(by, everything, group, gross_j, net_j, include_flagged), group)
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
    return means([net_trials(group) for group in groups])


def net_trials(group: Sequence[UnitSample]) -> Trials:
    """Return the known net energies of a group."""
    return _trials(group, [(s.net_j, s.net_u_j, s.net_shared_u_j) for s in group])


def _trials(group: Sequence[UnitSample], energies: Sequence[tuple[float | None, float | None, float | None]]) -> Trials:
    """Return the known energies of a group, each with its standard uncertainty and the shared part of it."""
    known = [energy for energy in energies if energy[0] is not None]
    values, us, shared_us = (_known(column) for column in zip(*known, strict=True)) if known else ([], [], [])
    blocks = [s.labels.get("repetition") for s, (j, *_) in zip(group, energies, strict=True) if j is not None]
    return Trials(values, us, shared_us, () if None in blocks else blocks, _place(group))


def _place(group: Sequence[UnitSample]) -> Hashable:
    """Return where and how the trials of one point were measured; None if they are of several points, or doubtful."""
    if not any(s.is_valid for s in group):
        return None
    first, *others = ({**own, **_NOBODYS} for own in distinct([s.labels for s in group]))
    if any(other != first for other in others):
        return None
    where = tuple(first.get(name) for name in ("sweep", "machine", "domain", "unit"))
    return (*where, group[0].quality, group[0].simulated, group[0].imported)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _summary(
    by: Sequence[str],
    everything: Sequence[UnitSample],
    group: Sequence[UnitSample],
    gross_j: Interval | None,
    net_j: Interval | None,
    include_flagged: bool,
) -> Summary:
    first = everything[0]
    latencies_s = sorted([value for sample in group if sample.latencies_s for value in sample.latencies_s])
    carbon_g = _known(s.carbon_g for s in group)
    return Summary(
        key=tuple((name, first.labels.get(name)) for name in by),
        quality=first.quality,
        simulated=first.simulated,
        imported=first.imported,
        trials=len(group),
        left_out=len(everything) - len(group),
        is_doubtful=not include_flagged and not any(s.is_valid for s in everything),
        flags=Counter([flag for s in everything if s.flags for flag in s.flags]),
        units_per_s=_rate(group),
        p50_s=percentile(latencies_s, 50),
        p95_s=percentile(latencies_s, 95),
        p99_s=percentile(latencies_s, 99),
        batches=len(latencies_s),
        gross_j=gross_j,
        net_j=net_j,
        gross_median_j=median(_known(s.gross_j for s in group)) if gross_j else None,
        net_median_j=median(_known(s.net_j for s in group)) if net_j else None,
        carbon_g=fmean(carbon_g) if carbon_g else None,
        carbon=list(dict.fromkeys(s.carbon for s in group if s.carbon.g_per_kwh is not None)),
    )


def _rate(group: Sequence[UnitSample]) -> float | None:
    """Return the rate of trials that do the same work each, of those whose energy is known if there are any.

    Joules of a unit are means over trials, and so are the seconds of a unit: then the rate times the joules is the mean
    power of the same trials. A mean of rates would count a fast trial more than the mean of joules does.
    """
    metered = [s for s in group if s.gross_j is not None]
    seconds = _known(s.seconds for s in metered or group)
    return 1 / fmean(seconds) if seconds else None
