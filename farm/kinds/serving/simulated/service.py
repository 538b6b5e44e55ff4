"""How long a network on a device takes for a batch of each size, and how many joules, from measured batches."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from farm.analysis.aggregate import Group, Key, UnitSample
from farm.analysis.intervals import Interval, mean_interval
from farm.model import Quality, Scalar

#: What is compared only with itself: the rest of a key is what a user may choose.
PLACE = ("machine", "hardware_class", "environment", "device", "domain", "quality", "simulated")


@dataclass(frozen=True, slots=True)
class Batch:
    """What was measured of one batch size."""

    size: int
    times_s: tuple[float, ...]  #: of single batches, in order of length; never none
    net_j: Interval | None = None  #: of a batch, above the idle with the network loaded
    by_trial_s: tuple[tuple[float, ...], ...] = ()  #: the same times, of each trial


@dataclass(frozen=True)
class Service:
    """One network on one device."""

    key: Key  #: model, machine, ... without the batch size
    batches: tuple[Batch, ...]  #: smallest first; one at least
    idle_w: Interval | None = None  #: power while it waits for requests, the network loaded
    quality: Quality | None = None  #: of the joules
    simulated: bool = False  #: hardware that is not there

    @property
    def labels(self) -> dict[str, Scalar]:
        """The key as a mapping."""
        return dict(self.key)

    @property
    def place(self) -> Key:
        """Machine, device, and how its joules were obtained, as far as these differ in the sweep."""
        return tuple(item for item in self.key if item[0] in PLACE)

    @property
    def network(self) -> Key:
        """Model, precision, ...: what may be chosen."""
        return tuple(item for item in self.key if item[0] not in PLACE)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Batch sizes that were measured."""
        return tuple(batch.size for batch in self.batches)

    @property
    def largest(self) -> int:
        """No batch may be larger: nothing is extrapolated."""
        return self.batches[-1].size

    @cached_property
    def times_s(self) -> Sequence[Sequence[float]]:
        """What a batch of 1, 2, ... requests may take, each value as likely as the others."""
        return [self._times_s(size) for size in range(1, self.largest + 1)]

    @cached_property
    def net_j(self) -> Sequence[Interval] | None:
        """What a batch of 1, 2, ... requests takes above idle; None where one of the measured is unknown."""
        known = [batch.net_j for batch in self.batches if batch.net_j is not None]
        if len(known) < len(self.batches):
            return None
        return [self._net_j(size) for size in range(1, self.largest + 1)]

    @cached_property
    def mean_s(self) -> Sequence[float]:
        """Mean time of a batch of 1, 2, ... requests."""
        return [float(np.mean(times_s)) for times_s in self.times_s]

    def capacity_per_s(self, size: int) -> float:
        """Requests a second that full batches of this size can serve: more, and the queue grows without bound."""
        return size / self.mean_s[size - 1]

    @property
    def by_trial(self) -> "list[Service]":
        """The service with the batches of each trial alone, because processes differ by more than their batches do."""
        count = min(len(batch.by_trial_s) for batch in self.batches)
        alone = (tuple(replace(b, times_s=b.by_trial_s[i], by_trial_s=()) for b in self.batches) for i in range(count))
        return [replace(self, batches=batches) for batches in alone]

    def is_interpolated(self, size: int) -> bool:
        """Whether a batch of this size stands between two that were measured."""
        return size > self.sizes[0] and size not in self.sizes

    def timed(self, size: int) -> int:
        """How many measured times stand behind a batch of this size."""
        lower, upper, _ = self._around(size)
        return min(len(lower.times_s), len(upper.times_s))

    def _around(self, size: int) -> tuple[Batch, Batch, float]:
        """The measured sizes next to this one, and how far it is from the first to the second.

        Smaller than any that was measured: it is padded to the smallest.
        """
        above = bisect_left(self.sizes, size)
        upper = self.batches[above]
        lower = upper if above == 0 or upper.size == size else self.batches[above - 1]
        return lower, upper, (size - lower.size) / (upper.size - lower.size) if upper is not lower else 0.0

    def _times_s(self, size: int) -> Sequence[float]:
        lower, upper, share = self._around(size)
        if lower is upper:
            return upper.times_s
        count = max(len(lower.times_s), len(upper.times_s))
        short, long = (_quantiles(batch.times_s, count) for batch in (lower, upper))
        return [(1 - share) * a + share * b for a, b in zip(short, long, strict=True)]

    def _net_j(self, size: int) -> Interval:
        lower, upper, share = self._around(size)
        return weighted([(1 - share, lower.net_j), (share, upper.net_j)] if lower is not upper else [(1, upper.net_j)])


def weighted(parts: Iterable[tuple[float, Interval | None]]) -> Interval:
    """A sum of means, as if their errors had one cause: the widest it may be. A part that is None adds nothing."""
    known = [(weight, part) for weight, part in parts if part is not None]
    mean = sum(weight * part.mean for weight, part in known)
    halves = [(weight, part.half_width) for weight, part in known if weight]
    if any(half is None for _, half in halves):
        return Interval(mean, None, None)
    half = sum(weight * width for weight, width in halves if width is not None)
    return Interval(mean, mean - half, mean + half)


def _quantiles(ordered: Sequence[float], count: int) -> list[float]:
    """So many values, evenly spread over the ranks."""
    return [ordered[int((rank + 0.5) / count * len(ordered))] for rank in range(count)]


def services(groups: Iterable[Group], idle_w: Mapping[str, float], is_wanted: Callable[[Group], bool]) -> list[Service]:
    """From groups of samples by batch size and all else; `idle_w` by trial.

    Groups that are not wanted are left out, and those in which no batch was timed.
    """
    found: dict[tuple[Key, Quality | None, bool], list[Group]] = {}
    for group in groups:
        summary = group.summary
        if is_wanted(group) and summary.batches and isinstance(summary.labels.get("batch_size"), int):
            rest = tuple(item for item in summary.key if item[0] != "batch_size")
            found.setdefault((rest, summary.quality, summary.simulated), []).append(group)
    return [
        Service(
            key=key,
            batches=tuple(sorted((_batch(g, idle_w) for g in own), key=lambda b: b.size)),
            idle_w=_idle([sample for g in own for sample in g.samples], idle_w),
            quality=quality,
            simulated=simulated,
        )
        for (key, quality, simulated), own in found.items()
    ]


def _batch(group: Group, idle_w: Mapping[str, float]) -> Batch:
    size = int(group.summary.labels["batch_size"] or 0)
    known = [(s, joules) for s in group.samples if (joules := net_per_unit(s, idle_w)) is not None]
    net = (
        mean_interval([j for _, j in known], [s.net_u_j for s, _ in known if s.net_u_j is not None]) if known else None
    )
    by_trial_s = tuple(tuple(sorted(sample.latencies_s)) for sample in group.samples if sample.latencies_s)
    times_s = tuple(sorted(value for values_s in by_trial_s for value in values_s))
    return Batch(size, times_s, weighted([(size, net)]) if net else None, by_trial_s)


def net_per_unit(sample: UnitSample, idle_w: Mapping[str, float]) -> float | None:
    """Above the power at which the network waits, whatever baseline the sweep subtracts."""
    idle = idle_w.get(str(sample.labels["trial"]))
    if sample.gross_j is None or idle is None or not sample.units_per_s:
        return None
    return sample.gross_j - idle / sample.units_per_s


def _idle(samples: Iterable[UnitSample], idle_w: Mapping[str, float]) -> Interval | None:
    known = [idle_w[trial] for s in samples if (trial := str(s.labels["trial"])) in idle_w]
    return mean_interval(known) if known else None
