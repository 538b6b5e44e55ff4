"""Samples per unit of work, and the facts of trials that analyses use."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from pydantic import JsonValue

from farm.analysis.aggregate import UnitSample
from farm.model import (
    Domain,
    Flag,
    Labels,
    MeasurementRow,
    MeasureSettings,
    Point,
    Quality,
    Sample,
    Scalar,
    SharedLabels,
    SweepData,
    TrialRow,
)
from farm.model.energies import own_domain
from farm.model.facets import facets

#: The content of environments by their ids.
Environments = Mapping[str, Mapping[str, JsonValue]]


def unit_samples(data: SweepData, settings: str | None = None) -> list[UnitSample]:
    """Return the samples of a sweep per unit of work, with the latencies that were loaded.

    Args:
        data: The data of the sweep.
        settings: In which settings of measuring it differs from other sweeps, for the label of this name.
    """
    return per_unit(data.samples, data.latencies_s, data.environments, settings)


def differing_settings(data: Iterable[SweepData]) -> Mapping[str, str]:
    """Return by the sweep's id the settings of measuring in which sweeps differ, in words; empty if they do not.

    A profile stands for its settings: beside it are those in which sweeps of one profile differ.
    """
    known = {one.record.id: one.measures[0] for one in data if one.measures}
    alike: dict[str, list[MeasureSettings]] = defaultdict(list)
    for own in known.values():
        alike[own.profile].append(own)
    names = [
        name
        for name in MeasureSettings.model_fields
        if any(len({getattr(one, name) for one in own}) > 1 for own in alike.values())
    ]
    if len(alike) > 1:
        names.insert(0, "profile")
    return {sweep: ", ".join(f"{name} {getattr(own, name)}" for name in names) for sweep, own in known.items() if names}


def per_unit(
    samples: Iterable[Sample],
    latencies_s: Mapping[str, Sequence[float]] = MappingProxyType({}),
    environments: Environments = MappingProxyType({}),
    settings: str | None = None,
) -> list[UnitSample]:
    """Return samples per unit of work; `latencies_s` has the latencies of each trial."""
    labels_of = _labelled(environments, {} if settings is None else {"settings": settings})
    return [
        UnitSample(
            labels_of(sample),
            sample.quality,
            sample.simulated,
            sample.units / sample.duration_s if sample.duration_s else None,
            (per := _per(sample.units))(sample.gross_j),
            per(sample.gross_u_j),
            per(sample.gross_shared_u_j),
            per(sample.net_j),
            per(sample.net_u_j),
            per(sample.net_shared_u_j),
            latencies_s.get(sample.trial, ()),
            sample.carbon,
            sample.flags,
            sample.imported,
        )
        for sample in samples
    ]


def _per(units: int) -> Callable[[float | None], float | None]:
    """Return a function that divides an energy by the units of work; it is unknown where no work was done."""
    return lambda j: j / units if units and j is not None else None


def _labelled(environments: Environments, more: Mapping[str, Scalar]) -> Callable[[Sample], Labels]:
    """Return a function that labels samples, all with `more`: those of one point on one machine share what they can."""
    known: dict[tuple[object, ...], tuple[Mapping[str, Scalar], Point]] = {}  # the point lives on: its id is its own

    def label(s: Sample) -> Labels:
        key = (
            *(id(s.factors), s.device, s.machine, s.hardware_class, s.environment, s.sweep),
            *(s.domain, s.quality, s.simulated, s.imported, s.unit, s.rating, s.flags),
        )
        found = known.get(key)
        if found is None:
            shared = SharedLabels({**_shared(s), **more}, _facets(environments, s.environment, s.flags))
            found = known[key] = shared, s.factors
        return Labels(found[0], s.repetition, s.job, s.trial)

    return label


def _facets(environments: Environments, environment: str | None, flags: Iterable[Flag]) -> dict[str, Scalar]:
    return {**facets(environments.get(environment or "", {})), "flags": ";".join(flags)}


def _shared(sample: Sample) -> Mapping[str, Scalar]:
    """Return the labels of a sample, the factors first; those of its trial alone are in their place."""
    return {
        **sample.factors,
        "device": sample.device or sample.factors.get("device"),
        "machine": sample.machine,
        "hardware_class": sample.hardware_class,
        "environment": sample.environment,
        "sweep": sample.sweep,
        **dict.fromkeys(("repetition", "job", "trial")),
        "domain": sample.domain,
        "quality": sample.quality,
        "simulated": sample.simulated,
        "imported": sample.imported,
        "unit": sample.unit,
        "rating": sample.rating if sample.quality is Quality.MODELLED else None,
    }


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


def labels(trial: TrialRow, environments: Environments = MappingProxyType({})) -> Mapping[str, Scalar]:
    """Return the labels by which a trial may be grouped; failed trials have them too."""
    listed: dict[str, Scalar] = {
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
    return SharedLabels(listed, _facets(environments, trial.environment, trial.flags))
