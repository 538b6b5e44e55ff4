"""Samples per unit of work, and the facts of trials that analyses use."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import cast

from farm.analysis.aggregate import UnitSample
from farm.model import Domain, MeasurementRow, Sample, Scalar, SweepData, TrialRow
from farm.model.energies import own_domain


def unit_samples(data: SweepData) -> list[UnitSample]:
    """Return the samples of a sweep per unit of work, with the latencies that were loaded."""
    return per_unit(data.samples, data.latencies_s)


def per_unit(
    samples: Iterable[Sample], latencies_s: Mapping[str, tuple[float, ...]] = MappingProxyType({})
) -> list[UnitSample]:
    """Return samples per unit of work; `latencies_s` has the latencies of each trial."""
    return [
        UnitSample(
            labels=sample.labels,
            quality=sample.quality,
            simulated=sample.simulated,
            units_per_s=sample.units / sample.duration_s if sample.duration_s else None,
            gross_j=_per(sample.gross_j, sample.units),
            net_j=_per(sample.net_j, sample.units),
            net_u_j=_per(sample.net_u_j, sample.units),
            latencies_s=latencies_s.get(sample.trial, ()),
            carbon_g_per_kwh=sample.carbon_g_per_kwh,
            flags=sample.flags,
            imported=sample.imported,
        )
        for sample in samples
    ]


def _per(joules: float | None, units: int) -> float | None:
    return None if joules is None or not units else joules / units


def idle_w(data: SweepData) -> dict[str, float]:
    """Return the power of the loaded model while it waits, by trial; trials without it are left out."""
    return {sample.trial: sample.idle_w for sample in data.samples if sample.idle_w is not None}


def rows_by_trial(rows: Iterable[MeasurementRow]) -> Mapping[str, list[MeasurementRow]]:
    """Return the rows of each trial by its id; a trial without rows has an empty list."""
    by_trial: dict[str, list[MeasurementRow]] = defaultdict(list)
    for row in rows:
        by_trial[row.trial].append(row)
    return by_trial


def device_domain(trial: TrialRow) -> Domain:
    """Return the domain of the trial's device."""
    return own_domain(trial.facts)


def labels(trial: TrialRow) -> dict[str, Scalar]:
    """Return the labels by which a trial may be grouped; failed trials have them too."""
    return {
        **trial.factors,
        "device": cast("str | None", trial.facts.get("device", trial.factors.get("device"))),
        "machine": trial.machine,
        "hardware_class": trial.hardware_class,
        "environment": trial.environment,
        "sweep": trial.sweep,
        "repetition": trial.repetition,
        "job": trial.job,
        "trial": trial.trial,
    }
