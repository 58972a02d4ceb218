"""Record the messages from NATS whose submissions were received."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_0004"
down_revision = "ingest_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "nats_message",
        sa.Column("identity", sa.LargeBinary, primary_key=True),
        sa.Column(
            "created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("task_id", sa.UUID, nullable=False),
        sa.Column("submission_ids", postgresql.ARRAY(sa.Integer), nullable=False),
        comment="messages from NATS whose submissions were received",
    )
    op.create_index("nats_message_idx_task_id", "nats_message", ["task_id"])


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("nats_message")
