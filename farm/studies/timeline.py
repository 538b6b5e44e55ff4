"""Energy and accuracy of networks by the year they were published in: growth and the efficient front. Pure.

Machines, kinds of joules and settings are never mixed: each has a timeline of its own. Networks of one paper are sizes
of one idea, so the paper is the unit that a trend rests on: its networks count as one, their geometric mean.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Literal

from farm.analysis.across import Figure
from farm.analysis.aggregate import Key, Summary
from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.rules import are_apart, stands_out
from farm.model.catalog import NETWORKS, Accuracy, PublishedNetwork

#: A line through fewer papers has no interval; and so many a claim should rest on.
LEAST_PAPERS, ENOUGH_PAPERS = 3, 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One network at its best batch size."""

    model: str
    published: PublishedNetwork | None  #: None: a network of a user
    top1_percent: float | None  #: None: not published of the weights that were asked for
    best: Summary  #: of the batch size with the least energy
    energy_j: Interval  #: of an image
    sizes: Sequence[int]  #: batch sizes to choose from

    @property
    def is_largest(self) -> bool:
        """Whether a larger batch might take less: none was measured."""
        return self.best.labels["batch_size"] == max(self.sizes)


@dataclass(frozen=True, slots=True)
class Trend:
    """How a figure grows with the year of publication, on a logarithmic scale."""

    of: str
    growth: Interval  #: a year, as a share: 0.1 is 10 % more
    networks: int
    papers: int
    years: tuple[int, int]  #: first and last

    @property
    def verdict(self) -> Literal["rises", "falls", "unclear"]:
        """What may be claimed."""
        if self.papers < ENOUGH_PAPERS:
            return "unclear"
        if self.growth.low is not None and self.growth.low > 0:
            return "rises"
        return "falls" if self.growth.high is not None and self.growth.high < 0 else "unclear"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Of one machine, with one kind of joules."""

    place: Key
    figure: Figure  #: net or gross: what decides, of every network of this place
    entries: Sequence[Entry]  #: by year, then energy
    lost: Sequence[str]  #: networks whose energy is unknown or within its noise
    trends: Sequence[Trend]  #: none where there are too few papers, or all are of one year
    front: Sequence[Entry]  #: no other network has as much accuracy for less energy; the least energy first

    def is_clear(self, entry: Entry) -> bool:
        """Whether the intervals too say that no other network has as much accuracy for as little energy."""
        return not any(
            other is not entry and _as_accurate(other, entry) and not _takes_less(entry, other)
            for other in self.entries
        )


def timelines(summaries: Iterable[Summary], accuracy: Accuracy, figure: Figure | None = None) -> list[Timeline]:
    """One for each place; None as figure takes net energy, or gross where some net energy is within its noise."""
    places: dict[Key, list[Summary]] = defaultdict(list)
    for summary in summaries:
        apart = tuple((name, value) for name, value in summary.key if name not in {"model", "batch_size"})
        kind = (("quality", summary.quality), ("simulated", summary.simulated), ("imported", summary.imported))
        places[tuple((dict(apart) | dict(kind)).items())].append(summary)
    return [_timeline(place, own, accuracy, figure) for place, own in places.items()]


def _timeline(place: Key, own: Sequence[Summary], accuracy: Accuracy, figure: Figure | None) -> Timeline:
    figure = figure or (Figure.NET if all(_energy(s, Figure.NET) for s in own) else Figure.GROSS)
    by_model: dict[str, list[Summary]] = defaultdict(list)
    for summary in own:
        by_model[str(summary.labels["model"])].append(summary)
    found = {model: _entry(model, batches, accuracy, figure) for model, batches in by_model.items()}
    entries = sorted((e for e in found.values() if e is not None), key=_order)
    lost = [model for model, entry in found.items() if entry is None]
    return Timeline(place, figure, entries, lost, _trends(entries), _front(entries))


def _energy(summary: Summary, figure: Figure) -> Interval | None:
    """Of an image, where it is known to be more than nothing."""
    value = summary.net_j if figure is Figure.NET else summary.gross_j
    return value if stands_out(value) else None


def _entry(model: str, batches: Sequence[Summary], accuracy: Accuracy, figure: Figure) -> Entry | None:
    known = [(energy, s) for s in batches if (energy := _energy(s, figure)) is not None]
    if len(known) < len(batches):  # the one that is not known might be the least
        return None
    energy_j, best = min(known, key=lambda pair: pair[0].mean)
    published = NETWORKS.get(model)
    top1_percent = published.top1_percent.get(accuracy) if published else None
    return Entry(model, published, top1_percent, best, energy_j, [int(s.labels["batch_size"] or 0) for s in batches])


def _order(entry: Entry) -> tuple[float, float]:
    return entry.published.year if entry.published else float("inf"), entry.energy_j.mean


def _trends(entries: Iterable[Entry]) -> list[Trend]:
    """All of the same networks, those with a year and an accuracy, so that their growth rates may be compared."""
    known = [(e.published, e.energy_j.mean, e.top1_percent) for e in entries if e.published and e.top1_percent]
    figures = {
        "energy": [(network, joules) for network, joules, _ in known],
        "accuracy": [(network, top1) for network, _, top1 in known],
        "energy_per_accuracy": [(network, joules / top1) for network, joules, top1 in known],
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
    for entry in sorted(known, key=lambda e: (e.energy_j.mean, -(e.top1_percent or 0))):
        if not kept or not _as_accurate(kept[-1], entry):
            kept.append(entry)
    return kept


def _as_accurate(other: Entry, entry: Entry) -> bool:
    return (
        other.top1_percent is not None and entry.top1_percent is not None and other.top1_percent >= entry.top1_percent
    )


def _takes_less(entry: Entry, other: Entry) -> bool | None:
    return are_apart(entry.energy_j, other.energy_j, min(entry.best.trials, other.best.trials))
