"""The last trials of a machine are found without reading all."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_trial_machine", "trial", ["machine_id", "finished_at_utc"])


def downgrade() -> None:
    op.drop_index("ix_trial_machine", "trial")
