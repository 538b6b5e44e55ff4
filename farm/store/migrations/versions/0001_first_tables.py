"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UTC = sa.DateTime(timezone=True)
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    _sweeps_and_machines()
    _jobs()
    _trials()
    _series()
    _windows()


def downgrade() -> None:
    for table in (
        "measurement",
        "window",
        "trace",
        "latency",
        "epoch",
        "trial",
        "job",
        "sweep",
        "machine",
        "environment",
    ):
        op.drop_table(table)


def _index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def _sweeps_and_machines() -> None:
    op.create_table(
        "environment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_environment"),
    )
    op.create_table(
        "machine",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("hardware_class", sa.String(), nullable=False),
        sa.Column("hardware", _JSON, nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("worker_owner", sa.String(), nullable=False),
        sa.Column("worker_version", sa.String(), nullable=False),
        sa.Column("last_seen_at", _UTC, nullable=False),
        sa.Column("running_job", sa.String(), nullable=True),
        sa.Column("probe", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_machine"),
    )
    op.create_table(
        "sweep",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("submitted_at", _UTC, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("rule", _JSON, nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep"),
    )
    _index("ix_sweep_name", "sweep", ["name"])


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sweep_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("repetition", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", _UTC, nullable=True),
        sa.Column("published_at", _UTC, nullable=True),
        sa.Column("machine_id", sa.String(), nullable=True),
        sa.Column("claimed_at", _UTC, nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", _UTC, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("point", _JSON, nullable=False),
        sa.Column("spec", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machine.id"], name="fk_job_machine_id"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="fk_job_sweep_id"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("sweep_id", "key", name="uq_job_sweep_id_key"),
    )
    _index("ix_job_outbox", "job", ["priority", "ordinal"], where="state = 'queued' AND published_at IS NULL")
    _index("ix_job_running", "job", ["lease_until"], where="state = 'running'")
    _index("ix_job_sweep_state", "job", ["sweep_id", "state"])
    _index("ix_job_waiting", "job", ["published_at"], where="state = 'queued'")


def _trials() -> None:
    op.create_table(
        "trial",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("machine_id", sa.String(), nullable=True),
        sa.Column("environment_id", sa.String(), nullable=True),
        sa.Column("started_at_utc", _UTC, nullable=True),
        sa.Column("finished_at_utc", _UTC, nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("overhead_s", sa.Float(), nullable=True),
        sa.Column("failure_kind", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("failure_signal", sa.Integer(), nullable=True),
        sa.Column("facts", _JSON, nullable=False),
        sa.Column("carbon_g_per_kwh", sa.Float(), nullable=True),
        sa.Column("flags", _JSON, nullable=False),
        sa.Column("notes", _JSON, nullable=False),
        sa.Column("log_tail", sa.Text(), nullable=False),
        sa.Column("stopped", sa.Text(), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["environment_id"], ["environment.id"], name="fk_trial_environment_id"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_trial_job_id"),
        sa.ForeignKeyConstraint(["machine_id"], ["machine.id"], name="fk_trial_machine_id"),
        sa.PrimaryKeyConstraint("id", name="pk_trial"),
        sa.UniqueConstraint("job_id", "attempt", name="uq_trial_job_id_attempt"),
    )


def _series() -> None:
    op.create_table(
        "epoch",
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=True),
        sa.Column("train_loss", sa.Float(), nullable=True),
        sa.Column("validation_loss", sa.Float(), nullable=True),
        sa.Column("validation_accuracy", sa.Float(), nullable=False),
        sa.Column("train_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_epoch_trial_id"),
        sa.PrimaryKeyConstraint("trial_id", "index", name="pk_epoch"),
    )
    op.create_table(
        "latency",
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("values_s", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_latency_trial_id"),
        sa.PrimaryKeyConstraint("trial_id", name="pk_latency"),
    )
    op.create_table(
        "trace",
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("t0_ns", sa.BigInteger(), nullable=False),
        sa.Column("offset_s", sa.LargeBinary(), nullable=False),
        sa.Column("power_w", sa.LargeBinary(), nullable=True),
        sa.Column("energy_j", sa.LargeBinary(), nullable=True),
        sa.Column("temperature_c", sa.LargeBinary(), nullable=True),
        sa.Column("clock_hz", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_trace_trial_id"),
        sa.PrimaryKeyConstraint("trial_id", "domain", "source", name="pk_trace"),
    )


def _windows() -> None:
    op.create_table(
        "window",
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("begin_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("started_at_utc", _UTC, nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_window_trial_id"),
        sa.PrimaryKeyConstraint("trial_id", "kind", "index", name="pk_window"),
    )
    op.create_table(
        "measurement",
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("window_kind", sa.Text(), nullable=False),
        sa.Column("window_index", sa.Integer(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("gross_j", sa.Float(), nullable=True),
        sa.Column("gross_u_j", sa.Float(), nullable=True),
        sa.Column("baseline_w", sa.Float(), nullable=True),
        sa.Column("baseline_bare_w", sa.Float(), nullable=True),
        sa.Column("baseline_context_w", sa.Float(), nullable=True),
        sa.Column("net_j", sa.Float(), nullable=True),
        sa.Column("net_j_low", sa.Float(), nullable=True),
        sa.Column("net_j_high", sa.Float(), nullable=True),
        sa.Column("mean_w", sa.Float(), nullable=True),
        sa.Column("temperature_c", sa.Float(), nullable=True),
        sa.Column("clock_hz", sa.Float(), nullable=True),
        sa.Column("flags", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id", "window_kind", "window_index"],
            ["window.trial_id", "window.kind", "window.index"],
            name="fk_measurement_trial_id_window_kind_window_index",
        ),
        sa.PrimaryKeyConstraint("trial_id", "window_kind", "window_index", "domain", name="pk_measurement"),
    )
