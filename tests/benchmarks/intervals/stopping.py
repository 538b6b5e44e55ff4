"""The stopping rule: trials until the target, and what the interval holds after looking again and again."""

from collections.abc import Iterator
from statistics import fmean

import numpy as np

from farm.analysis.stopping import statuses
from farm.model import JobSpec, StoppingRule
from tests.benchmarks.figures import Figure
from tests.benchmarks.intervals.sweeps import unit_sample
from tests.factories import job_spec

SWEEPS, POINTS = 200, 9
TARGET, MOST_TRIALS = 0.02, 20
#: Spread between trials, and the trials that a point may need on average.
SPREADS = {0.01: 3.2, 0.02: 5.0, 0.03: 9.0}


def figures() -> Iterator[Figure]:
    """Measure trials and coverage at each spread, with the fewest trials that the rule allows."""
    for spread, most in SPREADS.items():
        trials, held = measure(spread, np.random.default_rng(1))
        how = f"{SWEEPS} sweeps of {POINTS} points, target 2 %, at least 2 trials and at most {MOST_TRIALS}"
        what = f"stopping at {spread:.0%} spread"
        yield Figure(what=f"{what}: trials a point", value=fmean(trials), at_most=most, how=how)
        yield Figure(what=f"{what}: holds the truth", value=100 * fmean(held), unit="%", digits=1, at_least=92.0, how=how)


def measure(spread: float, rng: np.random.Generator) -> tuple[list[int], list[bool]]:
    """Return the trials of each point, and whether its last interval holds the truth."""
    rule = StoppingRule(min=2, max=MOST_TRIALS, target=TARGET)
    trials, held = [], []
    for _ in range(SWEEPS):
        specs: list[JobSpec] = []
        samples = []
        asking = list(range(POINTS))
        block = 0
        while asking:
            for point in asking:
                specs.append(_spec(point, block))
                samples.append(unit_sample(point, block, float(1 + spread * rng.normal())))
            block += 1
            if block < rule.min:
                continue
            found = statuses(specs, samples, rule)
            asking = [int(str(status.point["batch_size"])) - 1 for status in found if status.is_open]
        for status in found:
            trials.append(status.valid)
            interval = status.interval
            if interval is None or interval.low is None or interval.high is None:
                raise RuntimeError(f"a point that stopped after {status.valid} trials without an interval")
            held.append(interval.low <= 1 <= interval.high)
    return trials, held


def _spec(point: int, block: int) -> JobSpec:
    job = str(unit_sample(point, block, 1.0).labels["job"])
    return job_spec(job=job, repetition=block, point={"model": "alexnet", "batch_size": point + 1})
