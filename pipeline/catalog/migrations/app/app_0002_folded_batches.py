"""Add the table of the batches of counters that are in the statistics."""

import sqlalchemy as sa
from alembic import op

revision = "app_0002"
down_revision = "app_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "stats_folded",
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("stats_folded_pkey")),
        comment="batches of counters, each written with its counts: adding twice changes nothing",
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("stats_folded")
