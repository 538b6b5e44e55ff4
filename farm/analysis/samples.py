"""From the store's rows to samples: one a trial, in the domain of the device that did the work."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import cast

from pydantic import JsonValue

from farm.analysis.aggregate import Sample
from farm.energy.joules import COVERAGE_FACTOR
from farm.model import Domain, Flag, MeasurementRow, Point, Quality, Scalar, TrialRow, WindowKind
from farm.store import SampleRow
from farm.store.views import own_domain

#: The windows whose units make a sample: batches of an inference, images of a training, calls of a layer.
#: Validation is no part of it: its images are others, and nothing is learnt from them.
WORK = (WindowKind.MEASURE, WindowKind.TRAINING)


@dataclass(frozen=True, slots=True)
class Joules:
    """Energy in one domain; what is not known is None."""

    gross: float | None = None
    net: float | None = None
    net_u: float | None = None  #: standard uncertainty of net

    def per(self, units: float) -> "Joules":
        """Of one unit of work; unknown where none was done."""
        return Joules(_per(self.gross, units), _per(self.net, units), _per(self.net_u, units))

    def times(self, share: float) -> "Joules":
        """A share of it."""
        return Joules(*(None if j is None else j * share for j in (self.gross, self.net, self.net_u)))


def _per(joules: float | None, units: float) -> float | None:
    return None if joules is None or not units else joules / units


def samples(trials: Iterable[TrialRow], rows: Iterable[MeasurementRow], domain: Domain | None = None) -> list[Sample]:
    """One sample a trial that measured; None as domain means each trial's own device."""
    by_trial = rows_by_trial(row for row in rows if row.window in WORK)
    measured = ((t, _passes(t, by_trial[t.trial])) for t in trials if t.failure is None)
    return [_sample(t, passes, domain or device_domain(t)) for t, passes in measured if passes]


def rows_by_trial(rows: Iterable[MeasurementRow]) -> Mapping[str, list[MeasurementRow]]:
    """The rows of each trial by its id; none of a trial without rows."""
    by_trial: dict[str, list[MeasurementRow]] = defaultdict(list)
    for row in rows:
        by_trial[row.trial].append(row)
    return by_trial


def parts(trial: TrialRow) -> Sequence[Mapping[str, JsonValue]]:
    """What a trial of kind layers measured one by one, by window index; of other kinds nothing."""
    return cast("Sequence[Mapping[str, JsonValue]]", trial.facts.get("parts") or [])


def _passes(trial: TrialRow, rows: Sequence[MeasurementRow]) -> list[list[MeasurementRow]]:
    """The rows of a unit of work, which is made of as many steps as there are lists, each per unit of its own.

    Of a network taken apart it is the whole, forward and backward: that is what its layers must add up to, and the
    smallest of them may be within the noise however often it is repeated.
    """
    whole = [index for index, part in enumerate(parts(trial)) if part["kind"] == "whole"]
    steps = [[r for r in rows if r.window_index == index] for index in whole] if whole else [list(rows)]
    return steps if all(steps) else []


def device_domain(trial: TrialRow) -> Domain:
    """Where the trial's device draws its power."""
    return own_domain(*(cast("str | None", trial.facts.get(name)) for name in ("domain", "device")))


def from_totals(
    rows: Iterable[SampleRow],
    domain: Domain | None = None,
    latencies_s: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
) -> list[Sample]:
    """One sample a trial, of what the database has summed up over its windows; not for kind layers."""
    return [_from_total(row, domain, latencies_s.get(row.trial, ())) for row in rows]


