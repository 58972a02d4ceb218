"""Add the log of edits: corrections by admins, with the changed rows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "fingerprint_0004"
down_revision = "fingerprint_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "edit",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False, comment="in the app database"),
        sa.Column("note", sa.Text(), nullable=False, comment="the reason"),
        sa.Column("track_ids", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column(
            "changes",
            postgresql.JSONB(),
            nullable=False,
            comment="each changed row, before and after",
        ),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["undone_by"], ["edit.id"], name=op.f("edit_fk_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("edit_pkey")),
        sa.UniqueConstraint("undone_by", name=op.f("edit_key_undone_by")),
        comment="corrections by admins, each written in the transaction of its changes",
    )
    op.create_index("edit_idx_track_ids", "edit", ["track_ids"], postgresql_using="gin")


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index("edit_idx_track_ids", table_name="edit")
    op.drop_table("edit")
