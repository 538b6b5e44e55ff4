"""What a live trial served, request by request."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIMES = ("arrival_s", "enqueue_s", "dequeue_s", "start_s", "done_s")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("capacity_per_s", sa.Float(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in _TIMES),
        sa.PrimaryKeyConstraint("trial_id", "window", name="pk_requests"),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_requests_trial_id"),
    )


def downgrade() -> None:
    op.drop_table("requests")
