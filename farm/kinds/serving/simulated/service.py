"""Time and joules of a network on a device for a batch of each size, from measured batches."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import overload

import numpy as np

from farm.analysis.across import block_of
from farm.analysis.aggregate import Group, Key, UnitSample
from farm.analysis.intervals import Interval, mean_interval
from farm.load.arrivals import Times
from farm.model import Quality, Scalar

#: Labels that must be equal in services that are compared; a user may choose the others.
PLACE = ("machine", "hardware_class", "environment", "device", "domain", "quality", "simulated")


@dataclass(frozen=True, slots=True)
class Batch:
    """Measured times and joules of one batch size."""

    size: int
    times_s: Sequence[float]  #: sorted times of single batches, at least one
    net_j: Interval | None = None  #: joules of a batch above the idle power with the network loaded
    by_trial_s: tuple[Sequence[float], ...] = ()  #: the same times for each trial, not sorted
    by_block: Mapping[Hashable, "Cost"] = field(
        default_factory=dict
    )  #: what a batch took in each repetition of the sweep


@dataclass(frozen=True, slots=True)
class Cost:
    """What a batch of one trial took on average."""

    seconds: float
    net_j: float | None  #: joules above the power of the waiting network
    idle_w: float | None  #: this power


@dataclass(frozen=True, slots=True)
class Between(Sequence[float]):
    """Times between those of two batch sizes, rank by rank; each is computed when it is read, as few of many are."""

    shorter: Sequence[float]  #: sorted times of the smaller size
    longer: Sequence[float]
    share: float  #: distance from the smaller size, as a share of the distance of both

    def __len__(self) -> int:
        return max(len(self.shorter), len(self.longer))

    @overload
    def __getitem__(self, place: int) -> float: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[float]: ...
    def __getitem__(self, place: int | slice) -> float | Sequence[float]:
        if isinstance(place, slice):
            return [self[rank] for rank in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        rank = (place + 0.5) / len(self)
        a, b = (own[int(rank * len(own))] for own in (self.shorter, self.longer))
        return (1 - self.share) * a + self.share * b

    def array(self) -> Times:
        """Return all times at once."""
        ranks = (np.arange(len(self)) + 0.5) / len(self)
        a, b = (np.asarray(own)[(ranks * len(own)).astype(int)] for own in (self.shorter, self.longer))
        mixed: Times = (1 - self.share) * a + self.share * b
        return mixed


@dataclass(frozen=True)
class Service:
    """One network on one device."""

    key: Key  #: model, machine and so on, without the batch size
    batches: tuple[Batch, ...]  #: smallest first, at least one
    idle_w: Interval | None = None  #: power while the loaded network waits for requests
    quality: Quality | None = None  #: quality of the joules
    simulated: bool = False  #: True: the hardware is simulated

    @property
    def labels(self) -> dict[str, Scalar]:
        """Return the key as a mapping."""
        return dict(self.key)

    @property
    def place(self) -> Key:
        """Return machine, device, and how joules were obtained, if these differ in the sweep."""
        return tuple(item for item in self.key if item[0] in PLACE)

    @property
    def network(self) -> Key:
        """Return model, precision and everything else that may be chosen."""
        return tuple(item for item in self.key if item[0] not in PLACE)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the measured batch sizes."""
        return tuple(batch.size for batch in self.batches)

    @property
    def largest(self) -> int:
        """Return the largest size that can be simulated: times are not extrapolated."""
        return self.batches[-1].size

    @cached_property
    def times_s(self) -> Sequence[Sequence[float]]:
        """Return equally likely times of a batch of 1, 2, ... requests."""
        return [self._times_s(size) for size in range(1, self.largest + 1)]

    @cached_property
    def net_j(self) -> Sequence[Interval] | None:
        """Return the joules above idle of a batch of 1, 2, ... requests; None if a measured size has unknown joules."""
        known = [batch.net_j for batch in self.batches if batch.net_j is not None]
        if len(known) < len(self.batches):
            return None
        return [self._net_j(size) for size in range(1, self.largest + 1)]

    @cached_property
    def mean_s(self) -> Sequence[float]:
        """Return the mean time of a batch of 1, 2, ... requests."""
        return [float(np.mean(own.array() if isinstance(own, Between) else own)) for own in self.times_s]

    def capacity_per_s(self, size: int) -> float:
        """Return the requests per second that full batches of this size can serve."""
        return size / self.mean_s[size - 1]

    def by_trial(self, most: int | None = None) -> "list[Service]":
        """Return a service for each trial, or for the first ones, with its batches alone.

        Processes differ more than batches of one process.
        """
        trials = range(min(len(batch.by_trial_s) for batch in self.batches))[:most]
        alone = (
            tuple(replace(b, times_s=sorted(b.by_trial_s[n]), by_trial_s=()) for b in self.batches) for n in trials
        )
        return [replace(self, batches=batches) for batches in alone]

    def costs(self, batches: Mapping[int, int], gap_s: float | None) -> dict[Hashable, float]:
        """Return the cost of a request in each block that measured all of these sizes.

        Args:
            batches: The number of batches by size.
            gap_s: The time between requests for gross joules; None for the seconds of the server.
        """
        requests = sum(size * count for size, count in batches.items())
        parts = [
            (batch.by_block, weight * count / requests, size)
            for size, count in batches.items()
            for lower, upper, share in [self._around(size)]
            for batch, weight in ((lower, 1 - share), (upper, share))
        ]
        blocks = set.intersection(*(set(by_block) for by_block, _, _ in parts)) if parts else set()
        costs = {block: [(weight, _cost(of[block], gap_s, size)) for of, weight, size in parts] for block in blocks}
        return {
            block: sum(weight * cost for weight, cost in own if cost is not None)
            for block, own in costs.items()
            if all(cost is not None for _, cost in own)
        }

    def is_interpolated(self, size: int) -> bool:
        """Return True if this batch size is between two measured ones."""
        return size > self.sizes[0] and size not in self.sizes

    def timed(self, size: int) -> int:
        """Return the number of measured times on which a batch of this size rests."""
        lower, upper, _ = self._around(size)
        return min(len(lower.times_s), len(upper.times_s))

    def _around(self, size: int) -> tuple[Batch, Batch, float]:
        """Return the measured sizes next to this one, and its distance from the first as a share of their distance.

        A batch smaller than any measured one is padded to the smallest.
        """
        above = bisect_left(self.sizes, size)
        upper = self.batches[above]
        lower = upper if above == 0 or upper.size == size else self.batches[above - 1]
        return lower, upper, (size - lower.size) / (upper.size - lower.size) if upper is not lower else 0.0

    def _times_s(self, size: int) -> Sequence[float]:
        lower, upper, share = self._around(size)
        return upper.times_s if lower is upper else Between(lower.times_s, upper.times_s, share)

    def _net_j(self, size: int) -> Interval:
        lower, upper, share = self._around(size)
        return weighted([(1 - share, lower.net_j), (share, upper.net_j)] if lower is not upper else [(1, upper.net_j)])


