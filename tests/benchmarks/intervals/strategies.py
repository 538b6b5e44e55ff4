"""Comparisons of strategies: two random searches must not differ, and a strategy that needs less must be found."""

from collections.abc import Iterator
from statistics import fmean

import numpy as np

from farm.kinds.tuning.comparison import BASELINE, comparisons
from farm.kinds.tuning.searches import Attempt, Configuration, Outcome, Study
from tests.benchmarks.figures import Figure

SWEEPS, CONFIGURATIONS = 400, 30
#: Shares of the configurations that all reach the best accuracy.
TIED = (0.0, 0.1, 0.2)
SEEDS = (6, 10, 20)
BEST = 0.99
OTHER = "other"
#: A strategy that draws configurations as random does, at this share of the joules.
CHEAPER = 0.5


def figures() -> Iterator[Figure]:
    """Measure false verdicts between two random searches, and verdicts on one that needs half."""
    for tied in TIED:
        for seeds in SEEDS:
            verdicts = [_verdict(seeds, tied, 1.0, seed) for seed in range(SWEEPS)]
            yield Figure(
                what=f"two random searches, {seeds} seeds, {tied:.0%} tied at the top: one needs less",
                value=100 * fmean(verdict != "unclear" for verdict in verdicts), unit="%", digits=1, at_most=5.0,
                how=f"share of {SWEEPS} sweeps of {CONFIGURATIONS} configurations a seed",
            )  # fmt: skip
    for seeds in SEEDS:
        verdicts = [_verdict(seeds, 0.1, CHEAPER, seed) for seed in range(SWEEPS)]
        yield Figure(
            what=f"a search that needs half the joules of random, {seeds} seeds: found", unit="%", digits=1,
            value=100 * fmean(verdict == "less" for verdict in verdicts), how="nothing is required: the rule's power",
        )  # fmt: skip


def _verdict(seeds: int, tied: float, factor: float, seed: int) -> str:
    rng = np.random.default_rng(seed)
    studies = [_study(name, s, tied, f, rng) for name, f in ((BASELINE, 1.0), (OTHER, factor)) for s in range(seeds)]
    (verdict,) = [found.verdict for found in comparisons(studies) if found.strategy == OTHER]
    return verdict


def _study(strategy: str, seed: int, tied: float, factor: float, rng: np.random.Generator) -> Study:
    configurations = []
    for number in range(CONFIGURATIONS):
        accuracy = BEST if rng.random() < tied else float(rng.beta(4, 2)) * BEST
        energy_j = float(100 * factor * rng.lognormal(0, 0.3))
        params = {"lr": number}
        attempt = Attempt(number, params, Outcome.COMPLETE, accuracy, energy_j)
        configurations.append(Configuration(number, params, (attempt,)))
    return Study((("dataset", "digits"),), strategy, seed, tuple(configurations))
