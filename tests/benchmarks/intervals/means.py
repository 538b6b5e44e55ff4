"""Means of the points of a sweep: how often the interval holds the truth, and how wide it is."""

from collections.abc import Iterator
from statistics import fmean, median

import numpy as np

from farm.analysis.aggregate import grouped
from tests.benchmarks.figures import Figure
from tests.benchmarks.intervals.sweeps import Design, draw

#: Synthetic sweeps of each design have together about so many points.
POINTS = 4000
LEAST, LEAST_NOISY = 0.92, 0.87
DESIGNS = {
    **{
        f"{points} points, {n} trials, {spreads}": Design(points, n, spreads=spreads)  # type: ignore[arg-type]
        for spreads in ("equal", "unequal", "outliers")
        for points in (4, 9, 20, 60)
        for n in (2, 3, 5)
    },
    **{f"9 points, {n} trials, blocks that differ by 2 %": Design(9, n, spread=0.01, block=0.02) for n in (3, 5)},
    **{f"shared error as large as its u, {n} trials": Design(9, n, spread=0.01, shared=0.01) for n in (3, 5, 10)},
}


def figures() -> Iterator[Figure]:
    """Measure coverage and width for each design."""
    for name, design in DESIGNS.items():
        held, noisy, widths = measure(design, np.random.default_rng(1))
        how = f"net energy of each point, 2 % spread on average; median half-width {median(widths):.1%}"
        yield Figure(
            what=f"mean: {name}: holds the truth", value=100 * fmean(held), unit="%", digits=1, at_least=100 * LEAST, how=how
        )
        if design.spreads == "unequal":
            how = "the quarter of the points of each sweep that truly spreads the most"
            yield Figure(
                what=f"mean: {name}: noisiest quarter", value=100 * fmean(noisy), unit="%", digits=1,
                at_least=100 * LEAST_NOISY, how=how,
            )  # fmt: skip
    *_, widths = measure(Design(9, 3), np.random.default_rng(2))
    how = "9 points of 2 % spread, 3 trials"
    yield Figure(what="mean: median half-width", value=100 * median(widths), unit="%", digits=2, at_most=3.0, how=how)


def measure(design: Design, rng: np.random.Generator) -> tuple[list[bool], list[bool], list[float]]:
    """Return whether the interval of each point holds the truth, the same for the noisiest, and half-widths."""
    held, noisy, widths = [], [], []
    for _ in range(max(POINTS // design.points, 1)):
        drawn = draw(design, rng)
        noisiest = drawn.noisiest()
        for point, group in enumerate(grouped(drawn.samples, ("model", "batch_size"))):
            interval = group.summary.net_j
            if interval is None or interval.low is None or interval.high is None:
                raise RuntimeError(f"a mean of {design.repetitions} trials without an interval")
            truth_j = drawn.truth_j[point]
            held.append(interval.low <= truth_j <= interval.high)
            widths.append((interval.high - interval.low) / 2 / truth_j)
            if point in noisiest:
                noisy.append(held[-1])
    return held, noisy, widths
