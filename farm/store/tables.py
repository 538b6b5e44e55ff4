"""The tables. They follow `farm.model` field by field.

Every column that may be unknown is nullable. Migrations make the tables; a test holds that both agree. For sessions
`farm.store.rows` has a class for each table.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine


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


class PlainText(TypeDecorator[str]):
    """A column for text of other programs: PostgreSQL rejects the NUL character."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Replace NUL by the replacement character."""
        return None if value is None else value.replace("\0", "\ufffd")


class Json(TypeDecorator[Any]):
    """An object or a list; PostgreSQL can index and query it."""

    impl = JSON
    cache_ok = True

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """Let JSON say of which type a key is, and a value that it is compared with."""
        return JSON().coerce_compared_value(op, value)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return JSONB for PostgreSQL, whose types are imported for PostgreSQL alone."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON())
        from sqlalchemy.dialects.postgresql import JSONB  # noqa: PLC0415

        return dialect.type_descriptor(JSONB())


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
    """Return an index of the rows that fulfil a condition; `_limit` adds the condition."""
    return Index(name, *columns, info={"where": where})


def _known(name: str, *rest: Any, **options: Any) -> Column[Any]:
    """The base class of the tables: it names their constraints, which migrations need."""
    return Column(name, *rest, nullable=False, **options)


METADATA = MetaData(naming_convention=_NAMES)


@event.listens_for(METADATA, "before_create")
def _limit(metadata: MetaData, connection: Connection, **_: Any) -> None:
    """Add the conditions of partial indexes: naming a dialect where they are declared would import it."""
    for index in (index for table in metadata.tables.values() for index in table.indexes if index.info):
        index.dialect_options[connection.dialect.name]["where"] = text(index.info["where"])


