"""Record what exports and imports of data files need: changes, deletions, progress.

Triggers set ``updated`` and log deletions, so that no statement can forget it.
"""

import sqlalchemy as sa
from alembic import op

revision = "fingerprint_0005"
down_revision = "fingerprint_0004"
branch_labels = None
depends_on = None

# The columns that an export shows. For a fingerprint the words are not compared: they never change.
EXPORTED = {
    "track": ("new_id",),
    "fingerprint": ("track_id", "submission_count"),
    "track_mbid": ("track_id", "mbid", "submission_count", "disabled", "merged_into"),
    "track_puid": ("track_id", "puid", "submission_count"),
    "track_meta": ("track_id", "meta_id", "submission_count"),
    "track_foreignid": ("track_id", "foreignid_id", "submission_count"),
}

# An import of data files sets `acoustid.keep_changes` in its transactions: it writes the times of
# changes, and the deletions, that the files have.
MARK_UPDATED = """
CREATE FUNCTION mark_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.updated IS NOT DISTINCT FROM OLD.updated
       AND current_setting('acoustid.keep_changes', true) IS DISTINCT FROM 'on' THEN
        NEW.updated := now();
    END IF;
    RETURN NEW;
END
$$
"""

LOG_DELETION = """
CREATE FUNCTION log_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('acoustid.keep_changes', true) IS DISTINCT FROM 'on' THEN
        INSERT INTO deleted_row (table_name, row_id) SELECT TG_TABLE_NAME, id FROM gone;
    END IF;
    RETURN NULL;
END
$$
"""

LOGGED = (*EXPORTED, "meta")
"""The tables whose deletions are logged."""


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "deleted_row",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column(
            "created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("deleted_row_pkey")),
        comment="deleted rows of the tables that exports contain",
    )
    op.create_table(
        "imported_day",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("imported", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "day", name=op.f("imported_day_pkey")),
        comment="days to whose rows an import of data files added, and when",
    )
    op.create_table(
        "import_progress",
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column(
            "started", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("file", name=op.f("import_progress_pkey")),
        comment="data files of which lines were imported",
    )
    op.create_table(
        "staged_track_fingerprint",
        sa.Column("fingerprint_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("track_id", sa.Integer(), nullable=False),
        sa.Column("submission_count", sa.Integer(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint_id", name=op.f("staged_track_fingerprint_pkey")),
        comment="tracks of fingerprints that an import of data files has not read yet",
    )
    op.create_table(
        "staged_reference",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "row_id", name=op.f("staged_reference_pkey")),
        comment="merges that an import of data files writes when all rows are there",
    )
    op.execute(MARK_UPDATED)
    op.execute(LOG_DELETION)
    for table, columns in EXPORTED.items():
        is_changed = " OR ".join(f"OLD.{each} IS DISTINCT FROM NEW.{each}" for each in columns)
        op.execute(
            f"CREATE TRIGGER {table}_mark_updated BEFORE UPDATE ON {table} "
            f"FOR EACH ROW WHEN ({is_changed}) EXECUTE FUNCTION mark_updated()"
        )
        # Small indexes: rows of one day lie in few blocks. They don't prevent HOT updates.
        for column in ("created", "updated"):
            op.create_index(f"{table}_idx_{column}", table, [column], postgresql_using="brin")
    op.create_index("meta_idx_created", "meta", ["created"], postgresql_using="brin")
    for table in LOGGED:
        op.execute(
            f"CREATE TRIGGER {table}_log_deletion AFTER DELETE ON {table} "
            "REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION log_deletion()"
        )


def downgrade() -> None:
    """Undo the revision."""
    for table in LOGGED:
        op.execute(f"DROP TRIGGER {table}_log_deletion ON {table}")
    op.drop_index("meta_idx_created", table_name="meta")
    for table in EXPORTED:
        for column in ("created", "updated"):
            op.drop_index(f"{table}_idx_{column}", table_name=table)
        op.execute(f"DROP TRIGGER {table}_mark_updated ON {table}")
    op.execute("DROP FUNCTION log_deletion()")
    op.execute("DROP FUNCTION mark_updated()")
    op.drop_table("staged_reference")
    op.drop_table("staged_track_fingerprint")
    op.drop_table("import_progress")
    op.drop_table("imported_day")
    op.drop_table("deleted_row")
