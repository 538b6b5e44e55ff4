"""The stopping rule: trials until the target, and what the interval holds after looking again and again."""

from collections.abc import Iterator, Sequence
from math import log
from statistics import fmean

import numpy as np

from farm.analysis.across import Figure, blocked_samples
from farm.analysis.aggregate import UnitSample, grouped
from farm.analysis.statistics.pairs import of_logs
from farm.analysis.stopping import statuses
from farm.model import Repetition, StoppingRule
from tests.benchmarks import figures as shown
from tests.benchmarks.intervals.sweeps import unit_sample

SWEEPS, POINTS = 400, 9
TARGET, MOST_TRIALS = 0.02, 20
#: Spread between trials, and the trials that a point may need on average.
SPREADS = {0.01: 3.2, 0.02: 5.0, 0.03: 9.0}


def figures() -> Iterator[shown.Figure]:
    """Measure trials and coverage at each spread, with the fewest trials that the rule allows."""
    for spread, most in SPREADS.items():
        trials, held, false = measure(spread, np.random.default_rng(1))
        how = f"{SWEEPS} sweeps of {POINTS} points, target 2 %, at least 2 trials and at most {MOST_TRIALS}"
        what = f"stopping at {spread:.0%} spread"
        yield shown.Figure(what=f"{what}: trials a point", value=fmean(trials), at_most=most, how=how)
        yield shown.Figure(
            what=f"{what}: holds the truth", value=100 * fmean(held), unit="%", digits=1, at_least=92.0, how=how
        )
        for name, found in false.items():
            what = f"stopping at {spread:.0%} spread: {name} of equal points differs"
            yield shown.Figure(
                what=what, value=100 * fmean(found), unit="%", digits=1, at_most=6.0, how=f"{how}; 5 % is nominal"
            )


def measure(spread: float, rng: np.random.Generator) -> tuple[list[int], list[bool], dict[str, list[bool]]]:
    """Return the trials of each point, whether its last interval holds the truth, and false differences of points."""
    rule = StoppingRule(min=2, max=MOST_TRIALS, target=TARGET)
    trials, held = [], []
    false: dict[str, list[bool]] = {"the ratio": [], "the test (farm analyze)": []}
    for _ in range(SWEEPS):
        places: list[Repetition] = []
        samples = []
        asking = list(range(POINTS))
        block = 0
        while asking:
            for point in asking:
                places.append(_place(point, block))
                samples.append(unit_sample(point, block, float(1 + spread * rng.normal())))
            block += 1
            if block < rule.min:
                continue
            found = statuses(places, samples, rule)
            asking = [int(str(status.point["batch_size"])) - 1 for status in found if status.is_open]
        for status in found:
            trials.append(status.valid)
            interval = status.interval
            if interval is None or interval.low is None or interval.high is None:
                raise RuntimeError(f"a point that stopped after {status.valid} trials without an interval")
            held.append(interval.low <= 1 <= interval.high)
        for ratio, test in _of_pairs(samples, rule):
            false["the ratio"].append(ratio)
            false["the test (farm analyze)"].append(test)
    return trials, held, false


def _of_pairs(samples: Sequence[UnitSample], rule: StoppingRule) -> Iterator[tuple[bool, bool]]:
    """Yield whether two points differ at the 5 % level: by their ratio within blocks, and by the test of their logs."""
    groups = grouped(samples, ("batch_size",))
    blocks = blocked_samples(((group.summary.key, group.samples) for group in groups), Figure.NET)
    for a, b in zip(groups[::2], groups[1::2], strict=False):
        ratio = blocks.ratio(b.summary.key, a.summary.key)
        logs = [[log(s.net_j or 0.0) for s in group.samples] for group in (a, b)]
        first = [[log(s.net_j or 0.0) for s in g.samples if rule.is_planned(s.labels["repetition"])] for g in (a, b)]
        pair = of_logs(logs[0], logs[1], planned=(first[0], first[1]))
        yield ratio is not None and (ratio.p or 0.0) < 0.05, (pair.p or 0.0) < 0.05


def _place(point: int, block: int) -> Repetition:
    job = str(unit_sample(point, block, 1.0).labels["job"])
    return Repetition(job, "any", {"model": "alexnet", "batch_size": point + 1}, block, block)
