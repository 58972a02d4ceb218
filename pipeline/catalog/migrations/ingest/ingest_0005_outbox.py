"""Store announcements of final states until they are published."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0005"
down_revision = "ingest_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "outbox",
        sa.Column(
            "id",
            sa.BigInteger,
            sa.Identity(),
            primary_key=True,
            comment="in the order of the commits",
        ),
        sa.Column(
            "created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("submission_id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.UUID, nullable=False),
        sa.Column("track_gid", sa.UUID),
        sa.Column("mbid", sa.UUID),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("message_sequence", sa.BigInteger),
        comment="final states of submissions that are not announced yet",
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("outbox")
