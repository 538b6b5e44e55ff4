"""Ratios of configurations that one machine measured in randomised blocks, on logarithms. Pure.

A block is one repetition of a sweep on one machine: what disturbs a machine for an hour disturbs all configurations of
the block alike. So the logarithm of a figure is the effect of its block, plus that of its configuration, plus an error,
and a ratio rests on the blocks that hold both of its sides. Errors that all trials of a machine share, such as the gain
of its meter, cancel in a ratio and are not added. What the residuals of a configuration say of its spread is moderated
by what those of all configurations say (see `COMMON_FREEDOM`).
"""

from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, compress
from math import exp, floor, inf, log, sqrt
from statistics import fmean, variance
from sys import float_info
from typing import Generic, TypeVar

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.moderation import Spread
from farm.analysis.quantiles import t_probability, t_quantile

K = TypeVar("K", bound=Hashable)
#: The variance of all configurations counts as much as this many degrees of freedom of one configuration, and as
#: 1.5 for each block after the first where there are fewer. In simulations of 3 to 20 configurations in 2 to 10
#: blocks, intervals then cover 91 to 99 %, whether spreads are equal or differ by a factor of 4; with the common
#: variance alone the noisiest quarter covers 74 to 88 %, with each pair's own alone intervals are twice as wide.
COMMON_FREEDOM = 3.0
_COMMON_PER_BLOCK = 1.5
#: Two machines are no sample of machines: an interval over them would be as wide as their difference times nine.
MACHINES_NEEDED = 3
#: Ranks compare every two configurations: of 30,000 that would take hours and 100 GB.
MOST_RANKED = 1000
#: Rounding makes logarithms of equal values differ by less.
_ROUNDING = 1e-12
#: The fit of blocks and configurations ends after so many rounds; only tables with many gaps need more than a few.
_ROUNDS = 100
#: Degrees of freedom are rounded down to a tenth, so that many pairs share a quantile.
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of one configuration to another."""

    log: float
    u: float | None  #: standard uncertainty of the logarithm; None: fewer than two blocks, or values that never differ
    freedom: float  #: degrees of freedom of u
    blocks: int  #: blocks, or machines, that it rests on; of unpaired sides, those of the side with fewer
    is_paired: bool = True  #: False: no block holds both sides, so the spread between blocks is part of u

    @property
    def value(self) -> float:
        """The ratio itself."""
        return antilog(self.log)

    @property
    def interval(self) -> Interval:
        """The ratio with its 95 % interval."""
        return self.among(1)

    def among(self, comparisons: int) -> Interval:
        """Return the interval that is one of several: all of them hold the truth at once in 95 % (Bonferroni)."""
        if self.u is None:
            return Interval(self.value, None, None)
        half = _t(comparisons, self.freedom) * self.u
        return Interval(self.value, antilog(self.log - half), antilog(self.log + half))

    @property
    def p(self) -> float | None:
        """The probability of a ratio at least as far from 1 if it were 1."""
        if self.u is None:
            return None
        return 1.0 if self.u == 0 else 2 * (1 - t_probability(abs(self.log) / self.u, self.freedom))


@dataclass(frozen=True, slots=True)
class Blocked(Generic[K]):
    """The logarithms of one figure on one machine, by configuration and block, with the spread of each."""

    logs: Mapping[K, Mapping[Hashable, float]]
    blocks: Mapping[K, frozenset[Hashable]]  #: equal sets are one object, so that they are quickly compared
    means: Mapping[K, float]
    effects: Mapping[K, float]  #: means with the effects of blocks taken off, which matter where a block has gaps
    spreads: Mapping[K, Spread]  #: of a single value, once the effect of its block is taken off
    freedom: float  #: degrees of freedom of all residuals

    def ratio(self, of: K, to: K) -> Ratio | None:
        """Return the ratio of one configuration to another; None if one is unknown, or not above 0 in every trial."""
        a, b = self.logs.get(of), self.logs.get(to)
        if a is None or b is None:
            return None
        if of == to:
            return Ratio(0.0, 0.0, inf, len(a))
        if self.blocks[of] is self.blocks[to]:
            return self._paired(self.means[of] - self.means[to], len(a), of, to)
        shared = self.blocks[of] & self.blocks[to]
        if not shared:
            return _unpaired(list(a.values()), list(b.values()))
        return self._paired(fmean(a[block] - b[block] for block in shared), len(shared), of, to)

    def _paired(self, difference: float, blocks: int, of: K, to: K) -> Ratio:
        if blocks < 2 or not self.freedom:
            return Ratio(difference, None, 0.0, blocks)
        a, b = self.spreads[of], self.spreads[to]
        total = a.variance + b.variance
        freedom = total**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)  # Satterthwaite (1946)
        return Ratio(difference, sqrt(total / blocks), _rounded(min(freedom, self.freedom)), blocks)

    def mean_ratio(self, ratios: Sequence[Ratio]) -> Ratio:
        """Return the geometric mean of ratios of different configurations."""
        return self._combined([(1 / len(ratios), ratio) for ratio in ratios])

    def divide(self, ratio: Ratio, by: Ratio) -> Ratio:
        """Return the ratio of two ratios of different configurations."""
        return self._combined([(1.0, ratio), (-1.0, by)])

    def _combined(self, parts: Sequence[tuple[float, Ratio]]) -> Ratio:
        """Return a weighted sum of logarithms, with no more degrees of freedom than the residuals have."""
        total, blocks = sum(weight * ratio.log for weight, ratio in parts), min(ratio.blocks for _, ratio in parts)
        are_paired = all(ratio.is_paired for _, ratio in parts)
        known = [((weight * ratio.u) ** 2, ratio.freedom) for weight, ratio in parts if ratio.u]
        if len(known) < len(parts):
            return Ratio(total, None, 0.0, blocks, are_paired)
        u, freedom = _summed(known)
        return Ratio(total, u, _rounded(min(freedom, self.freedom if are_paired else inf)), blocks, are_paired)

    def ranks(self) -> dict[K, int | None]:
        """Return 1 + the number of configurations that are surely less.

        It is None where one block shows no spread, and for all of more than `MOST_RANKED` configurations.
        """
        several = [key for key, logs in self.logs.items() if len(logs) > 1] if self.freedom else []
        if len(several) > MOST_RANKED:
            return dict.fromkeys(self.logs)
        pairs = ((a, b, self.ratio(a, b)) for a, b in combinations(several, 2))
        found = ranks(((a, b), ratio) for a, b, ratio in pairs if ratio is not None)
        return dict.fromkeys(self.logs) | {key: found.get(key, 1) for key in several}


def blocked(values: Iterable[tuple[K, Hashable, float]]) -> Blocked[K]:
    """Group values of one machine by configuration and block, and estimate their spread.

    Several values of a configuration in one block count as one: their geometric mean. A configuration with a value of
    0 or less has no logarithms, so it is left out: it lies within its noise.
    """
    cells: dict[K, dict[Hashable, list[float]]] = defaultdict(lambda: defaultdict(list))
    for key, block, value in values:
        cells[key][block].append(value)
    logs = {
        key: {
            block: log(several[0]) if len(several) == 1 else fmean(map(log, several)) for block, several in own.items()
        }
        for key, own in cells.items()
        if min(map(min, own.values())) > 0
    }
    effects, squares, freedoms = _fit(logs)
    freedom = sum(freedoms.values())
    common = sum(squares.values()) / freedom if freedom > _ROUNDING else 0.0
    spreads = {key: _moderated(squares[key], freedoms[key], common, len(own)) for key, own in logs.items()}
    is_known = common > _ROUNDING**2
    means = {key: fmean(own.values()) for key, own in logs.items()}
    sets: dict[frozenset[Hashable], frozenset[Hashable]] = {}
    blocks = {key: sets.setdefault(one, one) for key, own in logs.items() for one in [frozenset(own)]}
    return Blocked(logs, blocks, means, effects, spreads, freedom if is_known else 0.0)


def _fit(logs: Mapping[K, Mapping[Hashable, float]]) -> tuple[dict[K, float], dict[K, float], dict[K, float]]:
    """Return effect, sum of squared residuals and degrees of freedom of each configuration, by least squares.

    Each value has (1 - 1 / configurations of its block) (1 - 1 / blocks of its configuration) degrees of freedom.
    """
    effects = {key: fmean(own.values()) for key, own in logs.items()}
    blocks: dict[Hashable, list[tuple[K, float]]] = defaultdict(list)
    for key, own in logs.items():
        for block, value in own.items():
            blocks[block].append((key, value))
    for _ in range(_ROUNDS):
        of_block = {block: fmean(value - effects[key] for key, value in own) for block, own in blocks.items()}
        found = {key: fmean(value - of_block[block] for block, value in own.items()) for key, own in logs.items()}
        moved = max((abs(found[key] - effects[key]) for key in found), default=0.0)
        effects = found
        if moved < _ROUNDING:
            break
    squares = {
        key: sum((value - effects[key] - of_block[block]) ** 2 for block, value in own.items())
        for key, own in logs.items()
    }
    shares = {block: 1 - 1 / len(own) for block, own in blocks.items()}
    freedoms = {key: (1 - 1 / len(own)) * sum(shares[block] for block in own) for key, own in logs.items()}
    return effects, squares, freedoms


def _moderated(squares: float, freedom: float, common: float, blocks: int) -> Spread:
    """Return the spread of a configuration between its own and the common one."""
    prior = min(COMMON_FREEDOM, _COMMON_PER_BLOCK * (blocks - 1))
    return Spread((squares + prior * common) / (freedom + prior) if prior else common, freedom + prior)


def _unpaired(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """Return the ratio of two sides without a common block, by Welch."""
    difference, blocks = fmean(a) - fmean(b), min(len(a), len(b))
    if blocks < 2:
        return Ratio(difference, None, 0.0, blocks, is_paired=False)
    u, freedom = _summed([(variance(side) / len(side), len(side) - 1) for side in (a, b)])
    return Ratio(difference, u if u > _ROUNDING else None, _rounded(freedom), blocks, is_paired=False)


def _summed(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the root of a sum of variances, and its degrees of freedom by Satterthwaite (1946)."""
    total = sum(squared for squared, _ in parts)
    weighted = sum(squared**2 / freedom for squared, freedom in parts)
    return sqrt(total), total**2 / weighted if weighted else 0.0


