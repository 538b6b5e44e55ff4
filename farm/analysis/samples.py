"""From the store's rows to samples: one a trial, in the domain of the device that did the work."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farm.analysis.aggregate import Sample
from farm.energy import COVERAGE_FACTOR
from farm.model import Domain, Scalar, WindowKind
from farm.store import MeasurementRow, TrialRow


@dataclass(frozen=True, slots=True)
class _Joules:
    gross_j: float
    net_j: float | None
    net_u_j: float | None


def samples(trials: Iterable[TrialRow], rows: Iterable[MeasurementRow], domain: Domain | None = None) -> list[Sample]:
    """One sample a trial that measured; None as domain means each trial's own device."""
    by_trial: dict[str, list[MeasurementRow]] = defaultdict(list)
    for row in rows:
        if row.window == WindowKind.MEASURE:
            by_trial[row.trial].append(row)
    measured = (t for t in trials if t.failure is None)
    return [_sample(t, by_trial[t.trial], domain or device_domain(t)) for t in measured if by_trial[t.trial]]


def device_domain(trial: TrialRow) -> Domain:
    """Where the trial's device draws its power."""
    return Domain.GPU if str(trial.facts.get("device", "cpu")).startswith("cuda") else Domain.CPU


def labels(trial: TrialRow) -> dict[str, Scalar]:
    """What trials may be grouped by."""
    return {
        **trial.factors,
        "device": str(trial.facts.get("device", trial.factors.get("device"))),
        "machine": trial.machine,
        "hardware_class": trial.hardware_class,
        "environment": trial.environment,
        "sweep": trial.sweep,
        "repetition": trial.repetition,
    }


def _sample(trial: TrialRow, rows: Sequence[MeasurementRow], domain: Domain) -> Sample:
    windows = {r.window_index: r for r in rows}  # every domain has the same windows
    units = sum(r.units or 0 for r in windows.values())
    metered = [r for r in rows if r.domain == domain]
    joules = _joules(metered)
    worst = max((r.quality for r in metered if r.quality), key=lambda q: q.rank, default=None)
    return Sample(
        labels={**labels(trial), "domain": domain.value},
        quality=worst if joules else None,
        simulated=trial.simulated,
        units_per_s=units / sum(r.duration_s for r in windows.values()),
        gross_j=joules.gross_j / units if joules and units else None,
        net_j=joules.net_j / units if joules and joules.net_j is not None and units else None,
        net_u_j=joules.net_u_j / units if joules and joules.net_u_j is not None and units else None,
        latencies_s=trial.latencies_s,
        carbon_g_per_kwh=trial.carbon_g_per_kwh,
        flagged=bool(trial.flags),
    )


def _joules(rows: Sequence[MeasurementRow]) -> _Joules | None:
    """Sum over the windows of a trial; None unless all are metered. Their errors share the baseline, so they add."""
    gross = [r.gross_j for r in rows if r.gross_j is not None]
    net = [r.net_j for r in rows if r.net_j is not None]
    u = [
        (r.net_j_high - r.net_j_low) / 2 / COVERAGE_FACTOR
        for r in rows
        if r.net_j_high is not None and r.net_j_low is not None
    ]
    if not rows or len(gross) < len(rows):
        return None
    complete = len(net) == len(rows)
    return _Joules(sum(gross), sum(net) if complete else None, sum(u) if complete and len(u) == len(rows) else None)
