"""Initial schema."""

import sqlalchemy as sa
from alembic import op

revision = "fingerprint_0001"
down_revision = None
branch_labels = None
depends_on = None


CHANGELOG = (
    # The lock is taken before the sequence is read, and held until the commit. So ids are in the
    # order of commits, and a reader that is at an id has missed no entry with a lower one.
    """
    CREATE FUNCTION fingerprint_log_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(7723016524936704001);
        INSERT INTO fpindex_changelog (fingerprint_id, deleted)
        SELECT id, TG_OP = 'DELETE' FROM changed ORDER BY id;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER fingerprint_log_inserts AFTER INSERT ON fingerprint
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION fingerprint_log_changes()
    """,
    """
    CREATE TRIGGER fingerprint_log_deletes AFTER DELETE ON fingerprint
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION fingerprint_log_changes()
    """,
    "ALTER SEQUENCE fpindex_changelog_id_seq OWNED BY fpindex_changelog.id",
    # Fingerprints are hardly compressible, so PostgreSQL stores them uncompressed.
    "ALTER TABLE fingerprint ALTER COLUMN words SET STORAGE EXTERNAL",
)


def upgrade() -> None:
    """Apply the revision."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("fpindex_changelog_id_seq")))
    op.create_table(
        "foreignid_vendor",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("foreignid_vendor_pkey")),
        sa.UniqueConstraint("name", name=op.f("foreignid_vendor_key_name")),
    )
    op.create_table(
        "fpindex_changelog",
        sa.Column(
            "id",
            sa.BigInteger(),
            server_default=sa.text("nextval('fpindex_changelog_id_seq')"),
            nullable=False,
        ),
        sa.Column("fingerprint_id", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column(
            "created",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("fpindex_changelog_pkey")),
    )
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track", sa.Text(), nullable=True),
        sa.Column("artist", sa.Text(), nullable=True),
        sa.Column("album", sa.Text(), nullable=True),
        sa.Column("album_artist", sa.Text(), nullable=True),
        sa.Column("track_no", sa.Integer(), nullable=True),
        sa.Column("disc_no", sa.Integer(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("meta_pkey")),
        sa.UniqueConstraint("gid", name=op.f("meta_key_gid")),
    )
    op.create_table(
        "submission_import",
        sa.Column("submission_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("fingerprint_id", sa.Integer(), nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("track_mbid_id", sa.Integer(), nullable=True),
        sa.Column("track_puid_id", sa.Integer(), nullable=True),
        sa.Column("track_meta_id", sa.Integer(), nullable=True),
        sa.Column("track_foreignid_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("submission_import_pkey")),
        comment="what each submission became, written with it: importing twice changes nothing",
    )
    op.create_table(
        "track",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "new_id", sa.Integer(), nullable=True, comment="the track this one was merged into"
        ),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(["new_id"], ["track.id"], name=op.f("track_fk_new_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("track_pkey")),
        sa.UniqueConstraint("gid", name=op.f("track_key_gid")),
    )
    op.create_table(
        "fingerprint",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False, comment="32-bit words, little-endian"),
        sa.Column("gid", sa.UUID(), nullable=False),
        sa.Column("simhash", sa.Integer(), nullable=False),
        sa.Column("length", sa.SmallInteger(), nullable=False, comment="seconds of audio"),
        sa.Column("bitrate", sa.SmallInteger(), nullable=True, comment="kbit/s"),
        sa.Column("format_id", sa.Integer(), nullable=True),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("submission_count", sa.Integer(), nullable=False),
        sa.CheckConstraint("bitrate > 0", name=op.f("fingerprint_check_bitrate")),
        sa.CheckConstraint("length > 0", name=op.f("fingerprint_check_length")),
        sa.ForeignKeyConstraint(["track_id"], ["track.id"], name=op.f("fingerprint_fk_track_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("fingerprint_pkey")),
    )
    op.create_index(op.f("fingerprint_idx_gid"), "fingerprint", ["gid"], unique=False)
    op.create_index(op.f("fingerprint_idx_length"), "fingerprint", ["length"], unique=False)
    op.create_index(op.f("fingerprint_idx_simhash"), "fingerprint", ["simhash"], unique=False)
    op.create_index(op.f("fingerprint_idx_track_id"), "fingerprint", ["track_id"], unique=False)
    op.create_table(
        "foreignid",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["foreignid_vendor.id"], name=op.f("foreignid_fk_vendor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("foreignid_pkey")),
        sa.UniqueConstraint("vendor_id", "name", name=op.f("foreignid_key_vendor_id_name")),
    )
    op.create_table(
        "track_mbid",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("mbid", sa.UUID(), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submission_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["track_mbid.id"], name=op.f("track_mbid_fk_merged_into")
        ),
        sa.ForeignKeyConstraint(["track_id"], ["track.id"], name=op.f("track_mbid_fk_track_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("track_mbid_pkey")),
        sa.UniqueConstraint("track_id", "mbid", name=op.f("track_mbid_key_track_id_mbid")),
    )
    op.create_index(op.f("track_mbid_idx_mbid"), "track_mbid", ["mbid"], unique=False)
    op.create_table(
        "track_meta",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("meta_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submission_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["meta_id"], ["meta.id"], name=op.f("track_meta_fk_meta_id")),
        sa.ForeignKeyConstraint(["track_id"], ["track.id"], name=op.f("track_meta_fk_track_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("track_meta_pkey")),
        sa.UniqueConstraint("track_id", "meta_id", name=op.f("track_meta_key_track_id_meta_id")),
    )
    op.create_index(op.f("track_meta_idx_meta_id"), "track_meta", ["meta_id"], unique=False)
    op.create_table(
        "track_puid",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("puid", sa.UUID(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submission_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["track_id"], ["track.id"], name=op.f("track_puid_fk_track_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("track_puid_pkey")),
        sa.UniqueConstraint("track_id", "puid", name=op.f("track_puid_key_track_id_puid")),
    )
    op.create_index(op.f("track_puid_idx_puid"), "track_puid", ["puid"], unique=False)
    op.create_table(
        "track_foreignid",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("foreignid_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submission_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["foreignid_id"], ["foreignid.id"], name=op.f("track_foreignid_fk_foreignid_id")
        ),
        sa.ForeignKeyConstraint(
            ["track_id"], ["track.id"], name=op.f("track_foreignid_fk_track_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("track_foreignid_pkey")),
        sa.UniqueConstraint(
            "track_id", "foreignid_id", name=op.f("track_foreignid_key_track_id_foreignid_id")
        ),
    )
    op.create_index(
        op.f("track_foreignid_idx_foreignid_id"), "track_foreignid", ["foreignid_id"], unique=False
    )
    for statement in CHANGELOG:
        op.execute(statement)


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index(op.f("track_foreignid_idx_foreignid_id"), table_name="track_foreignid")
    op.drop_table("track_foreignid")
    op.drop_index(op.f("track_puid_idx_puid"), table_name="track_puid")
    op.drop_table("track_puid")
    op.drop_index(op.f("track_meta_idx_meta_id"), table_name="track_meta")
    op.drop_table("track_meta")
    op.drop_index(op.f("track_mbid_idx_mbid"), table_name="track_mbid")
    op.drop_table("track_mbid")
    op.drop_table("foreignid")
    op.drop_index(op.f("fingerprint_idx_track_id"), table_name="fingerprint")
    op.drop_index(op.f("fingerprint_idx_simhash"), table_name="fingerprint")
    op.drop_index(op.f("fingerprint_idx_length"), table_name="fingerprint")
    op.drop_index(op.f("fingerprint_idx_gid"), table_name="fingerprint")
    op.drop_table("fingerprint")
    op.drop_table("track")
    op.drop_table("submission_import")
    op.drop_table("meta")
    op.drop_table("fpindex_changelog")
    op.drop_table("foreignid_vendor")
    op.execute("DROP FUNCTION fingerprint_log_changes()")
