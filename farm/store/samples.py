"""The rows of samples, and the queries that read them."""

import json
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cache, lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Text, and_, func, select
from sqlalchemy import cast as sql_cast

import farm.store.tables as t
from farm.model import CPU_RATING, CarbonFactor, Domain, Flag, Point, Quality, Sample, SampleFigures
from farm.store.blobs import unpack_known
from farm.store.carbon import FACTOR
from farm.store.engine import Database
from farm.store.membership import COUNTED

_JOINED = (
    COUNTED.join(t.sample, t.sample.c.trial_id == t.trial.c.id)
    .join(t.sweep, t.sweep.c.id == t.job.c.sweep_id)
    .outerjoin(t.machine, t.machine.c.id == t.trial.c.machine_id)
)
#: The columns in the order of the fields of a Sample.
_SAMPLES = select(
    *(t.sample.c[field.name] for field in fields(SampleFigures)),
    t.job.c.sweep_id,
    t.job.c.id,
    t.trial.c.id,
    t.job.c.repetition,
    sql_cast(t.job.c.point, Text),
    t.machine.c.name,
    t.machine.c.hardware_class,
    t.trial.c.environment_id,
    *FACTOR,
    t.trial.c.simulated,
    t.sweep.c.imported,
    t.trial.c.facts[CPU_RATING].as_string(),
).select_from(_JOINED)
#: Rows fetched at a time when many are read.
BATCH = 1000
_FIGURES = len(fields(SampleFigures))
_ENERGIES = ("gross_j", "gross_u_j", "gross_shared_u_j", "net_j", "net_u_j", "net_shared_u_j")
_ORDER = (t.sweep.c.submitted_at, t.sweep.c.id, t.job.c.ordinal, t.trial.c.attempt, t.sample.c.part)


def sample_row(sample: SampleFigures) -> dict[str, Any]:
    """Return a row of table `sample`, without the trial's id."""
    part = t.WHOLE if sample.part is None else sample.part
    return asdict(sample) | {"part": part, "flags": ";".join(sample.flags), "valid": sample.is_valid}


class Samples(Database):
    """Queries of samples; none of them writes."""

    def samples(self, sweep_ids: Collection[str], domain: Domain | None = None, parts: bool = False) -> list[Sample]:
        """Read the samples of these sweeps, in the order of their plans.

        Args:
            sweep_ids: The sweeps.
            domain: The domain; a trial that was not metered in it has a sample without joules. None takes of each
                trial the domain of its own device.
            parts: Whether to read the samples of parts, or those of whole trials.
        """
        part = t.sample.c.part != t.WHOLE if parts else t.sample.c.part == t.WHOLE
        mine = _SAMPLES.where(t.job.c.sweep_id.in_(sweep_ids), part).order_by(*_ORDER)
        wanted = t.sample.c.own_device if domain is None else t.sample.c.domain == domain
        with self.read() as connection:
            found = [_sample(row) for row in connection.execute(mine.where(wanted).execution_options(yield_per=BATCH))]
            if domain is not None:
                known = {(sample.trial, sample.part) for sample in found}
                own = [_sample(row) for row in connection.execute(mine.where(t.sample.c.own_device))]
                others = [sample for sample in own if (sample.trial, sample.part) not in known]
                flags = _trial_flags(connection, sweep_ids) if others else {}
                found += [_unmetered(sample, domain, flags[sample.trial]) for sample in others]
        return found

    def latencies(self, sweep_ids: Collection[str]) -> dict[str, Sequence[float]]:
        """Read the duration in s of each batch that was timed, by trial."""
        columns = (t.latency.c.trial_id, t.latency.c.values_s)
        query = select(*columns).select_from(COUNTED.join(t.latency)).where(_measured(sweep_ids))
        with self.read() as connection:
            ends: dict[str, int] = {}
            every = array("d")  # one block, which goes back to the system as a whole
            for trial, values_s in connection.execute(query.execution_options(yield_per=BATCH)):
                every.extend(unpack_known(values_s, 8))
                ends[trial] = len(every)
        view = memoryview(every)
        return {trial: view[begin:end] for (trial, end), begin in zip(ends.items(), (0, *ends.values()), strict=False)}

    def last_accuracy(self, sweep_id: str) -> dict[str, float]:
        """Read the validation accuracy of each training after its last epoch, by trial."""
        last = select(t.epoch.c.trial_id, func.max(t.epoch.c.index).label("index")).group_by(t.epoch.c.trial_id)
        own = last.select_from(COUNTED.join(t.epoch)).where(t.job.c.sweep_id == sweep_id).subquery()
        is_last = and_(t.epoch.c.trial_id == own.c.trial_id, t.epoch.c.index == own.c.index)
        query = select(t.epoch.c.trial_id, t.epoch.c.validation_accuracy).join(own, is_last)
        with self.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def published_accuracy(self, sweep_ids: Collection[str]) -> dict[str, float]:
        """Read the published ImageNet top-1 accuracy in %, by model."""
        model = t.job.c.point["model"].as_string()
        published = t.trial.c.facts["published_acc1_percent"].as_float()
        query = select(model, func.max(published)).select_from(COUNTED).where(_measured(sweep_ids))
        with self.read() as connection:
            found = connection.execute(query.where(published.is_not(None)).group_by(model))
            return {row[0]: row[1] for row in found}


