"""The best of several configurations, and what it saves, with intervals that pay for the selection. Pure."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from farm.analysis.across import Figure, blocked_samples, place_of
from farm.analysis.aggregate import Group, Key, Summary
from farm.analysis.intervals import Interval
from farm.analysis.ratios import Blocked
from farm.analysis.rules import may_rank_energy, stands_out

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Least(Generic[K]):
    """The configuration with the least mean, and the next one.

    The mean that happens to be the least is too small more often than not. So intervals hold for all comparisons with
    the best at once (Bonferroni over k - 1 of them): of equal configurations, one is called best in at most 5 %.
    """

    best: K
    next: K
    #: The best to the least of the others, as in Hsu's comparisons with the best (1984, Annals of Statistics 12:1136).
    lead: Interval
    against: dict[K, Interval]  #: the best to each other one

    @property
    def is_clear(self) -> bool | None:
        """Return True if the best is surely the least; None if its lead has no interval."""
        return None if self.lead.high is None else self.lead.high < 1


def least(of: Blocked[K], among: Iterable[K]) -> Least[K] | None:
    """Return the least of several configurations; None if there are not two, or one has no logarithm."""
    keys = list(among)
    if len(keys) < 2 or not all(key in of.effects for key in keys):
        return None
    best, *others = sorted(keys, key=lambda key: of.effects[key])
    ratios = {key: ratio for key in others if (ratio := of.ratio(best, key)) is not None}
    against = {key: ratio.among(len(others)) for key, ratio in ratios.items()}
    rival = max(others, key=lambda key: against[key].mean)
    ends = [(one.low, one.high) for one in against.values() if one.low is not None and one.high is not None]
    low, high = (max(end) for end in zip(*ends, strict=True)) if len(ends) == len(others) else (None, None)
    return Least(best, rival, Interval(against[rival].mean, low, high), against)


@dataclass(frozen=True, slots=True)
class Saving:
    """The best batch size, compared with the smallest one and with the next."""

    #: What is compared: gross joules if some net ones are within the noise, seconds if no energy may be ranked.
    figure: Figure
    best: Summary
    reference: Summary
    next: Summary
    sizes: int
    ratio: Interval  #: the best to the reference
    lead: Interval  #: the best to the least of the others
    flagged: tuple[int, ...] = ()  #: batch sizes that are not compared, since all their trials are flagged

    @property
    def is_clear(self) -> bool | None:
        """Return True if the best is surely the best; None if its lead has no interval."""
        return None if self.lead.high is None else self.lead.high < 1


def best_batches(groups: Sequence[Group]) -> list[tuple[Key, Saving]]:
    """Return the best batch size of groups that differ only in batch size, with the labels that they share.

    Left out is what has nothing to compare, an unknown energy, or energies of several kinds: joules of different
    quality, or simulated and real ones, are never ranked together. The spread of every network of a machine says
    something of that of the others.
    """
    alike: dict[Key, list[Group]] = defaultdict(list)
    flagged: dict[Key, list[int]] = defaultdict(list)
    for group in groups:
        size = group.summary.labels.get("batch_size")
        rest = tuple(item for item in group.summary.key if item[0] != "batch_size")
        if isinstance(size, int) and group.summary.is_doubtful:
            flagged[rest].append(size)
        elif isinstance(size, int):
            alike[rest].append(group)
    ranked = {
        rest: own for rest, own in alike.items() if len({(g.summary.quality, g.summary.simulated) for g in own}) == 1
    }
    scopes = {rest: (place_of(own[0]), _figure(own)) for rest, own in ranked.items()}
    pooled: dict[tuple[tuple[Key, Key], Figure], list[Group]] = defaultdict(list)
    for rest, own in ranked.items():
        pooled[scopes[rest]] += own
    blocks = {
        (place, figure): blocked_samples(((group.summary.key, group.samples) for group in own), figure)
        for (place, figure), own in pooled.items()
    }
    savings = ((rest, _saving(own, scopes[rest][1], blocks[scopes[rest]])) for rest, own in ranked.items())
    return [
        (rest, replace(saving, flagged=tuple(sorted(flagged[rest])))) for rest, saving in savings if saving is not None
    ]


def _figure(sized: Sequence[Group]) -> Figure:
    """Return net energy, or gross energy if some net energy is within its noise, or seconds if energy is modelled."""
    if not may_rank_energy(sized[0].summary.quality):
        return Figure.SECONDS
    samples = [sample for group in sized for sample in group.samples]
    is_net = all(stands_out(group.summary.net_j) for group in sized) and all((s.net_j or 0) > 0 for s in samples)
    return Figure.NET if is_net else Figure.GROSS


def _saving(sized: Sequence[Group], figure: Figure, of: Blocked[Key]) -> Saving | None:
    by_key = {group.summary.key: group.summary for group in sized}
    found = least(of, by_key)
    if found is None:
        return None
    reference = min(by_key.values(), key=lambda summary: int(summary.labels["batch_size"] or 0))
    ratio = found.against.get(reference.key, Interval(1.0, 1.0, 1.0))
    return Saving(figure, by_key[found.best], reference, by_key[found.next], len(sized), ratio, found.lead)
