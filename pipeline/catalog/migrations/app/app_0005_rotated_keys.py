"""Add rotated keys, disabled and deleted accounts, and indexes for the erasure of addresses."""

import sqlalchemy as sa
from alembic import op

revision = "app_0005"
down_revision = "app_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "rotated_key",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("apikey", sa.Text, nullable=False),
        sa.Column("application_id", sa.Integer),
        sa.Column("account_id", sa.Integer),
        sa.Column(
            "created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(application_id IS NULL) <> (account_id IS NULL)", name="rotated_key_check_holder"
        ),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name="rotated_key_fk_application_id"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="rotated_key_fk_account_id"),
        comment="replaced keys, which are valid until they expire",
    )
    for holder in ("application", "account"):
        op.create_index(
            f"rotated_key_idx_{holder}_key",
            "rotated_key",
            ["apikey"],
            unique=True,
            postgresql_where=sa.text(f"{holder}_id IS NOT NULL"),
        )
    op.add_column(
        "account", sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true())
    )
    op.add_column(
        "account",
        sa.Column(
            "deleted",
            sa.DateTime(timezone=True),
            comment="when name, keys and links were removed; null for an account in use",
        ),
    )
    op.create_index(
        "account_idx_with_address",
        "account",
        ["created"],
        postgresql_where=sa.text("created_from IS NOT NULL"),
    )
    op.create_index(
        "stats_user_agents_idx_with_address",
        "stats_user_agents",
        ["date"],
        postgresql_where=sa.text("ip <> ''"),
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index("stats_user_agents_idx_with_address", table_name="stats_user_agents")
    op.drop_index("account_idx_with_address", table_name="account")
    op.drop_column("account", "deleted")
    op.drop_column("account", "active")
    op.drop_table("rotated_key")
