"""What a trial takes besides its windows: spawn, imports, set-up, teardown, report, claim and fetching the next."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from statistics import median

from farm.model import MeasurementRow, TrialRow, WindowKind
from tests.benchmarks.farms import new_farm
from tests.benchmarks.figures import Figure

TRIALS = 9
GUARD_S = 0.1
AT_MOST_S = 1.0
SWEEP = f"""
name: overhead
kind: inference
workload: {{model: shufflenet_v2_x0_5, batch_size: 1, device: cpu}}
measure: {{profile: quick, window_s: 0.5, idle_s: 0.5, context_idle_s: 0.3, warmup_s: 0.3, latency_s: 0.3,
           guard_s: {GUARD_S}}}
repetitions: {TRIALS}
"""


def figures() -> Iterator[Figure]:
    """From a real `farm run` of one network, its repetitions one after another."""
    with new_farm() as farm:
        farm.run("run", str(farm.sweep(SWEEP)))
        with farm.store() as store:
            sweep_id = store.find_sweep().id
            trials = sorted((row for row in store.trial_rows(sweep_id) if row.started_at_utc), key=_started)
            windows = list(store.measurement_rows(sweep_id))
    if len(trials) != TRIALS or any(trial.failure for trial in trials):
        raise RuntimeError(f"{TRIALS} trials should have measured: {[trial.failure for trial in trials]}")
    periods_s = [
        (_started(after) - _started(before)).total_seconds() - _windows_s(before, windows)
        for before, after in pairwise(trials[1:])
    ]
    own_s = [trial.overhead_s for trial in trials[1:] if trial.overhead_s is not None]
    yield Figure(
        what="overhead of a trial, shufflenet_v2_x0_5 on CPU",
        value=median(periods_s),
        unit="s",
        at_most=AT_MOST_S,
        how=(
            "`farm run`: from the start of one trial to the start of the next, less the first one's idle, context, "
            f"warm-up, measure (with guards) and latency windows; median of {len(periods_s)}, "
            f"{min(periods_s):.2f} to {max(periods_s):.2f} s, without the worker's first trial"
        ),
    )
    yield Figure(
        what="of which inside the trial's own account",
        value=median(own_s) if own_s else None,
        unit="s",
        how=f"`overhead_s` of the same trials: without claim, report and fetching; median of {len(own_s)}",
    )


def _started(trial: TrialRow) -> datetime:
    if trial.started_at_utc is None:
        raise RuntimeError(f"trial {trial.trial} has no start")
    return trial.started_at_utc


def _windows_s(trial: TrialRow, rows: list[MeasurementRow]) -> float:
    """The time in which a trial measured; an idle that it shares with the trial before is not its own."""
    windows = {
        row.begin_at_ns: row
        for row in rows
        if row.trial == trial.trial
        and row.window != WindowKind.SETUP
        and row.started_at_utc is not None
        and row.started_at_utc >= _started(trial)
    }
    guards_s = sum(2 * GUARD_S for row in windows.values() if row.window == WindowKind.MEASURE)
    return sum(row.duration_s or 0.0 for row in windows.values()) + guards_s
