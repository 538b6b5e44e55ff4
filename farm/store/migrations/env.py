"""Alembic's entry: runs the migrations in the transaction that `farm.store.schema.upgrade` hands over."""

from alembic import context

from farm.store.schema import VERSION_TABLE
from farm.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite cannot alter a table in place
)
with context.begin_transaction():
    context.run_migrations()