def weighted(parts: Iterable[tuple[float, Interval | None]]) -> Interval:
    """Return a weighted sum with the widest possible interval: errors are added as if they had one cause."""
    known = [(weight, part) for weight, part in parts if part is not None]
    mean = sum(weight * part.mean for weight, part in known)
    halves = [(weight, part.half_width) for weight, part in known if weight]
    if any(half is None for _, half in halves):
        return Interval(mean, None, None)
    half = sum(weight * width for weight, width in halves if width is not None)
    return Interval(mean, mean - half, mean + half)


def _cost(of: Cost, gap_s: float | None, size: int) -> float | None:
    """Return the seconds of a batch, or its joules with the idle power during the gaps of its requests."""
    if gap_s is None:
        return of.seconds
    return None if of.net_j is None or of.idle_w is None else of.net_j + of.idle_w * gap_s * size


def services(groups: Iterable[Group], idle_w: Mapping[str, float], is_wanted: Callable[[Group], bool]) -> list[Service]:
    """Return the services that were measured.

    Args:
        groups: samples by batch size and all other labels; groups without timed batches are left out.
        idle_w: power by trial while the loaded network waits.
        is_wanted: function that returns False for groups to leave out.
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
    us = [s.net_u_j for s, _ in known if s.net_u_j is not None]
    shared_us = [s.net_shared_u_j for s, _ in known if s.net_shared_u_j is not None]
    net = mean_interval([j for _, j in known], us=us, shared_us=shared_us) if known else None
    by_trial_s = tuple(sample.latencies_s for sample in group.samples if sample.latencies_s)
    times_s = array("d", np.sort(np.concatenate([np.asarray(own) for own in by_trial_s])).tobytes())
    by_block: dict[Hashable, Cost] = {}
    for sample in group.samples:
        if sample.latencies_s:
            joules = net_per_unit(sample, idle_w)
            idle = idle_w.get(str(sample.labels["trial"]))
            cost = Cost(fmean(sample.latencies_s), None if joules is None else size * joules, idle)
            by_block[block_of(sample.labels)] = cost
    return Batch(size, times_s, weighted([(size, net)]) if net else None, by_trial_s, by_block)


def net_per_unit(sample: UnitSample, idle_w: Mapping[str, float]) -> float | None:
    """Return joules above the power of the waiting network, whatever baseline the sweep subtracts."""
    idle = idle_w.get(str(sample.labels["trial"]))
    if sample.gross_j is None or idle is None or not sample.units_per_s:
        return None
    return sample.gross_j - idle / sample.units_per_s


def _idle(samples: Iterable[UnitSample], idle_w: Mapping[str, float]) -> Interval | None:
    known = [idle_w[trial] for s in samples if (trial := str(s.labels["trial"])) in idle_w]
    return mean_interval(known) if known else None
