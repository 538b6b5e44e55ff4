"""Trials of a regime against the truth, and what many of them say."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, median

from farm.model import Flag, Measurement, TrialReport, WindowKind
from tests.benchmarks.accuracy.cases import SENSORS, Regime
from tests.benchmarks.accuracy.methods import peers
from tests.benchmarks.accuracy.virtual import Run, Worker

#: The stated 95 % interval has to hold the truth in so many of the trials, ...
COVERAGE = (0.92, 0.99)
#: ... and its half-width must not be more than so many times the 95th percentile of the error.
LARGEST_RATIO = 4.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial's scores."""

    error: float  #: (net - true net) / true net
    is_covered: bool  #: our 95 % interval holds the truth
    half_width: float  #: of that interval, as a share of the true net
    flags: frozenset[Flag]
    theirs: Mapping[str, float]  #: |net - true net| / true net, by method; empty where they were not tried


def outcomes(regime: Regime, index: int, batch_s: float | None = None) -> list[Outcome]:
    """The trials of one worker; where ours keeps out of step with the sensor, the others get their own worker.

    Args:
        regime: The board, its meters, and how the worker measures.
        index: The worker's number, which is its seed.
        batch_s: The batch period of all trials; None: each draws its own.
    """
    ours = _runs(regime, index, batch_s, keeps_out_of_step=True)
    if regime.meters not in SENSORS or regime.kind is not WindowKind.MEASURE:
        return [_scored(run, regime.kind, {}) for run in ours]
    theirs = _runs(regime, index, batch_s, keeps_out_of_step=False) if regime.meters.is_resonant else ours
    return [
        _scored(run, regime.kind, {name: abs(_error(j, other.true_net_j())) for name, j in peers(other).items()})
        for run, other in zip(ours, theirs, strict=True)
    ]


def _runs(regime: Regime, index: int, batch_s: float | None, *, keeps_out_of_step: bool) -> list[Run]:
    random = Random(f"{regime.meters} {regime.window_s} {regime.baseline} {index} {batch_s}")
    meters = regime.meters.board(random)
    worker = Worker(meters, random, keeps_out_of_step=keeps_out_of_step)
    runs = []
    for number in range(regime.unscored + regime.scored):
        if number == regime.unscored:
            worker.clock.board.warm_room(regime.warms_c)
            worker.clock.sleep(regime.rests_s)
        runs.append(worker.trial(meters.draw(random, regime.window_s, batch_s), regime.settings))
    return runs[regime.unscored :]


def _scored(run: Run, kind: WindowKind, theirs: Mapping[str, float]) -> Outcome:
    ours, true_j = measured(run.report, kind), run.true_net_j(kind)
    if ours.net_j is None or ours.net_j_low is None or ours.net_j_high is None:
        return Outcome(math.nan, False, math.nan, frozenset(ours.flags), theirs)
    return Outcome(
        error=_error(ours.net_j, true_j),
        is_covered=ours.net_j_low <= true_j <= ours.net_j_high,
        half_width=(ours.net_j_high - ours.net_j_low) / 2 / true_j,
        flags=frozenset((*run.report.flags, *ours.flags)),
        theirs=theirs,
    )


def measured(report: TrialReport, kind: WindowKind) -> Measurement:
    """What a report says of its window of a kind."""
    return next(m for m in report.measurements if m.window_kind is kind)


def _error(net_j: float, true_net_j: float) -> float:
    return (net_j - true_net_j) / true_net_j


@dataclass(frozen=True, slots=True)
class Cell:
    """The trials of a regime; those without joules are counted, and left out."""

    regime: Regime
    outcomes: Sequence[Outcome]
    refused: int = 0  #: trials without joules: a flag says so

    @property
    def bias(self) -> float:
        """Mean error."""
        return fmean(o.error for o in self.outcomes)

    def quantile(self, share: float, method: str = "ours") -> float:
        """The smallest error, without its sign, that so many of the trials do not exceed."""
        return quantile([abs(o.error) if method == "ours" else o.theirs[method] for o in self.outcomes], share)

    @property
    def coverage(self) -> float:
        """The share of the trials whose interval holds the truth."""
        return fmean(o.is_covered for o in self.outcomes)

    @property
    def half_width(self) -> float:
        """Median of the interval's, as a share of the net."""
        return median(o.half_width for o in self.outcomes)

    @property
    def ratio(self) -> float:
        """Half-width over the 95th percentile of the error."""
        return self.half_width / self.quantile(0.95)

    @property
    def unmet(self) -> list[str]:
        """The goals that the cell misses, by more than chance explains: two standard errors of the goal itself."""
        (low, high), trials = COVERAGE, len(self.outcomes)
        is_held = low - 2 * chance(low, trials) <= self.coverage <= high + 2 * chance(high, trials)
        return ["coverage"] * (not is_held) + ["width"] * (self.ratio > LARGEST_RATIO)

    @property
    def flags(self) -> Mapping[Flag, int]:
        """How many trials have each flag."""
        return Counter(flag for o in self.outcomes for flag in sorted(o.flags))


def cell_of(regime: Regime, found: Iterable[Sequence[Outcome]]) -> Cell:
    """What the workers of a regime found."""
    every = [outcome for own in found for outcome in own]
    known = [outcome for outcome in every if not math.isnan(outcome.error)]
    return Cell(regime, known, len(every) - len(known))


def chance(coverage: float, trials: int) -> float:
    """The standard error of a coverage that so many independent trials show."""
    return math.sqrt(coverage * (1 - coverage) / trials)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
