"""Batch periods against a sensor that sees a quarter of the time: where does the interval miss the truth?

A coverage of a few trials is uncertain, so there are two rounds. The first asks every period for few trials. Those that
missed the truth even once, or were chosen against the sensor, are asked for many more, and these alone count: else the
worst of 200 would be so by chance.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import repeat

from tests.benchmarks.accuracy.cases import ADVERSARIAL_S, OFF_RESONANCE, Regime, grid_s
from tests.benchmarks.accuracy.scores import Cell, cell_of, outcomes

#: The interval has to hold the truth in so many of the trials of every period.
LEAST = 0.85
#: Trials of a period: one worker at first, four more where that one missed the truth.
FIRST = Regime("batch periods", OFF_RESONANCE, 5.0, workers=1, unscored=2, scored=12)
AGAIN = replace(FIRST, workers=4, scored=15)


@dataclass(frozen=True, slots=True)
class Period:
    """What the trials with one batch period say."""

    batch_s: float
    is_adversarial: bool
    first: Cell
    again: Cell | None

    @property
    def cell(self) -> Cell:
        """The trials that count."""
        return self.again or self.first


def periods(pool: Executor) -> list[Period]:
    """Try the grid, and the periods that were chosen against the sensor."""
    chosen = [*ADVERSARIAL_S, *grid_s()]
    first = _cells(pool, FIRST, chosen)
    missed = [s for s, cell in zip(chosen, first, strict=True) if s in ADVERSARIAL_S or cell.coverage < 1]
    again = dict(zip(missed, _cells(pool, AGAIN, missed), strict=True))
    return [
        Period(batch_s, index < len(ADVERSARIAL_S), cell, again.get(batch_s))
        for index, (batch_s, cell) in enumerate(zip(chosen, first, strict=True))
    ]


def _cells(pool: Executor, regime: Regime, batches_s: Sequence[float]) -> list[Cell]:
    """The trials of each period; in the second round the workers are others."""
    workers = range(regime.scored, regime.scored + regime.workers)
    asked = [(worker, batch_s) for batch_s in batches_s for worker in workers]
    numbers, each_s = [worker for worker, _ in asked], [batch_s for _, batch_s in asked]
    found = list(pool.map(outcomes, repeat(regime), numbers, each_s, chunksize=2))
    per = regime.workers
    return [cell_of(regime, found[i * per : (i + 1) * per]) for i in range(len(batches_s))]
