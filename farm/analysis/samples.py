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
    gross: float | None = None
    net: float | None = None
    net_u: float | None = None

    def per(self, units: int) -> "_Joules":
        """Of one unit of work; unknown where none was done."""
        shares = (None if j is None or not units else j / units for j in (self.gross, self.net, self.net_u))
        return _Joules(*shares)


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
        "job": trial.job,
    }


def _sample(trial: TrialRow, rows: Sequence[MeasurementRow], domain: Domain) -> Sample:
    windows = {r.window_index: r for r in rows}  # every domain has the same windows
    units = sum(r.units or 0 for r in windows.values())
    metered = [r for r in rows if r.domain == domain]
    joules = _joules(metered).per(units)
    known = [r.quality for r in metered if r.quality] if joules.gross is not None else []
    quality = max(known, key=lambda q: q.rank, default=None)
    flags = {flag for r in metered for flag in r.flags} if metered else trial.flags
    return Sample(
        labels={
            **labels(trial),
            "domain": domain.value,
            "quality": quality.value if quality else None,
            "simulated": trial.simulated,
        },
        quality=quality,
        simulated=trial.simulated,
        units_per_s=units / sum(r.duration_s for r in windows.values()),
        gross_j=joules.gross,
        net_j=joules.net,
        net_u_j=joules.net_u,
        latencies_s=trial.latencies_s,
        carbon_g_per_kwh=trial.carbon_g_per_kwh,
        flags=tuple(sorted(flags)),
    )


def _joules(rows: Sequence[MeasurementRow]) -> _Joules:
    """Sum over the windows of a trial; unknown unless all are metered. Their errors share the baseline, so they add."""
    return _Joules(
        gross=_sum(r.gross_j for r in rows),
        net=_sum(r.net_j for r in rows),
        net_u=_sum(_standard_uncertainty(r) for r in rows),
    )


def _standard_uncertainty(row: MeasurementRow) -> float | None:
    if row.net_j_low is None or row.net_j_high is None:
        return None
    return (row.net_j_high - row.net_j_low) / 2 / COVERAGE_FACTOR


def _sum(values: Iterable[float | None]) -> float | None:
    """None where there is nothing to add, or a part is unknown."""
    parts = list(values)
    known = [value for value in parts if value is not None]
    return sum(known) if parts and len(known) == len(parts) else None
