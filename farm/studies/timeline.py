"""Energy and accuracy of networks by year of publication: growth and the efficient front. Pure.

Where energy is modelled, it ranks nothing: seconds take its place.

Machines, kinds of joules and settings are never mixed: each has its own timeline. Networks of one paper are sizes of
one idea, so a trend has one value for each paper: the geometric mean of its networks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Literal

from farm.analysis.across import Figure, blocked_samples
from farm.analysis.aggregate import Group, Key, Summary
from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.ratios import Blocked
from farm.analysis.rules import may_rank_energy, stands_out
from farm.model.catalog import NETWORKS, Accuracy, PublishedNetwork

#: Least number of papers for a line with an interval, and for a claim about growth.
LEAST_PAPERS, ENOUGH_PAPERS = 3, 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One network at its best batch size."""

    model: str
    published: PublishedNetwork | None  #: None: a network of a user
    top1_percent: float | None  #: None: no accuracy is published for these weights
    best: Summary  #: summary of the batch size with the least cost
    cost: Interval  #: the compared figure of an image: J, or s where energy is modelled
    sizes: Sequence[int]  #: batch sizes that were measured

    @property
    def is_largest(self) -> bool:
        """Return True if the best batch size is the largest one measured, so that a larger one may take less."""
        return self.best.labels["batch_size"] == max(self.sizes)


