"""Count pruned receipts, and index finished receipts by the time of their final state."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0002"
down_revision = "ingest_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "pruned_submission",
        sa.Column("state", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        comment="number of submissions whose receipts were deleted, by their final state",
    )
    op.create_index(
        "submission_idx_finished",
        "submission",
        ["handled_at"],
        postgresql_where=sa.text("state <> 'pending'"),
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index("submission_idx_finished", table_name="submission")
    op.drop_table("pruned_submission")
