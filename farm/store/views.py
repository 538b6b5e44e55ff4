"""The views of the database for whoever analyses, and what their columns mean; and what analysis itself reads of them.

Migrations make the views; a test holds that they have exactly these columns on SQLite and PostgreSQL.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Float,
    Integer,
    Row,
    Text,
    and_,
    cast,
    column,
    func,
    select,
    table,
    text,
)

import farm.store.tables as t
from farm.model import Domain
from farm.store.blobs import unpack_known
from farm.store.engine import Database

_IDENTITY = {
    "sweep": "id of the sweep",
    "sweep_name": "its name",
    "kind": "inference, training, tuning, layers, ...",
    "job": "id of the job: a point, a target, a repetition",
    "trial": "id of the trial: JOB.ATTEMPT",
    "attempt": "1 the first",
    "machine": "its name; null where none took the job",
    "hardware_class": "machines of one class are interchangeable",
    "environment": "id of the software, in table environment",
    "repetition": "0 the first; the number of the block",
    "factors": "the point, JSON",
}
_STAMPS = {"simulated": "of a simulated machine: no real joules", "imported": "measured elsewhere: farm import"}
_JOULES = {
    "domain": "gpu, cpu, dram, wall",
    "quality": "counter, sampled, modelled; null where no joules are known",
}
_FIGURES = {
    "units_per_s": "units of work a second",
    "gross_j_per_unit": "all joules of a unit",
    "net_j_per_unit": "less the baseline",
    "carbon_g_per_unit": "gCO2e of the gross joules; null without a country",
}
#: Of each view the columns, in order, and what they mean; SI units in the names, null is unknown.
VIEWS: Mapping[str, Mapping[str, str]] = {
    "v_trial": {
        **_IDENTITY,
        "target": "any, hw:CLASS, machine:NAME, ...",
        "block": "each has every point once",
        "state": "of the job: done, failed, queued again, ...",
        "failure": "null: it measured; oom, timeout, crashed, ...",
        "failure_message": "one line",
        "stopped": "why a training ended early: early, pruned, diverged",
        "started_at_utc": "null where imported, as the next",
        "finished_at_utc": "",
        "duration_s": "of the whole trial",
        "overhead_s": "outside all windows",
        "carbon_g_per_kwh": "of the sweep's country",
        "facts": "of the workload, JSON: device, unit, ...",
        "flags": "of the whole trial, between semicolons",
        **_STAMPS,
        "valid": "no flag but notes",
    },
    "v_measurement": {
        **_IDENTITY,
        "window": "idle_before, setup, context_idle, warmup, measure, ...",
        "window_index": "counts the windows of a kind",
        "begin_at_ns": "monotonic; null where imported, as the next two",
        "end_at_ns": "",
        "started_at_utc": "",
        "duration_s": "",
        "units": "done in it: images, steps, ...",
        "domain": _JOULES["domain"],
        "quality": "counter, sampled, modelled; null where nobody metered",
        "source": "the meter",
        "gross_j": "all joules",
        "baseline_w": "that net subtracts",
        "net_j": "gross less the baseline",
        "net_j_low": "of its 95 % interval, as the next",
        "net_j_high": "",
        "mean_w": "",
        "temperature_c": "",
        "flags": "of measurement and trial, between semicolons",
        **_STAMPS,
        "gross_u_j": "standard uncertainty of gross_j",
        "baseline_bare_w": "of the machine with no trial",
        "baseline_context_w": "of the loaded model, nothing running",
        "clock_hz": "",
        "machine_id": "hash of name and hardware",
        "failure": "of the trial: then these joules are of a part of it",
    },
    "v_sample": {
        **_IDENTITY,
        "target": "any, hw:CLASS, machine:NAME, ...",
        "block": "each has every point once",
        "device": "cpu, cuda:N; null where imported",
        "domain": _JOULES["domain"],
        "own_device": "the domain is that of the device which did the work",
        "unit": "of the work: image, ...",
        "units": "done in all windows of measure or training",
        "duration_s": "of those windows",
        "gross_j": "in them",
        "net_j": "in them",
        "net_u_j": "standard uncertainty of net_j",
        "quality": f"the worst of its windows: {_JOULES['quality']}",
        "flags": "of these windows and the trial, between semicolons",
        "carbon_g_per_kwh": "of the sweep's country",
        **_STAMPS,
        "valid": "no flag but notes",
        **_FIGURES,
    },
    "v_point": {
        "sweep": "id of the sweep",
        "sweep_name": "its name",
        "kind": "inference, training, ...",
        "factors": "the point, JSON",
        "machine": "its name",
        "hardware_class": "",
        "domain": _JOULES["domain"],
        "own_device": "the domain is that of the device which did the work",
        "quality": _JOULES["quality"],
        **_STAMPS,
        "unit": "of the work: image, ...",
        "trials": "that the figures rest on",
        "left_out": "trials that a flag left out",
        "doubtful": "every trial is flagged: all count, compare none",
        **{name: f"mean: {what}" for name, what in _FIGURES.items()},
        "gross_j_per_unit_median": "",
        "net_j_per_unit_median": "",
    },
}
#: What a view holds, in a line.
ROWS = {
    "v_trial": "one row a trial, failed ones too",
    "v_measurement": "one row a window x domain, as farm export",
    "v_sample": "one row a trial x metered domain, its windows of work summed up; not of kind layers",
    "v_point": "one row a sweep x point x machine x domain: means and medians over trials; not of kind layers",
}


class SampleRow(NamedTuple):
    """One trial in one domain, its windows of work summed up: a row of v_sample. Many: tuples are quick to make."""

    sweep: str
    sweep_name: str
    job: str
    trial: str
    machine: str | None
    hardware_class: str | None
    environment: str | None
    repetition: int
    factors: str  #: the point, JSON
    device: str | None
    domain: str | None  #: None: not metered where it was asked for
    unit: str | None
    units: int | None
    duration_s: float | None
    gross_j: float | None
    net_j: float | None
    net_u_j: float | None
    quality: str | None
    flags: str  #: between semicolons
    carbon_g_per_kwh: float | None
    simulated: bool
    imported: bool


_TYPES = {
    "repetition": Integer,
    "units": Integer,
    **dict.fromkeys(("duration_s", "gross_j", "net_j", "net_u_j", "carbon_g_per_kwh"), Float),
    **dict.fromkeys(("simulated", "imported", "own_device"), Boolean),
}
_NAMES = SampleRow._fields
_SAMPLE = table("v_sample", *(column(name, _TYPES.get(name, Text)()) for name in (*_NAMES, "own_device")))
_PLAIN = select(*(cast(c, Text).label(c.name) if c.name == "factors" else c for c in _SAMPLE.c if c.name in _NAMES))


_OF_OTHERS = _PLAIN.add_columns(t.trial.c.flags.label("own_flags")).join_from(
    _SAMPLE, t.trial, t.trial.c.id == _SAMPLE.c.trial
)
_OWN = (t.trial.c.facts["domain"].as_string(), t.trial.c.facts["device"].as_string())


class Samples(Database):
    """Trials summed up by the database: few rows where there are many measurements."""

    def sample_rows(self, sweep_ids: Collection[str], domain: Domain | None = None) -> list[SampleRow]:
        """The trials of these sweeps that measured, with null joules where the domain was not metered.

        None as domain means each trial's own device.
        """
        mine = _SAMPLE.c.sweep.in_(sweep_ids)
        with self.read() as connection:
            if not self.is_sqlite:  # to compile such a query takes longer than to run it
                connection.execute(text("SET LOCAL jit = off"))
            domains = [domain] if domain else _own_domains(connection, sweep_ids)
            wanted = _PLAIN.where(mine, _SAMPLE.c.domain.in_(domains))
            if len(domains) > 1:
                wanted = wanted.where(_SAMPLE.c.own_device)
            found = list(map(SampleRow._make, connection.execute(wanted)))
            measured = select(func.count()).select_from(t.trial.join(t.job)).where(_measured(sweep_ids))
            if len(found) < (connection.scalar(measured) or 0):
                known = {row.trial for row in found}
                others = {
                    row.trial: row for row in connection.execute(_OF_OTHERS.where(mine)) if row.trial not in known
                }
                found += [_unmetered(row) for row in others.values()]
        return found

    def latencies(self, sweep_ids: Collection[str]) -> dict[str, tuple[float, ...]]:
        """The duration of every batch of the latency pass in s, by trial."""
        query = select(t.latency).join(t.trial).join(t.job).where(_measured(sweep_ids))
        with self.read() as connection:
            return {row.trial_id: unpack_known(row.values_s, 8) for row in connection.execute(query)}


def _measured(sweep_ids: Collection[str]) -> ColumnElement[bool]:
    return and_(t.job.c.sweep_id.in_(sweep_ids), t.trial.c.failure_kind.is_(None))


def _own_domains(connection: Connection, sweep_ids: Collection[str]) -> list[Domain]:
    """Where the devices of these sweeps draw their power."""
    query = select(*_OWN).select_from(t.trial.join(t.job)).where(_measured(sweep_ids)).distinct()
    return sorted({own_domain(domain, device) for domain, device in connection.execute(query)})


def own_domain(domain: str | None, device: str | None) -> Domain:
    """What an import says of its joules, or else where the device draws its power."""
    return Domain(domain) if domain else Domain.of_device(device or "cpu")


def _unmetered(row: Row[*tuple[Any, ...]]) -> SampleRow:
    """What is known of a trial from another domain."""
    *others, own_flags = row
    known = SampleRow._make(others)
    return known._replace(
        domain=None, gross_j=None, net_j=None, net_u_j=None, quality=None, flags=";".join(sorted(own_flags))
    )