def _measured(sweep_ids: Collection[str]) -> ColumnElement[bool]:
    return and_(t.job.c.sweep_id.in_(sweep_ids), t.trial.c.failure_kind.is_(None))


def _trial_flags(connection: Connection, sweep_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
    query = select(t.trial.c.id, t.trial.c.flags).select_from(COUNTED).where(_measured(sweep_ids))
    return {row.id: row.flags for row in connection.execute(query)}


def _sample(row: Sequence[Any]) -> Sample:
    """Build a sample from the columns in their order; values that are not plain are decoded."""
    domain, part, own, device, unit, units, s, *energies, idle, quality, flags = row[:_FIGURES]
    gross, gross_u, gross_shared_u, net, net_u, net_shared_u = energies
    sweep, job, trial, repetition, point, machine, hardware, environment, *rest = row[_FIGURES:]
    g_per_kwh, pue, source, simulated, imported, rating = rest
    sweep, machine, hardware, environment, device, unit, rating = shared(
        sweep, machine, hardware, environment, device, unit, rating
    )
    return Sample(
        _domain(domain),
        None if part == t.WHOLE else part,
        own,
        device,
        unit,
        units,
        s,
        gross,
        gross_u,
        gross_shared_u,
        net,
        net_u,
        net_shared_u,
        idle,
        _quality(quality),
        _flags(flags),
        sweep,
        job,
        trial,
        repetition,
        _factors(point),
        machine,
        hardware,
        environment,
        carbon_factor(g_per_kwh, pue, source),
        simulated,
        imported,
        rating,
    )


_domain = cache(Domain)


@cache
def shared(*values: str | None) -> Sequence[Any]:
    """Return values that many rows have: each row gets the same objects."""
    return values


@lru_cache
def carbon_factor(g_per_kwh: float | None, pue: float, source: str | None) -> CarbonFactor:
    """Return the factor from its columns; trials share it."""
    return CarbonFactor(g_per_kwh, pue, source or "")


@cache
def _quality(name: str | None) -> Quality | None:
    return Quality(name) if name else None


@cache
def _factors(text: str) -> Point:
    """Parse the factors of a point, which its trials share."""
    return cast("Point", json.loads(text))


@cache
def _flags(text: str) -> tuple[Flag, ...]:
    return tuple(Flag(name) for name in text.split(";") if name)


def _unmetered(sample: Sample, domain: Domain, flags: Sequence[str]) -> Sample:
    """Build the sample of a trial in a domain that was not metered."""
    unknown: dict[str, Any] = dict.fromkeys((*_ENERGIES, "idle_w", "quality"))
    return replace(sample, domain=domain, own_device=False, flags=tuple(Flag(f) for f in sorted(flags)), **unknown)
