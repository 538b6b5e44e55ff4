"""A trial whose requests piled up is valid: the views know one more flag that is a note."""

from importlib import import_module

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_views = import_module("farm.store.migrations.versions.0004_analysis")


def upgrade() -> None:
    _views.drop_views()
    _views.create_views((*_views.NOTES, "saturated"))


def downgrade() -> None:
    _views.drop_views()
    _views.create_views(_views.NOTES)
