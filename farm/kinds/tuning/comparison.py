"""Comparison of strategies with random search: the joules of both until the same accuracy, paired by seed. Pure.

The accuracy is the median of the best ones that random reaches with the other seeds, so that the luck of a seed does
not choose its own target. The joules until then are censored where a search ends without it: the sides are compared
only up to the joules that both spent. Between two random searches a pair is as likely to turn out one way as the other.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import erfc, exp, fsum, inf, log, sqrt
from statistics import median
from typing import Literal

from farm.analysis import intervals
from farm.analysis.aggregate import Key
from farm.analysis.intervals import CONFIDENCE, Median
from farm.analysis.statistics.multiplicity import holm
from farm.kinds.tuning.searches import Step, Study
from farm.model import Scalar

BASELINE = "random"
SIGNIFICANCE = 1 - CONFIDENCE
#: Of so many pairs at most the test is exact: 200 take half a second, and ten times as many 1,000 times as long.
MOST_EXACT = 200


@dataclass(frozen=True, slots=True)
class SeedPair:
    """A strategy and random search with the same seed, until the same accuracy."""

    seed: Scalar
    target: float  #: median of the best accuracies of random with the other seeds
    own: Step | None  #: the step with which the strategy reaches the target; None: never (censored)
    random: Step | None
    both_j: float  #: joules that both spent: the total of the side that spent less

    @property
    def log_ratio(self) -> float:
        """Return the logarithm of the ratio of joules, strategy to random; 0 if neither is known to need less."""
        own_j, random_j = (self.both_j if s is None else min(s.joules, self.both_j) for s in (self.own, self.random))
        return log(own_j / random_j)


@dataclass(frozen=True, slots=True)
class StrategyComparison:
    """Comparison of one strategy with random search over seeds."""

    workload: Key
    strategy: str
    pairs: tuple[SeedPair, ...]  #: one for each seed that both have, if all trainings were metered
    p: float | None  #: exact signed-rank test of the ratios, Holm over a workload's strategies; None: random itself
    needed: int  #: fewest seeds with which a verdict on so many strategies is possible

    @property
    def reached(self) -> int:
        """Return the number of seeds with which the strategy reaches the target."""
        return sum(pair.own is not None for pair in self.pairs)

    @property
    def cheaper(self) -> int:
        """Return the number of seeds with which the strategy needs fewer joules than random."""
        return sum(pair.log_ratio < 0 for pair in self.pairs)

    @property
    def decided(self) -> int:
        """Return the number of seeds with which one side is known to need fewer joules."""
        return sum(pair.log_ratio != 0 for pair in self.pairs)

    @property
    def trials(self) -> float:
        """Return the median number of trials until the target; infinite: most seeds never reach it."""
        return median(inf if pair.own is None else pair.own.trials for pair in self.pairs)

    @property
    def ratio(self) -> Median:
        """Return the median ratio of joules until the target, each side counted up to what both spent."""
        return intervals.median([exp(pair.log_ratio) for pair in self.pairs])

    @property
    def verdict(self) -> Literal["less", "more", "unclear"]:
        """Return what may be claimed about the energy of the strategy."""
        if self.p is None or self.p >= SIGNIFICANCE:
            return "unclear"
        return "less" if fsum(pair.log_ratio for pair in self.pairs) < 0 else "more"


def comparisons(studies: Iterable[Study]) -> list[StrategyComparison]:
    """Compare every strategy with random search on each workload that has both; random comes first, without a test.

    Nothing is compared with a single seed of random, which leaves no other seed for a target.
    """
    groups: dict[Key, dict[str, dict[Scalar, Study]]] = defaultdict(lambda: defaultdict(dict))
    for study in studies:
        groups[study.workload][study.strategy][study.seed] = study
    return [
        comparison for workload, by_strategy in groups.items() for comparison in _comparisons(workload, by_strategy)
    ]


def _comparisons(workload: Key, by_strategy: Mapping[str, Mapping[Scalar, Study]]) -> list[StrategyComparison]:
    random = by_strategy.get(BASELINE, {})
    targets = _targets(random)
    paired = {
        strategy: tuple(
            pair
            for seed, study in own.items()
            if seed in targets and (pair := _pair(study, random[seed], targets[seed])) is not None
        )
        for strategy, own in sorted(by_strategy.items(), key=lambda item: item[0] != BASELINE)
    }
    known = {strategy: pairs for strategy, pairs in paired.items() if pairs}
    tested = {name: signed_rank_p([p.log_ratio for p in pairs]) for name, pairs in known.items() if name != BASELINE}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    needed = seeds_needed(len(tested))
    return [
        StrategyComparison(workload, strategy, pairs, corrected.get(strategy), needed)
        for strategy, pairs in known.items()
    ]


def _targets(random: Mapping[Scalar, Study]) -> dict[Scalar, float]:
    """Return for each seed the median of the best accuracies that random reaches with the others."""
    best = {seed: study.best_accuracy for seed, study in random.items()}
    others = {seed: [b for other, b in best.items() if other != seed and b is not None] for seed in best}
    return {seed: median(values) for seed, values in others.items() if values}


def _pair(study: Study, random: Study, target: float) -> SeedPair | None:
    """Return two studies of one seed; None if an energy is unknown, or not above 0 and so without a ratio."""
    own_j, random_j = study.total_j, random.total_j
    if own_j is None or random_j is None or not (study.is_metered and random.is_metered):
        return None
    pair = SeedPair(study.seed, target, study.until(target), random.until(target), min(own_j, random_j))
    joules = [pair.both_j, *(step.joules for step in (pair.own, pair.random) if step is not None)]
    return pair if min(joules) > 0 else None


def seeds_needed(tests: int) -> int:
    """Return the fewest seeds with which one of several strategies can differ from random at the 5 % level."""
    return next(n for n in count(1) if signed_rank_p([1.0] * n) * max(tests, 1) < SIGNIFICANCE)


def signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p value of Wilcoxon's signed-rank test; differences of 0 are left out.

    Equal differences share their mean rank, and the signs of these ranks are permuted: so it is exact with ties too.
    Of more than `MOST_EXACT` differences the sum of the ranks counts as normal: the exact way takes n^3 steps.
    """
    known = [difference for difference in differences if difference]
    sizes = sorted(map(abs, known))
    doubled = [bisect_left(sizes, abs(d)) + bisect_right(sizes, abs(d)) + 1 for d in known]  # twice the mean rank
    below = sum(rank for rank, d in zip(doubled, known, strict=True) if d < 0)
    smaller = min(below, sum(doubled) - below)
    if len(known) > MOST_EXACT:
        deviation = sqrt(sum(rank**2 for rank in doubled)) / 2
        return min(erfc((sum(doubled) / 2 - smaller - 1) / deviation / sqrt(2)), 1.0)  # 1: half of a doubled rank
    ways = [1]  # of choosing signs, by the sum of the ranks that are negative
    for rank in doubled:
        ways = [a + b for a, b in zip(ways + [0] * rank, [0] * rank + ways, strict=True)]
    return min(2 * sum(ways[: smaller + 1]) / sum(ways), 1.0)
