"""Allow one account for each MusicBrainz user, whose name is case-insensitive."""

import sqlalchemy as sa
from alembic import op

revision = "app_0003"
down_revision = "app_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_index(
        "account_idx_mbuser_lower", "account", [sa.literal_column("lower(mbuser)")], unique=True
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index("account_idx_mbuser_lower", table_name="account")