def _rounded(freedom: float) -> float:
    return floor(freedom * _TENTHS + _ROUNDING) / _TENTHS


def over_machines(ratios: Sequence[Ratio]) -> Ratio:
    """Return the geometric mean of a ratio over machines, as a sample of machines: it may differ between them.

    Hartung and Knapp's interval for random effects (2001, Statistics in Medicine 20:3875), with t of one degree of
    freedom less than machines. Machines weigh the same: weights by uncertainties that rest on a few blocks make the
    interval too narrow (84 to 93 % in simulations of 3 to 8 machines; equal ones hold 93 to 97 %).
    """
    logs = [ratio.log for ratio in ratios]
    n = len(logs)
    if n < MACHINES_NEEDED:
        return Ratio(fmean(logs), None, 0.0, n)
    return Ratio(fmean(logs), sqrt(variance(logs) / n), n - 1, n)


def ranks(ratios: Iterable[tuple[tuple[K, K], Ratio]]) -> dict[K, int]:
    """Return 1 + the number of configurations that are surely less than each, from the ratios of all pairs."""
    found: dict[K, int] = {}
    greater: list[K] = []  # of each pair

    def noted() -> Iterator[Ratio]:
        for (a, b), ratio in ratios:
            found.update({key: 1 for key in (a, b) if key not in found})
            greater.append(a if ratio.log > 0 else b)
            yield ratio

    for key in compress(greater, sure(noted())):
        found[key] += 1
    return found


def sure(ratios: Iterable[Ratio]) -> list[bool]:
    """Return which ratios surely differ from 1; the chance of even one false claim is at most 5 % (Holm).

    There are many ratios, so only their numbers are kept.
    """
    logs, us, freedoms = array("d"), array("d"), array("d")
    for ratio in ratios:
        logs.append(abs(ratio.log))
        us.append(ratio.u or 0.0)
        freedoms.append(ratio.freedom)
    are_apart = bytearray(len(logs))
    left = array("L", (place for place, u in enumerate(us) if u))
    while left:
        most = len(left)
        for place in left:
            are_apart[place] = logs[place] > _t(most, freedoms[place]) * us[place]
        left = array("L", (place for place in left if not are_apart[place]))
        if len(left) == most:
            break
    return list(map(bool, are_apart))


def _t(comparisons: int, freedom: float) -> float:
    return t_quantile(1 - (1 - CONFIDENCE) / 2 / comparisons, freedom)


def antilog(value: float) -> float:
    """Return exp(x), or the largest float where that overflows."""
    return exp(min(value, log(float_info.max)))
