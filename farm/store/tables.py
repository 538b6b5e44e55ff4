"""The tables; the only module that knows SQLModel. They follow `farm.model` field by field.

Queries use the plain SQLAlchemy tables at the end of this module. Every column that may be unknown is nullable.
Migrations make the tables; a test holds that both agree.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from farm.model import Domain, FailureKind, JobState, MachineState, Quality, Stopped, WindowKind
from farm.model.text import LINES, visible
from farm.store.values import decoded


class UtcDateTime(TypeDecorator[datetime]):
    """A column of aware UTC times; SQLite, which has no zones, keeps them as UTC text that sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Reject a naive time, and convert others to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Add the zone again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Mark text that is no time, which SQLite takes in any column, instead of failing the whole query."""
        decode = super().result_processor(dialect, coltype)
        return decode and (lambda value: decoded(value, decode))


class LineColumn(TypeDecorator[str]):
    """A column for a line of others: a name, a note. No reader obeys it, and no database rejects it."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Make control characters visible."""
        return None if value is None else visible(value)


class LinesColumn(TypeDecorator[str]):
    """A column for the lines of others: a file, a log."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Make control characters visible, except the ends of lines."""
        return None if value is None else visible(value, LINES)


#: An object or a list; PostgreSQL can index and query it.
Json = JSON().with_variant(JSONB(), "postgresql")

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
_WAITING = "state = 'queued'"
_OUTBOX = "state = 'queued' AND published_at IS NULL"
_RUNNING = "state = 'running'"
#: The value of `sample.part` for the whole trial: a column of a primary key cannot be null.
WHOLE = -1


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Row(SQLModel):
    """The base class of the tables: it names their constraints, which migrations need."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMES)


class Sweep(Row, table=True):
    """A submitted sweep."""

    __tablename__ = "sweep"

    id: str = Field(primary_key=True)
    name: str = Field(index=True, sa_type=LineColumn)
    kind: str
    submitted_at: datetime = Field(sa_type=UtcDateTime)
    text: str = Field(sa_type=LinesColumn)
    meaning: str = Field(sa_type=LinesColumn)  #: not Json: the order of keys matters
    rule: dict[str, Any] = Field(sa_type=Json)
    settled: bool
    submitter: str = Field(sa_type=LineColumn)  #: submitters take turns
    imported: bool  #: its measurements were made elsewhere: `farm import`
    is_search: bool  #: the controller asks strategies for the sweep's jobs
    carbon: dict[str, Any] = Field(sa_type=Json)  #: of machines that do not state their own
    hold_below_g_per_kwh: float | None
    hold_until: datetime | None = Field(sa_type=UtcDateTime)  #: null, or in the past: the jobs are not held
    hold_note: str | None = Field(sa_type=LineColumn)
    fresh: bool  #: it counts no trial from before its submission
    renewed_at: datetime | None = Field(sa_type=UtcDateTime)  #: the last submission


class Machine(Row, table=True):
    """A machine with its hardware, and the worker that was last seen on it."""

    __tablename__ = "machine"

    id: str = Field(primary_key=True)
    name: str = Field(sa_type=LineColumn)
    hardware_class: str = Field(sa_type=LineColumn)
    hardware: dict[str, Any] = Field(sa_type=Json)
    software: dict[str, Any] = Field(sa_type=Json)  #: of the last worker; empty: unknown
    abilities: dict[str, Any] = Field(sa_type=Json)  #: what its worker can run
    simulated: bool
    worker_owner: str = Field(sa_type=LineColumn)
    worker_version: str = Field(sa_type=LineColumn)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    running_job: str | None
    probe: dict[str, Any] | None = Field(sa_type=Json)
    wanted_state: MachineState = Field(sa_type=Text)  #: the state that users want the machine to be in
    spooled: int  #: reports that wait on the machine's disk
    rejected: int  #: messages that the worker rejected since it started
    live: dict[str, Any] | None = Field(sa_type=Json)  #: what the worker sent with its last heartbeat
    imported: bool  #: the machine occurs in imported measurements only, and has no worker


class Job(Row, table=True):
    """A job, which is point x target x repetition, with its state and its lease."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("sweep_id", "key"),
        Index("ix_job_sweep_state", "sweep_id", "state", "target", "queue"),
        _partial("ix_job_outbox", "sweep_id", "queue", "ordinal", where=_OUTBOX),
        _partial("ix_job_waiting", "published_at", where=_WAITING),
        _partial("ix_job_running", "lease_until", where=_RUNNING),
        _partial("ix_job_adopts", "adopts", where="adopts IS NOT NULL"),
    )

    id: str = Field(primary_key=True)
    sweep_id: str = Field(foreign_key="sweep.id")
    #: Hash of kind, point, target and repetition: the same work in another sweep has the same key. For a job of a
    #: study: hash of kind, study, number and repetition.
    key: str
    ordinal: int  #: place in the plan
    block: int
    repetition: int
    target: str
    queue: str
    priority: int  #: 0 is the highest
    state: JobState = Field(sa_type=Text)
    attempt: int  #: attempts started; the number fences heartbeat and complete
    max_attempts: int
    not_before: datetime | None = Field(sa_type=UtcDateTime)
    published_at: datetime | None = Field(sa_type=UtcDateTime)  #: null while queued: the outbox
    machine_id: str | None = Field(foreign_key="machine.id")  #: the machine of the last claim
    claimed_at: datetime | None = Field(sa_type=UtcDateTime)
    lease_owner: str | None = Field(sa_type=LineColumn)  #: the process that may renew the lease, even after it ran out
    lease_until: datetime | None = Field(sa_type=UtcDateTime)
    cancel_requested: bool
    adopts: str | None = Field(foreign_key="job.id")  #: the job of another sweep whose trials it counts as its own
    point: dict[str, Any] = Field(sa_type=Json)
    spec: dict[str, Any] = Field(sa_type=Json)