#: A submitted sweep.
sweep = Table(
    "sweep",
    METADATA,
    Column("id", String, primary_key=True),
    _known("name", String, index=True),
    _known("kind", String),
    _known("submitted_at", UtcDateTime),
    _known("text", PlainText),
    _known("meaning", PlainText),  #: not Json: the order of keys matters
    _known("rule", Json),
    _known("settled", Boolean),
    _known("submitter", String),  #: whose turn it is, where several wait
    _known("imported", Boolean),  #: measured elsewhere: `farm import`
    _known("is_search", Boolean),  #: the controller asks strategies for its jobs
)
#: Comparable hardware, and the worker that was last seen on it.
machine = Table(
    "machine",
    METADATA,
    Column("id", String, primary_key=True),
    _known("name", String),
    _known("hardware_class", String),
    _known("hardware", Json),
    _known("simulated", Boolean),
    _known("worker_owner", String),
    _known("worker_version", String),
    _known("last_seen_at", UtcDateTime),
    Column("running_job", String),
    Column("probe", Json),
    _known("wanted_state", Text),  #: what its users want of it
    _known("spooled", Integer),  #: reports that wait on its disk
    _known("rejected", Integer),  #: messages that its worker refused, since it started
    _known("imported", Boolean),  #: no worker of this farm runs there: it stands in imported measurements only
)
#: Point x target x repetition, where it stands and who holds it.
job = Table(
    "job",
    METADATA,
    Column("id", String, primary_key=True),
    _known("sweep_id", String, ForeignKey("sweep.id")),
    #: Hash of kind, point, target and repetition: the same work in another sweep has the same key. Of what a study
    #: asked for: hash of kind, study, number and repetition.
    _known("key", String),
    _known("ordinal", Integer),  #: place in the plan
    _known("block", Integer),
    _known("repetition", Integer),
    _known("target", String),
    _known("queue", String),
    _known("priority", Integer),  #: 0 is the highest
    _known("state", Text),
    _known("attempt", Integer),  #: attempts begun; fences heartbeat and complete
    _known("max_attempts", Integer),
    Column("not_before", UtcDateTime),
    Column("published_at", UtcDateTime),  #: null while queued: the outbox
    Column("machine_id", String, ForeignKey("machine.id")),  #: of the last claim
    Column("claimed_at", UtcDateTime),
    Column("lease_owner", String),  #: who may renew the lease, also after it ran out
    Column("lease_until", UtcDateTime),
    _known("cancel_requested", Boolean),
    _known("point", Json),
    _known("spec", Json),
    UniqueConstraint("sweep_id", "key"),
    Index("ix_job_sweep_state", "sweep_id", "state", "target"),
    _partial("ix_job_outbox", "sweep_id", "queue", "ordinal", where=_OUTBOX),
    _partial("ix_job_waiting", "published_at", where=_WAITING),
    _partial("ix_job_running", "lease_until", where=_RUNNING),
)
#: Software as a trial saw it; the id is the hash of its content.
environment = Table(
    "environment",
    METADATA,
    Column("id", String, primary_key=True),
    _known("content", Json),
)
#: One attempt at a job; never overwritten, but for the placeholder of an attempt whose lease ran out.
trial = Table(
    "trial",
    METADATA,
    Column("id", String, primary_key=True),  #: JOB.ATTEMPT
    _known("job_id", String, ForeignKey("job.id")),
    _known("attempt", Integer),
    Column("machine_id", String, ForeignKey("machine.id")),
    Column("environment_id", String, ForeignKey("environment.id")),
    Column("started_at_utc", UtcDateTime),
    _known("finished_at_utc", UtcDateTime),
    Column("duration_s", Float),
    Column("overhead_s", Float),
    Column("failure_kind", Text),
    Column("failure_message", PlainText),
    Column("failure_signal", Integer),
    _known("facts", Json),
    Column("carbon_g_per_kwh", Float),
    _known("flags", Json),
    _known("notes", Json),
    _known("log_tail", PlainText),
    Column("stopped", Text),
    _known("simulated", Boolean),
    UniqueConstraint("job_id", "attempt"),
    Index("ix_trial_machine", "machine_id", "finished_at_utc"),
)
#: One stretch of a trial.
window = Table(
    "window",
    METADATA,
    Column("trial_id", String, ForeignKey("trial.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("index", Integer, primary_key=True),
    _known("begin_at_ns", BigInteger),
    _known("end_at_ns", BigInteger),
    _known("started_at_utc", UtcDateTime),
    Column("units", BigInteger),
)
#: One window x domain.
measurement = Table(
    "measurement",
    METADATA,
    Column("trial_id", String, primary_key=True),
    Column("window_kind", Text, primary_key=True),
    Column("window_index", Integer, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("quality", Text),
    Column("source", String),
    Column("gross_j", Float),
    Column("gross_u_j", Float),
    Column("baseline_w", Float),
    Column("baseline_bare_w", Float),
    Column("baseline_context_w", Float),
    Column("net_j", Float),
    Column("net_j_low", Float),
    Column("net_j_high", Float),
    Column("mean_w", Float),
    Column("temperature_c", Float),
    Column("clock_hz", Float),
    _known("flags", Json),
    ForeignKeyConstraint(
        ["trial_id", "window_kind", "window_index"], ["window.trial_id", "window.kind", "window.index"]
    ),
)
#: The work of one trial in one domain, summed up when the trial is stored; a part has a row of its own.
sample = Table(
    "sample",
    METADATA,
    Column("trial_id", String, ForeignKey("trial.id"), primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("part", Integer, primary_key=True),  #: WHOLE, or the index of the window of the part
    _known("own_device", Boolean),  #: the device that did the work draws its power in this domain
    Column("device", String),
    Column("unit", String),
    _known("units", BigInteger),
    Column("duration_s", Float),
    Column("gross_j", Float),
    Column("gross_u_j", Float),
    Column("net_j", Float),
    Column("net_u_j", Float),
    Column("idle_w", Float),
    Column("quality", Text),
    _known("flags", String),  #: sorted, between semicolons
    _known("valid", Boolean),  #: no flag but notes
)
#: The readings of one meter in one domain: a blob a channel (see blobs.py), null where nothing is known.
trace = Table(
    "trace",
    METADATA,
    Column("trial_id", String, ForeignKey("trial.id"), primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("source", String, primary_key=True),
    _known("quality", Text),
    _known("t0_ns", BigInteger),
    _known("offset_s", LargeBinary),  #: float64
    Column("power_w", LargeBinary),  #: float32
    Column("energy_j", LargeBinary),  #: float64: a counter that has run for months has no room for joules in a float32
    Column("temperature_c", LargeBinary),  #: float32
    Column("clock_hz", LargeBinary),  #: float32
)
#: The duration of every batch of the latency pass.
latency = Table(
    "latency",
    METADATA,
    Column("trial_id", String, ForeignKey("trial.id"), primary_key=True),
    _known("values_s", LargeBinary),  #: float64
)
#: The requests of one measure window of a live trial: when each of them arrived, waited and was served.
requests = Table(
    "requests",
    METADATA,
    Column("trial_id", String, ForeignKey("trial.id"), primary_key=True),
    Column("window", Integer, primary_key=True),  #: index of the measure window
    _known("capacity_per_s", Float),
    _known("arrival_s", LargeBinary),  #: float64, as the other times
    _known("enqueue_s", LargeBinary),
    _known("dequeue_s", LargeBinary),
    _known("start_s", LargeBinary),
    _known("done_s", LargeBinary),
)
#: One pass of a training over its images.
epoch = Table(
    "epoch",
    METADATA,
    Column("trial_id", String, ForeignKey("trial.id"), primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("window", Integer),
    Column("train_loss", Float),
    Column("validation_loss", Float),
    _known("validation_accuracy", Float),
    _known("train_s", Float),
)
