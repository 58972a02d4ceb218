"""Create the table of the maintenance mode, in which submissions are refused."""

import sqlalchemy as sa
from alembic import op

revision = "app_0004"
down_revision = "app_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "maintenance",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.CheckConstraint("id = 1", name="maintenance_check_id"),
        comment="one row while submissions are refused, none otherwise",
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("maintenance")
