"""Record which lines of other catalogues were received, in the transaction of their receipts."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0006"
down_revision = "ingest_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "received_file",
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "file", "application_id", "account_id", name=op.f("received_file_pkey")
        ),
        comment="files of other catalogues of which lines were received",
    )
    op.create_index("received_file_idx_digest", "received_file", ["digest"])


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("received_file")