class Environment(Row, table=True):
    """The software of a trial; the id is the hash of its content."""

    __tablename__ = "environment"

    id: str = Field(primary_key=True)
    content: dict[str, Any] = Field(sa_type=Json)


class Trial(Row, table=True):
    """One attempt at a job. It is never overwritten, except the placeholder of an attempt whose lease ran out."""

    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("job_id", "attempt"),
        Index("ix_trial_machine", "machine_id", "finished_at_utc"),
    )

    id: str = Field(primary_key=True)  #: JOB.ATTEMPT
    job_id: str = Field(foreign_key="job.id")
    attempt: int
    machine_id: str | None = Field(foreign_key="machine.id")
    environment_id: str | None = Field(foreign_key="environment.id")
    started_at_utc: datetime | None = Field(sa_type=UtcDateTime)
    finished_at_utc: datetime = Field(sa_type=UtcDateTime)
    duration_s: float | None
    overhead_s: float | None
    failure_kind: FailureKind | None = Field(sa_type=Text)
    failure_message: str | None = Field(sa_type=LineColumn)
    failure_signal: int | None
    facts: dict[str, Any] = Field(sa_type=Json)
    carbon_g_per_kwh: float | None
    carbon_pue: float | None
    carbon_source: str | None = Field(sa_type=LineColumn)
    carbon_is_own: bool  #: what the machine states, so that the sweep's intensity does not count
    flags: list[str] = Field(sa_type=Json)
    notes: list[str] = Field(sa_type=Json)
    log_tail: str = Field(sa_type=LinesColumn)
    stopped: Stopped | None = Field(sa_type=Text)
    simulated: bool


class Window(Row, table=True):
    """One stretch of a trial."""

    __tablename__ = "window"

    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    kind: WindowKind = Field(primary_key=True, sa_type=Text)
    index: int = Field(primary_key=True)
    begin_at_ns: int = Field(sa_type=BigInteger)
    end_at_ns: int = Field(sa_type=BigInteger)
    started_at_utc: datetime = Field(sa_type=UtcDateTime)
    units: int | None = Field(sa_type=BigInteger)
    batches: int | None = Field(sa_type=BigInteger)


