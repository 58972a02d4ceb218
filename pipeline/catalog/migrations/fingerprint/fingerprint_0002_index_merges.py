"""Index the rows that were merged into others, because a merge reads the rows that refer to one."""

import sqlalchemy as sa
from alembic import op

revision = "fingerprint_0002"
down_revision = "fingerprint_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_index(
        "track_idx_new_id", "track", ["new_id"], postgresql_where=sa.text("new_id IS NOT NULL")
    )
    op.create_index(
        "track_mbid_idx_merged_into",
        "track_mbid",
        ["merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index("track_mbid_idx_merged_into", table_name="track_mbid")
    op.drop_index("track_idx_new_id", table_name="track")
