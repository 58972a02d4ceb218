"""Initial schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ingest_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "fingerprint_source",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("fingerprint_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("fingerprint_source_pkey")),
        sa.UniqueConstraint("submission_id", name=op.f("fingerprint_source_key_submission_id")),
    )
    op.create_index(
        op.f("fingerprint_source_idx_fingerprint_id"),
        "fingerprint_source",
        ["fingerprint_id"],
        unique=False,
    )
    op.create_index(
        op.f("fingerprint_source_idx_source_id"), "fingerprint_source", ["source_id"], unique=False
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("task_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column(
            "reason", sa.Text(), nullable=True, comment="why a submission was rejected or failed"
        ),
        sa.Column(
            "handled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the final state was reached",
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("application_version", sa.Text(), nullable=True),
        sa.Column("words", sa.LargeBinary(), nullable=False, comment="32-bit words, little-endian"),
        sa.Column("gid", sa.UUID(), nullable=False, comment="identity of the words"),
        sa.Column("length", sa.SmallInteger(), nullable=False, comment="seconds of audio"),
        sa.Column("bitrate", sa.SmallInteger(), nullable=True, comment="kbit/s"),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("meta", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("mbid", sa.UUID(), nullable=True),
        sa.Column("puid", sa.UUID(), nullable=True),
        sa.Column("foreignid", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'imported', 'rejected', 'failed')",
            name=op.f("submission_check_state"),
        ),
        sa.CheckConstraint("bitrate > 0", name=op.f("submission_check_bitrate")),
        sa.CheckConstraint("length > 0", name=op.f("submission_check_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("submission_pkey")),
    )
    op.create_index(op.f("submission_idx_task_id"), "submission", ["task_id"], unique=False)
    op.create_index(
        "submission_idx_unfinished",
        "submission",
        ["retry_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "submission_result",
        sa.Column("submission_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "handled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True
        ),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("application_version", sa.Text(), nullable=True),
        sa.Column("fingerprint_id", sa.Integer(), nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("meta_gid", sa.UUID(), nullable=True),
        sa.Column("mbid", sa.UUID(), nullable=True),
        sa.Column("puid", sa.UUID(), nullable=True),
        sa.Column("foreignid", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("submission_result_pkey")),
    )
    op.create_index(
        op.f("submission_result_idx_fingerprint_id"),
        "submission_result",
        ["fingerprint_id"],
        unique=False,
    )
    op.create_table(
        "track_foreignid_source",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_foreignid_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("track_foreignid_source_pkey")),
        sa.UniqueConstraint("submission_id", name=op.f("track_foreignid_source_key_submission_id")),
    )
    op.create_index(
        op.f("track_foreignid_source_idx_source_id"),
        "track_foreignid_source",
        ["source_id"],
        unique=False,
    )
    op.create_index(
        op.f("track_foreignid_source_idx_track_foreignid_id"),
        "track_foreignid_source",
        ["track_foreignid_id"],
        unique=False,
    )
    op.create_table(
        "track_mbid_change",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_mbid_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("track_mbid_change_pkey")),
    )
    op.create_index(
        op.f("track_mbid_change_idx_track_mbid_id"),
        "track_mbid_change",
        ["track_mbid_id"],
        unique=False,
    )
    op.create_table(
        "track_mbid_source",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_mbid_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("track_mbid_source_pkey")),
        sa.UniqueConstraint("submission_id", name=op.f("track_mbid_source_key_submission_id")),
    )
    op.create_index(
        op.f("track_mbid_source_idx_source_id"), "track_mbid_source", ["source_id"], unique=False
    )
    op.create_index(
        op.f("track_mbid_source_idx_track_mbid_id"),
        "track_mbid_source",
        ["track_mbid_id"],
        unique=False,
    )
    op.create_table(
        "track_meta_source",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_meta_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("track_meta_source_pkey")),
        sa.UniqueConstraint("submission_id", name=op.f("track_meta_source_key_submission_id")),
    )
    op.create_index(
        op.f("track_meta_source_idx_source_id"), "track_meta_source", ["source_id"], unique=False
    )
    op.create_index(
        op.f("track_meta_source_idx_track_meta_id"),
        "track_meta_source",
        ["track_meta_id"],
        unique=False,
    )
    op.create_table(
        "track_puid_source",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_puid_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("track_puid_source_pkey")),
        sa.UniqueConstraint("submission_id", name=op.f("track_puid_source_key_submission_id")),
    )
    op.create_index(
        op.f("track_puid_source_idx_source_id"), "track_puid_source", ["source_id"], unique=False
    )
    op.create_index(
        op.f("track_puid_source_idx_track_puid_id"),
        "track_puid_source",
        ["track_puid_id"],
        unique=False,
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index(op.f("track_puid_source_idx_track_puid_id"), table_name="track_puid_source")
    op.drop_index(op.f("track_puid_source_idx_source_id"), table_name="track_puid_source")
    op.drop_table("track_puid_source")
    op.drop_index(op.f("track_meta_source_idx_track_meta_id"), table_name="track_meta_source")
    op.drop_index(op.f("track_meta_source_idx_source_id"), table_name="track_meta_source")
    op.drop_table("track_meta_source")
    op.drop_index(op.f("track_mbid_source_idx_track_mbid_id"), table_name="track_mbid_source")
    op.drop_index(op.f("track_mbid_source_idx_source_id"), table_name="track_mbid_source")
    op.drop_table("track_mbid_source")
    op.drop_index(op.f("track_mbid_change_idx_track_mbid_id"), table_name="track_mbid_change")
    op.drop_table("track_mbid_change")
    op.drop_index(
        op.f("track_foreignid_source_idx_track_foreignid_id"), table_name="track_foreignid_source"
    )
    op.drop_index(op.f("track_foreignid_source_idx_source_id"), table_name="track_foreignid_source")
    op.drop_table("track_foreignid_source")
    op.drop_index(op.f("submission_result_idx_fingerprint_id"), table_name="submission_result")
    op.drop_table("submission_result")
    op.drop_index(
        "submission_idx_unfinished",
        table_name="submission",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index(op.f("submission_idx_task_id"), table_name="submission")
    op.drop_table("submission")
    op.drop_index(op.f("fingerprint_source_idx_source_id"), table_name="fingerprint_source")
    op.drop_index(op.f("fingerprint_source_idx_fingerprint_id"), table_name="fingerprint_source")
    op.drop_table("fingerprint_source")