class Measurement(Row, table=True):
    """The energies of one window x domain."""

    __tablename__ = "measurement"
    __table_args__ = (
        ForeignKeyConstraint(
            ["trial_id", "window_kind", "window_index"], ["window.trial_id", "window.kind", "window.index"]
        ),
    )

    trial_id: str = Field(primary_key=True)
    window_kind: WindowKind = Field(primary_key=True, sa_type=Text)
    window_index: int = Field(primary_key=True)
    domain: Domain = Field(primary_key=True, sa_type=Text)
    quality: Quality | None = Field(sa_type=Text)
    source: str | None
    gross_j: float | None
    gross_u_j: float | None
    baseline_w: float | None
    baseline_bare_w: float | None
    baseline_context_w: float | None
    net_j: float | None
    net_j_low: float | None
    net_j_high: float | None
    mean_w: float | None
    temperature_c: float | None
    clock_hz: float | None
    flags: list[str] = Field(sa_type=Json)
    budget: dict[str, Any] = Field(sa_type=Json)  #: by gross and net: standard uncertainties in J, by component


class Sample(Row, table=True):
    """The work of one trial in one domain, summed up when the trial is stored; a part has a row of its own."""

    __tablename__ = "sample"

    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    domain: Domain = Field(primary_key=True, sa_type=Text)
    part: int = Field(primary_key=True)  #: WHOLE, or the index of the window of the part
    own_device: bool  #: whether the device that did the work draws its power in this domain
    device: str | None = Field(sa_type=LineColumn)
    unit: str | None = Field(sa_type=LineColumn)
    units: int = Field(sa_type=BigInteger)
    duration_s: float | None
    gross_j: float | None
    gross_u_j: float | None
    gross_shared_u_j: float | None
    net_j: float | None
    net_u_j: float | None
    net_shared_u_j: float | None
    idle_w: float | None
    quality: Quality | None = Field(sa_type=Text)
    flags: str  #: the sorted flags, joined by semicolons
    valid: bool  #: whether the sample has no flag but notes


class Trace(Row, table=True):
    """The readings of one meter in one domain: one blob for each channel (see blobs.py), null where it is unknown."""

    __tablename__ = "trace"

    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    domain: Domain = Field(primary_key=True, sa_type=Text)
    source: str = Field(primary_key=True)
    quality: Quality = Field(sa_type=Text)
    t0_ns: int = Field(sa_type=BigInteger)
    offset_s: bytes  #: float64
    power_w: bytes | None  #: float32
    energy_j: bytes | None  #: float64, because the counter of months does not fit a float32 to the joule
    temperature_c: bytes | None  #: float32
    clock_hz: bytes | None  #: float32


class Latency(Row, table=True):
    """The duration of each batch that was timed, and the figures that SQL cannot compute from a blob."""

    __tablename__ = "latency"

    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    values_s: bytes  #: float64
    batches: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float


class Requests(Row, table=True):
    """The requests of one measure window of a live trial: their five times, and the figures of those that count."""

    __tablename__ = "requests"

    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    window: int = Field(primary_key=True)  #: index of the measure window
    capacity_per_s: float
    arrival_s: bytes  #: float64, like the other times
    enqueue_s: bytes
    dequeue_s: bytes
    start_s: bytes
    done_s: bytes
    counted: int  #: the requests that the figures rest on
    response_mean_s: float | None
    response_p50_s: float | None
    response_p95_s: float | None
    response_p99_s: float | None
    response_max_s: float | None
    mean_batch: float | None


class Epoch(Row, table=True):
    """One pass of a training over its images."""

    __tablename__ = "epoch"

    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    index: int = Field(primary_key=True)
    window: int | None
    train_loss: float | None
    validation_loss: float | None
    validation_accuracy: float
    train_s: float


METADATA = Row.metadata

sweep = METADATA.tables["sweep"]
machine = METADATA.tables["machine"]
job = METADATA.tables["job"]
environment = METADATA.tables["environment"]
trial = METADATA.tables["trial"]
window = METADATA.tables["window"]
measurement = METADATA.tables["measurement"]
sample = METADATA.tables["sample"]
trace = METADATA.tables["trace"]
latency = METADATA.tables["latency"]
requests = METADATA.tables["requests"]
epoch = METADATA.tables["epoch"]