@dataclass(frozen=True, slots=True)
class Trend:
    """Growth of a figure with the year of publication, by a line through logarithms."""

    of: str  #: name of the figure
    growth: Interval  #: growth per year as a share: 0.1 is 10 % more
    networks: int
    papers: int
    years: tuple[int, int]  #: first and last year

    @property
    def verdict(self) -> Literal["rises", "falls", "unclear"]:
        """Return what may be claimed about the figure."""
        if self.papers < ENOUGH_PAPERS:
            return "unclear"
        if self.growth.low is not None and self.growth.low > 0:
            return "rises"
        return "falls" if self.growth.high is not None and self.growth.high < 0 else "unclear"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Networks on one machine, with one kind of joules."""

    place: Key
    figure: Figure  #: figure that is compared: net or gross energy, or seconds
    entries: Sequence[Entry]  #: networks by year, then by cost
    lost: Sequence[str]  #: networks whose cost is unknown or within its noise
    trends: Sequence[Trend]  #: empty if there are too few papers, or all are of one year
    front: Sequence[Entry]  #: networks that no other one beats in both accuracy and cost; the least cost first
    costs: Blocked[Key]  #: the figure of every network and batch size by block

    @property
    def compared(self) -> Literal["energy", "seconds"]:
        """Return what is compared: seconds where energy is modelled."""
        return "seconds" if self.figure is Figure.SECONDS else "energy"

    def is_clear(self, entry: Entry) -> bool:
        """Return True if every other network is less accurate, or surely costs more: by ratios within blocks.

        Each ratio has an interval that pays for the comparison with all other networks.
        """
        others = [other for other in self.entries if other is not entry]
        rivals = (self.costs.ratio(entry.best.key, o.best.key) for o in others if _is_as_accurate(o, entry))
        highs = [None if ratio is None else ratio.among(len(others)).high for ratio in rivals]
        return all(high is not None and high < 1 for high in highs)


def timelines(groups: Iterable[Group], accuracy: Accuracy, figure: Figure | None = None) -> list[Timeline]:
    """Return a timeline for each place.

    Args:
        groups: trials by network, batch size and place.
        accuracy: which published accuracy counts.
        figure: energy that is compared; None: net energy, or gross energy if some net energy is within its noise.
    """
    places: dict[Key, list[Group]] = defaultdict(list)
    for group in groups:
        summary = group.summary
        apart = tuple((name, value) for name, value in summary.key if name not in {"model", "batch_size"})
        kind = (("quality", summary.quality), ("simulated", summary.simulated), ("imported", summary.imported))
        places[tuple((dict(apart) | dict(kind)).items())].append(group)
    return [_timeline(place, own, accuracy, figure) for place, own in places.items()]


def _timeline(place: Key, groups: Sequence[Group], accuracy: Accuracy, figure: Figure | None) -> Timeline:
    own = [group.summary for group in groups]
    if not all(may_rank_energy(s.quality) for s in own):
        figure = Figure.SECONDS
    figure = figure or (Figure.NET if all(_cost(s, Figure.NET) for s in own) else Figure.GROSS)
    by_model: dict[str, list[Summary]] = defaultdict(list)
    for summary in own:
        by_model[str(summary.labels["model"])].append(summary)
    found = {model: _entry(model, batches, accuracy, figure) for model, batches in by_model.items()}
    entries = sorted((e for e in found.values() if e is not None), key=_order)
    lost = [model for model, entry in found.items() if entry is None]
    trends = _trends(entries, "seconds" if figure is Figure.SECONDS else "energy")
    costs = blocked_samples(((group.summary.key, group.samples) for group in groups), figure)
    return Timeline(place, figure, entries, lost, trends, _front(entries), costs)


def _cost(summary: Summary, figure: Figure) -> Interval | None:
    """Return the figure of an image; None if an energy does not stand out of its noise."""
    if figure is Figure.SECONDS:
        return Interval(1 / summary.units_per_s, None, None) if summary.units_per_s else None
    value = summary.net_j if figure is Figure.NET else summary.gross_j
    return value if stands_out(value) else None


def _entry(model: str, batches: Sequence[Summary], accuracy: Accuracy, figure: Figure) -> Entry | None:
    known = [(cost, s) for s in batches if (cost := _cost(s, figure)) is not None]
    if len(known) < len(batches):  # the unknown one may be the least
        return None
    cost, best = min(known, key=lambda pair: pair[0].mean)
    published = NETWORKS.get(model)
    top1_percent = published.top1_percent.get(accuracy) if published else None
    return Entry(model, published, top1_percent, best, cost, [int(s.labels["batch_size"] or 0) for s in batches])


def _order(entry: Entry) -> tuple[float, float]:
    return entry.published.year if entry.published else float("inf"), entry.cost.mean


def _trends(entries: Iterable[Entry], cost: str) -> list[Trend]:
    """Return trends of the networks with a year and an accuracy, so that all growth rates are of the same networks."""
    known = [(e.published, e.cost.mean, e.top1_percent) for e in entries if e.published and e.top1_percent]
    figures = {
        cost: [(network, value) for network, value, _ in known],
        "accuracy": [(network, top1) for network, _, top1 in known],
        f"{cost}_per_accuracy": [(network, value / top1) for network, value, top1 in known],
        "gflops": [(network, network.gflops) for network, _, _ in known],
    }
    found = (_trend(name, values) for name, values in figures.items())
    return [trend for trend in found if trend is not None]


def _trend(of: str, values: Sequence[tuple[PublishedNetwork, float]]) -> Trend | None:
    logs: dict[tuple[str, int], list[float]] = defaultdict(list)
    for network, value in values:
        logs[network.source, network.year].append(log(value))
    years = [year for _, year in logs]
    if len(logs) < LEAST_PAPERS or len(set(years)) < 2:
        return None
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import
    from scipy.stats import linregress  # noqa: PLC0415

    line = linregress(years, [fmean(own) for own in logs.values()])
    half = float(stdtrit(len(logs) - 2, 0.5 + CONFIDENCE / 2)) * float(line.stderr)
    low, mean, high = (exp(line.slope + end) - 1 for end in (-half, 0, half))
    return Trend(of, Interval(mean, low, high), len(values), len(logs), (min(years), max(years)))


def _front(entries: Sequence[Entry]) -> list[Entry]:
    kept: list[Entry] = []
    known = [e for e in entries if e.top1_percent is not None]
    for entry in sorted(known, key=lambda e: (e.cost.mean, -(e.top1_percent or 0))):
        if not kept or not _is_as_accurate(kept[-1], entry):
            kept.append(entry)
    return kept


def _is_as_accurate(other: Entry, entry: Entry) -> bool:
    return (
        other.top1_percent is not None and entry.top1_percent is not None and other.top1_percent >= entry.top1_percent
    )
