"""Ratios on one machine and over machines, and the best of several: coverage, width, false savings."""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, log
from statistics import fmean, median

import numpy as np

from farm.analysis.across import Comparison, Figure, compare
from farm.analysis.aggregate import Key, grouped
from farm.analysis.best import best_batches
from farm.analysis.intervals import Interval
from farm.analysis.ratios import Ratio
from tests.benchmarks import figures as shown
from tests.benchmarks.intervals.sweeps import Design, draw

#: Ratios of each design, about.
RATIOS = 4000
LEAST = 0.92
KEYS = ("model", "batch_size", "hardware_class", "machine")
#: On one machine: blocks disturb all points alike.
ONE = {
    f"{points} points, {blocks} blocks, {spreads}": Design(points, blocks, block=0.05, spreads=spreads)
    for points in (2, 9, 20)
    for blocks in (2, 3, 5, 10)
    for spreads in ("equal", "unequal")
}
#: Over machines whose true ratios differ.
MANY = {
    f"{machines} machines that differ by {between:.0%}": Design(4, 3, machines=machines, between=between, block=0.05)
    for machines in (3, 5, 8)
    for between in (0.0, 0.1)
}
SWEEPS_OF_EQUALS = 400


def figures() -> Iterator[shown.Figure]:
    """Measure coverage and width for each design, and how often the best of seven equal points saves energy."""
    for name, design in ONE.items():
        held, widths = _on_one_machine(design, np.random.default_rng(1))
        yield _coverage(f"ratio: {name}", held, f"blocks differ by 5 %; median half-width {median(widths):.1%}")
    _, widths = _on_one_machine(Design(9, 3, block=0.05), np.random.default_rng(2))
    yield shown.Figure(
        what="ratio: median half-width", value=100 * median(widths), unit="%", at_most=3.6,
        how="9 points of 2 % spread, 3 blocks that differ by 5 %",
    )  # fmt: skip
    for name, design in MANY.items():
        held, widths = _over_machines(design, np.random.default_rng(3))
        yield _coverage(f"ratio over {name}", held, f"3 blocks each; median half-width {median(widths):.0%}")
    for blocks in (2, 3, 5):
        false = _false_savings(Design(7, blocks, alike=True, block=0.05), np.random.default_rng(4))
        yield shown.Figure(
            what=f"best of seven equal ones is said to be the best, or to save, {blocks} blocks", unit="%", digits=1,
            value=100 * fmean(false), at_most=5.0, how=f"share of {SWEEPS_OF_EQUALS} sweeps, to the smallest batch",
        )  # fmt: skip


def _coverage(what: str, held: Sequence[bool], how: str) -> shown.Figure:
    return shown.Figure(
        what=f"{what}: holds the truth", value=100 * fmean(held), unit="%", digits=1, at_least=100 * LEAST, how=how
    )


def _compared(design: Design, rng: np.random.Generator) -> tuple[Comparison, Sequence[float]]:
    drawn = draw(design, rng)
    return compare(grouped(drawn.samples, KEYS), {"batch_size": "1"}, Figure.NET), drawn.truth_j


def _on_one_machine(design: Design, rng: np.random.Generator) -> tuple[list[bool], list[float]]:
    drawn = (_compared(design, rng) for _ in range(max(RATIOS // (design.points - 1), 1)))
    return _scores((cell.configuration, cell.ratio, truth_j) for found, truth_j in drawn for cell in found.cells)


def _over_machines(design: Design, rng: np.random.Generator) -> tuple[list[bool], list[float]]:
    """The truth is the mean of the log ratios in the population that the machines were drawn from."""
    drawn = (_compared(design, rng) for _ in range(RATIOS // design.points // 2))
    return _scores((one.configuration, one.ratio, truth_j) for found, truth_j in drawn for one in found.overall)


def _scores(ratios: Iterable[tuple[Key, Ratio | None, Sequence[float]]]) -> tuple[list[bool], list[float]]:
    """Return whether each ratio to point 0 holds the truth, and its half-width."""
    held, widths = [], []
    for configuration, ratio, truth_j in ratios:
        point = int(str(dict(configuration)["batch_size"])) - 1
        if point:
            low, high = _ends(ratio)
            held.append(low <= truth_j[point] / truth_j[0] <= high)
            widths.append(exp((log(high) - log(low)) / 2) - 1)
    return held, widths


def _ends(ratio: Ratio | None) -> tuple[float, float]:
    interval = Interval(1.0, None, None) if ratio is None else ratio.interval
    if interval.low is None or interval.high is None:
        raise RuntimeError("a ratio without an interval")
    return interval.low, interval.high


def _false_savings(design: Design, rng: np.random.Generator) -> Iterator[bool]:
    for _ in range(SWEEPS_OF_EQUALS):
        ((_, saving),) = best_batches(grouped(draw(design, rng).samples, ("model", "batch_size")))
        yield saving.is_clear is True or (saving.ratio.high or 1.0) < 1
