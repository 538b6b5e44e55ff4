"""What each method says of a trial, and what many trials say of the methods."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, median

from farm.energy import joules as energy
from farm.model import Flag, Measurement, Trace, WindowKind
from tests.benchmarks.accuracy.cases import Meters, settings_for
from tests.benchmarks.accuracy.virtual import Run, between, run_trial

#: Columns of the table; codecarbon's is a model of it, which `live.py` checks against the real one.
METHODS = ("ours", "counter difference", "10 Hz polling", "codecarbon*")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial's scores."""

    errors: Mapping[str, float]  #: |net - true net| / true net, by method
    covered: bool  #: our 95 % interval holds the truth
    half_width: float  #: of that interval, as a share of the true net
    flags: frozenset[Flag]


def outcome(meters: Meters, window_s: float, index: int) -> Outcome:
    """One trial of ours; where it changes what runs, to keep out of step with the sensor, the others get their own."""
    seed = f"{meters.name} {window_s} {index}"
    run = _run(meters, window_s, seed, knows_sensor=True)
    flags = frozenset(run.observed.events.flags)
    theirs = _run(meters, window_s, seed, knows_sensor=False) if Flag.ALIAS_RISK in flags else run
    ours, true_net_j = measured(run), run.true_net_j()
    if ours.net_j is None or ours.net_j_low is None or ours.net_j_high is None:
        raise RuntimeError(f"a trial without a net energy: {ours}")
    nets = {name: _error(net_j, theirs.true_net_j()) for name, net_j in peers(theirs).items()}
    return Outcome(
        errors={"ours": _error(ours.net_j, true_net_j), **nets},
        covered=ours.net_j_low <= true_net_j <= ours.net_j_high,
        half_width=(ours.net_j_high - ours.net_j_low) / 2 / true_net_j,
        flags=flags | frozenset(ours.flags),
    )


def _run(meters: Meters, window_s: float, seed: str, *, knows_sensor: bool) -> Run:
    random = Random(seed)
    batches = meters.draw(random)
    return run_trial(meters.preset, batches, settings_for(window_s), random, knows_sensor=knows_sensor)


def _error(net_j: float, true_net_j: float) -> float:
    return abs(net_j - true_net_j) / true_net_j


def measured(run: Run) -> Measurement:
    """Ours: what a report would say of the measure window."""
    seen = run.observed
    found = energy.measurements([run.window(WindowKind.MEASURE)], seen.trusted, seen.idle(run.baselines), run.settings)
    return found[0]


def peers(run: Run) -> dict[str, float]:
    """Net energies of the other methods; none of them subtracts an idle, so each is given the one that it can see."""
    window, idle = run.window(WindowKind.MEASURE), run.window(WindowKind.CONTEXT_IDLE)
    counter_j, power = run.moments.counter_j, run.observed.traces[1]
    counted_idle_j = between(counter_j, idle) / idle.duration_s * window.duration_s
    return {
        "counter difference": between(counter_j, window) - counted_idle_j,
        "10 Hz polling": (
            _mean_w(power, window.begin_at_ns, window.end_at_ns) - _mean_w(power, idle.begin_at_ns, idle.end_at_ns)
        )
        * window.duration_s,
        "codecarbon*": between(run.moments.codecarbon_j, window) - counted_idle_j,
    }


def _mean_w(power: Trace, begin_ns: int, end_ns: int) -> float:
    return fmean(r.power_w for r in power.readings if r.power_w is not None and begin_ns <= r.at_ns <= end_ns)


@dataclass(frozen=True, slots=True)
class Cell:
    """The trials of one kind of meters and one window length."""

    meters: Meters
    window_s: float
    outcomes: Sequence[Outcome]

    def median(self, method: str) -> float:
        """Of the relative error."""
        return median(o.errors[method] for o in self.outcomes)

    def p95(self, method: str) -> float:
        """95th percentile of the relative error: the smallest that 95 % of the trials do not exceed."""
        return p95([o.errors[method] for o in self.outcomes])

    @property
    def coverage(self) -> float:
        """The share of the trials whose interval holds the truth."""
        return fmean(o.covered for o in self.outcomes)

    @property
    def half_width(self) -> float:
        """Median of the interval's, as a share of the net."""
        return median(o.half_width for o in self.outcomes)

    def flagged(self, flag: Flag) -> int:
        """Trials with that flag."""
        return sum(flag in o.flags for o in self.outcomes)


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of all do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
