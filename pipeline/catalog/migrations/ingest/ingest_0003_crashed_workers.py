"""Count the workers that a submission has crashed, and mark the task that works on it alone."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0003"
down_revision = "ingest_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "submission",
        sa.Column("crashes", sa.SmallInteger, nullable=False, server_default="0"),
    )
    op.add_column("submission", sa.Column("running", sa.Text))


def downgrade() -> None:
    """Undo the revision."""
    op.drop_column("submission", "running")
    op.drop_column("submission", "crashes")