def _from_total(row: SampleRow, domain: Domain | None, latencies_s: tuple[float, ...]) -> Sample:
    units = row.units or 0
    factors = _factors(row.factors)
    return Sample(
        labels={
            **factors,
            "device": row.device or factors.get("device"),
            "machine": row.machine,
            "hardware_class": row.hardware_class,
            "environment": row.environment,
            "sweep": row.sweep,
            "repetition": row.repetition,
            "job": row.job,
            "trial": row.trial,
            "domain": row.domain or (domain or own_domain(None, row.device)).value,
            "quality": row.quality,
            "simulated": row.simulated,
            "imported": row.imported,
            "unit": row.unit,
        },
        quality=Quality(row.quality) if row.quality else None,
        simulated=row.simulated,
        imported=row.imported,
        units_per_s=units / row.duration_s if row.duration_s else None,
        gross_j=_per(row.gross_j, units),
        net_j=_per(row.net_j, units),
        net_u_j=_per(row.net_u_j, units),
        latencies_s=latencies_s,
        carbon_g_per_kwh=row.carbon_g_per_kwh,
        flags=_flags(row.flags),
    )


@cache
def _factors(text: str) -> Point:
    """Trials of one point share it."""
    return cast("Point", json.loads(text))


@cache
def _flags(text: str) -> tuple[Flag, ...]:
    return tuple(Flag(name) for name in text.split(";") if name)


def labels(trial: TrialRow) -> dict[str, Scalar]:
    """What trials may be grouped by."""
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


def _sample(trial: TrialRow, passes: Sequence[Sequence[MeasurementRow]], domain: Domain) -> Sample:
    metered = [[r for r in rows if r.domain == domain] for rows in passes]
    joules = total(sum_of(own).per(units(rows)) for own, rows in zip(metered, passes, strict=True))
    quality = worst_quality(r for own in metered for r in own) if joules.gross is not None else None
    flags = {flag for own in metered for r in own for flag in r.flags} if any(metered) else trial.flags
    return Sample(
        labels={
            **labels(trial),
            "domain": domain.value,
            "quality": quality.value if quality else None,
            "simulated": trial.simulated,
            "imported": trial.imported,
            "unit": cast("str | None", trial.facts.get("unit")),
        },
        quality=quality,
        simulated=trial.simulated,
        imported=trial.imported,
        units_per_s=_rate(passes),
        gross_j=joules.gross,
        net_j=joules.net,
        net_u_j=joules.net_u,
        latencies_s=trial.latencies_s,
        carbon_g_per_kwh=trial.carbon_g_per_kwh,
        flags=tuple(sorted(flags)),
    )


def _rate(passes: Sequence[Sequence[MeasurementRow]]) -> float | None:
    """Units of work a second; none where nothing was done, unknown where nobody told how long it took."""
    done = [(units(rows), duration_s(rows)) for rows in passes]
    if any(seconds is None for _, seconds in done):
        return None
    return 1 / sum((seconds or 0) / count for count, seconds in done) if all(count for count, _ in done) else 0.0


def _windows(rows: Iterable[MeasurementRow]) -> Collection[MeasurementRow]:
    """One row of each window; every domain has the same windows."""
    return {(r.window, r.window_index): r for r in rows}.values()


def units(rows: Iterable[MeasurementRow]) -> int:
    """Done in all windows of these rows."""
    return sum(r.units or 0 for r in _windows(rows))


def duration_s(rows: Iterable[MeasurementRow]) -> float | None:
    """Of all windows of these rows; unknown where one of them is."""
    return _sum(r.duration_s for r in _windows(rows))


def worst_quality(rows: Iterable[MeasurementRow]) -> Quality | None:
    """Of the joules of all rows; None where none has any."""
    return max((r.quality for r in rows if r.quality), key=lambda q: q.rank, default=None)


def sum_of(rows: Iterable[MeasurementRow]) -> Joules:
    """Over windows of one trial and domain; unknown unless all are metered."""
    return total(Joules(r.gross_j, r.net_j, _standard_uncertainty(r)) for r in rows)


def total(joules: Iterable[Joules]) -> Joules:
    """Their sum; unknown where one of them is, or there is none. Their errors share the baseline, so they add."""
    known = list(joules)
    return Joules(
        gross=_sum(j.gross for j in known), net=_sum(j.net for j in known), net_u=_sum(j.net_u for j in known)
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
