"""The last trials of a machine, and how many jobs wait for what, are found without reading all."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_trial_machine", "trial", ["machine_id", "finished_at_utc"])
    _states_by("sweep_id", "state", "target")


def downgrade() -> None:
    _states_by("sweep_id", "state")
    op.drop_index("ix_trial_machine", "trial")


def _states_by(*columns: str) -> None:
    op.drop_index("ix_job_sweep_state", "job")
    op.create_index("ix_job_sweep_state", "job", list(columns))
