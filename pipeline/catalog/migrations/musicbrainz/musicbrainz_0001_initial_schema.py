"""Initial schema."""

import sqlalchemy as sa
from alembic import op

revision = "musicbrainz_0001"
down_revision = None
branch_labels = None
depends_on = None


RELEASE_EVENT = """
    CREATE VIEW musicbrainz.release_event AS
    SELECT release, date_year, date_month, date_day, country FROM musicbrainz.release_country
    UNION ALL
    SELECT release, date_year, date_month, date_day, NULL FROM musicbrainz.release_unknown_country
"""


def upgrade() -> None:
    """Apply the revision."""
    op.execute("CREATE SCHEMA IF NOT EXISTS musicbrainz")
    op.create_table(
        "area",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Integer(), nullable=True),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("begin_date_year", sa.SmallInteger(), nullable=True),
        sa.Column("begin_date_month", sa.SmallInteger(), nullable=True),
        sa.Column("begin_date_day", sa.SmallInteger(), nullable=True),
        sa.Column("end_date_year", sa.SmallInteger(), nullable=True),
        sa.Column("end_date_month", sa.SmallInteger(), nullable=True),
        sa.Column("end_date_day", sa.SmallInteger(), nullable=True),
        sa.Column("ended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("comment", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_table(
        "artist",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sort_name", sa.Text(), nullable=False),
        sa.Column("begin_date_year", sa.SmallInteger(), nullable=True),
        sa.Column("begin_date_month", sa.SmallInteger(), nullable=True),
        sa.Column("begin_date_day", sa.SmallInteger(), nullable=True),
        sa.Column("end_date_year", sa.SmallInteger(), nullable=True),
        sa.Column("end_date_month", sa.SmallInteger(), nullable=True),
        sa.Column("end_date_day", sa.SmallInteger(), nullable=True),
        sa.Column("type", sa.Integer(), nullable=True),
        sa.Column("area", sa.Integer(), nullable=True),
        sa.Column("gender", sa.Integer(), nullable=True),
        sa.Column("comment", sa.String(length=255), server_default="", nullable=False),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("ended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("begin_area", sa.Integer(), nullable=True),
        sa.Column("end_area", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gid"),
        schema="musicbrainz",
    )
    op.create_table(
        "artist_credit",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artist_count", sa.SmallInteger(), nullable=False),
        sa.Column("ref_count", sa.Integer(), server_default="0", nullable=True),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True
        ),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_table(
        "artist_credit_name",
        sa.Column("artist_credit", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("artist", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("join_phrase", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("artist_credit", "position"),
        schema="musicbrainz",
    )
    op.create_table(
        "iso_3166_1",
        sa.Column("area", sa.Integer(), nullable=False),
        sa.Column("code", sa.CHAR(length=2), nullable=False),
        sa.PrimaryKeyConstraint("code"),
        schema="musicbrainz",
    )
    op.create_index(
        op.f("ix_musicbrainz_iso_3166_1_area"),
        "iso_3166_1",
        ["area"],
        unique=False,
        schema="musicbrainz",
    )
    op.create_table(
        "isrc",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recording", sa.Integer(), nullable=False),
        sa.Column("isrc", sa.CHAR(length=12), nullable=False),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_index(
        op.f("ix_musicbrainz_isrc_recording"),
        "isrc",
        ["recording"],
        unique=False,
        schema="musicbrainz",
    )
    op.create_table(
        "medium",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("format", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("track_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_index(
        op.f("ix_musicbrainz_medium_release"),
        "medium",
        ["release"],
        unique=False,
        schema="musicbrainz",
    )
    op.create_table(
        "medium_format",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("child_order", sa.Integer(), server_default="0", nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("has_discids", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_table(
        "recording",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artist_credit", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=True),
        sa.Column("comment", sa.String(length=255), server_default="", nullable=False),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("video", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gid"),
        schema="musicbrainz",
    )
    op.create_table(
        "recording_gid_redirect",
        sa.Column("gid", sa.UUID(), autoincrement=False, nullable=False),
        sa.Column("new_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True
        ),
        sa.PrimaryKeyConstraint("gid"),
        schema="musicbrainz",
    )
    op.create_index(
        op.f("ix_musicbrainz_recording_gid_redirect_new_id"),
        "recording_gid_redirect",
        ["new_id"],
        unique=False,
        schema="musicbrainz",
    )
    op.create_table(
        "release",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artist_credit", sa.Integer(), nullable=False),
        sa.Column("release_group", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("packaging", sa.Integer(), nullable=True),
        sa.Column("language", sa.Integer(), nullable=True),
        sa.Column("script", sa.Integer(), nullable=True),
        sa.Column("barcode", sa.String(length=255), nullable=True),
        sa.Column("comment", sa.String(length=255), server_default="", nullable=False),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quality", sa.SmallInteger(), server_default="-1", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gid"),
        schema="musicbrainz",
    )
    op.create_index(
        op.f("ix_musicbrainz_release_release_group"),
        "release",
        ["release_group"],
        unique=False,
        schema="musicbrainz",
    )
    op.create_table(
        "release_country",
        sa.Column("release", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("country", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("date_year", sa.SmallInteger(), nullable=True),
        sa.Column("date_month", sa.SmallInteger(), nullable=True),
        sa.Column("date_day", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("release", "country"),
        schema="musicbrainz",
    )
    op.create_table(
        "release_group",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artist_credit", sa.Integer(), nullable=False),
        sa.Column("type", sa.Integer(), nullable=True),
        sa.Column("comment", sa.String(length=255), server_default="", nullable=False),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gid"),
        schema="musicbrainz",
    )
    op.create_table(
        "release_group_primary_type",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("child_order", sa.Integer(), server_default="0", nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_table(
        "release_group_secondary_type",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("child_order", sa.Integer(), server_default="0", nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_table(
        "release_group_secondary_type_join",
        sa.Column("release_group", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secondary_type", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("release_group", "secondary_type"),
        schema="musicbrainz",
    )
    op.create_table(
        "release_unknown_country",
        sa.Column("release", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("date_year", sa.SmallInteger(), nullable=True),
        sa.Column("date_month", sa.SmallInteger(), nullable=True),
        sa.Column("date_day", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("release"),
        schema="musicbrainz",
    )
    op.create_table(
        "replication_control",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("current_schema_sequence", sa.Integer(), nullable=False),
        sa.Column("current_replication_sequence", sa.Integer(), nullable=True),
        sa.Column("last_replication_date", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema="musicbrainz",
    )
    op.create_table(
        "track",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("recording", sa.Integer(), nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artist_credit", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=True),
        sa.Column("edits_pending", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("is_data_track", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gid"),
        schema="musicbrainz",
    )
    op.create_index(
        op.f("ix_musicbrainz_track_medium"), "track", ["medium"], unique=False, schema="musicbrainz"
    )
    op.create_index(
        op.f("ix_musicbrainz_track_recording"),
        "track",
        ["recording"],
        unique=False,
        schema="musicbrainz",
    )
    op.execute(RELEASE_EVENT)


def downgrade() -> None:
    """Undo the revision."""
    op.execute("DROP VIEW musicbrainz.release_event")
    op.drop_index(op.f("ix_musicbrainz_track_recording"), table_name="track", schema="musicbrainz")
    op.drop_index(op.f("ix_musicbrainz_track_medium"), table_name="track", schema="musicbrainz")
    op.drop_table("track", schema="musicbrainz")
    op.drop_table("replication_control", schema="musicbrainz")
    op.drop_table("release_unknown_country", schema="musicbrainz")
    op.drop_table("release_group_secondary_type_join", schema="musicbrainz")
    op.drop_table("release_group_secondary_type", schema="musicbrainz")
    op.drop_table("release_group_primary_type", schema="musicbrainz")
    op.drop_table("release_group", schema="musicbrainz")
    op.drop_table("release_country", schema="musicbrainz")
    op.drop_index(
        op.f("ix_musicbrainz_release_release_group"), table_name="release", schema="musicbrainz"
    )
    op.drop_table("release", schema="musicbrainz")
    op.drop_index(
        op.f("ix_musicbrainz_recording_gid_redirect_new_id"),
        table_name="recording_gid_redirect",
        schema="musicbrainz",
    )
    op.drop_table("recording_gid_redirect", schema="musicbrainz")
    op.drop_table("recording", schema="musicbrainz")
    op.drop_table("medium_format", schema="musicbrainz")
    op.drop_index(op.f("ix_musicbrainz_medium_release"), table_name="medium", schema="musicbrainz")
    op.drop_table("medium", schema="musicbrainz")
    op.drop_index(op.f("ix_musicbrainz_isrc_recording"), table_name="isrc", schema="musicbrainz")
    op.drop_table("isrc", schema="musicbrainz")
    op.drop_index(
        op.f("ix_musicbrainz_iso_3166_1_area"), table_name="iso_3166_1", schema="musicbrainz"
    )
    op.drop_table("iso_3166_1", schema="musicbrainz")
    op.drop_table("artist_credit_name", schema="musicbrainz")
    op.drop_table("artist_credit", schema="musicbrainz")
    op.drop_table("artist", schema="musicbrainz")
    op.drop_table("area", schema="musicbrainz")
