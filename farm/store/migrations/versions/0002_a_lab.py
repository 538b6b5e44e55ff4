"""Who submitted a sweep; what is wanted of a machine, and what its worker has to say."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OUTBOX = sa.text("state = 'queued' AND published_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("sweep") as sweep:
        sweep.add_column(sa.Column("submitter", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("machine") as machine:
        machine.add_column(sa.Column("wanted_state", sa.Text(), nullable=False, server_default="active"))
        machine.add_column(sa.Column("spooled", sa.Integer(), nullable=False, server_default="0"))
        machine.add_column(sa.Column("rejected", sa.Integer(), nullable=False, server_default="0"))
    _outbox_by("sweep_id", "queue", "ordinal")


def downgrade() -> None:
    _outbox_by("priority", "ordinal")
    with op.batch_alter_table("machine") as machine:
        for name in ("rejected", "spooled", "wanted_state"):
            machine.drop_column(name)
    with op.batch_alter_table("sweep") as sweep:
        sweep.drop_column("submitter")


def _outbox_by(*columns: str) -> None:
    op.drop_index("ix_job_outbox", "job")
    op.create_index("ix_job_outbox", "job", list(columns), sqlite_where=_OUTBOX, postgresql_where=_OUTBOX)
