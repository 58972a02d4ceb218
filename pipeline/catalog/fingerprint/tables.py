"""Tables of the ``fingerprint`` database: tracks, fingerprints, links, the changelog."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from pipeline.catalog.common_columns import (
    created,
    metadata,
    primary_key,
    submission_count,
    updated,
)
from pipeline.submission_fields import METADATA_FIELDS, Kind

METADATA: Final = metadata()

track: Final = sa.Table(
    "track",
    METADATA,
    primary_key(),
    created(),
    updated(),
    sa.Column("new_id", sa.ForeignKey("track.id"), comment="the track this one was merged into"),
    sa.Column("gid", UUID(as_uuid=True), nullable=False, unique=True),
)

fingerprint: Final = sa.Table(
    "fingerprint",
    METADATA,
    primary_key(),
    sa.Column("words", sa.LargeBinary, nullable=False, comment="32-bit words, little-endian"),
    sa.Column("gid", UUID(as_uuid=True), nullable=False, index=True),
    sa.Column("simhash", sa.Integer, nullable=False, index=True),
    sa.Column("length", sa.SmallInteger, nullable=False, index=True, comment="seconds of audio"),
    sa.Column("bitrate", sa.SmallInteger, comment="kbit/s"),
    sa.Column("format_id", sa.Integer),
    created(),
    updated(),
    sa.Column("track_id", sa.ForeignKey("track.id"), nullable=False, index=True),
    submission_count(),
    sa.CheckConstraint("length > 0", name="length"),
    sa.CheckConstraint("bitrate > 0", name="bitrate"),
)

fpindex_changelog: Final = sa.Table(
    "fpindex_changelog",
    METADATA,
    sa.Column(
        "id",
        sa.BigInteger,
        sa.Sequence("fpindex_changelog_id_seq"),
        primary_key=True,
        server_default=sa.text("nextval('fpindex_changelog_id_seq')"),
    ),
    sa.Column("fingerprint_id", sa.Integer, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column(
        "created",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.clock_timestamp(),
    ),
)


def _link(name: str, *value: sa.Column[Any]) -> sa.Table:
    """Return a table that links tracks to one kind of value, each pair once."""
    return sa.Table(
        name,
        METADATA,
        primary_key(),
        sa.Column("track_id", sa.ForeignKey("track.id"), nullable=False),
        *value,
        created(),
        updated(),
        submission_count(),
        sa.UniqueConstraint("track_id", value[0].name),
    )


track_mbid: Final = _link(
    "track_mbid",
    sa.Column("mbid", UUID(as_uuid=True), nullable=False, index=True),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("merged_into", sa.ForeignKey("track_mbid.id")),
)

track_puid: Final = _link(
    "track_puid", sa.Column("puid", UUID(as_uuid=True), nullable=False, index=True)
)

track_meta: Final = _link(
    "track_meta", sa.Column("meta_id", sa.ForeignKey("meta.id"), nullable=False, index=True)
)

track_foreignid: Final = _link(
    "track_foreignid",
    sa.Column("foreignid_id", sa.ForeignKey("foreignid.id"), nullable=False, index=True),
)

meta: Final = sa.Table(
    "meta",
    METADATA,
    primary_key(),
    *(
        sa.Column(name, sa.Integer if field.kind is Kind.METADATA_NUMBER else sa.Text)
        for name, field in METADATA_FIELDS.items()
    ),
    created(),
    sa.Column("gid", UUID(as_uuid=True), nullable=False, unique=True),
)

foreignid_vendor: Final = sa.Table(
    "foreignid_vendor",
    METADATA,
    primary_key(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

foreignid: Final = sa.Table(
    "foreignid",
    METADATA,
    primary_key(),
    sa.Column("vendor_id", sa.ForeignKey("foreignid_vendor.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.UniqueConstraint("vendor_id", "name"),
)

submission_import: Final = sa.Table(
    "submission_import",
    METADATA,
    sa.Column("submission_id", sa.Integer, primary_key=True, autoincrement=False),
    created(),
    sa.Column("fingerprint_id", sa.Integer, nullable=False),
    sa.Column("track_id", sa.Integer, nullable=False),
    sa.Column("track_mbid_id", sa.Integer),
    sa.Column("track_puid_id", sa.Integer),
    sa.Column("track_meta_id", sa.Integer),
    sa.Column("track_foreignid_id", sa.Integer),
    comment="what each submission became, written with it: importing twice changes nothing",
)

edit: Final = sa.Table(
    "edit",
    METADATA,
    primary_key(),
    created(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("account_id", sa.Integer, nullable=False, comment="in the app database"),
    sa.Column("note", sa.Text, nullable=False, comment="the reason"),
    sa.Column("track_ids", sa.ARRAY(sa.Integer), nullable=False),
    sa.Column("changes", JSONB, nullable=False, comment="each changed row, before and after"),
    sa.Column("undone_by", sa.ForeignKey("edit.id"), unique=True),
    comment="corrections by admins, each written in the transaction of its changes",
)

deleted_row: Final = sa.Table(
    "deleted_row",
    METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("row_id", sa.Integer, nullable=False),
    created(),
    comment="deleted rows of the tables that exports contain",
)

imported_day: Final = sa.Table(
    "imported_day",
    METADATA,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("imported", sa.DateTime(timezone=True), nullable=False),
    comment="days to whose rows an import of data files added, and when",
)

import_progress: Final = sa.Table(
    "import_progress",
    METADATA,
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("lines", sa.BigInteger, nullable=False),
    sa.Column("started", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("finished", sa.DateTime(timezone=True)),
    comment="data files of which lines were imported",
)

staged_track_fingerprint: Final = sa.Table(
    "staged_track_fingerprint",
    METADATA,
    sa.Column("fingerprint_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("track_id", sa.Integer, nullable=False),
    sa.Column("submission_count", sa.Integer, nullable=False),
    sa.Column("updated", sa.DateTime(timezone=True)),
    comment="tracks of fingerprints that an import of data files has not read yet",
)

staged_reference: Final = sa.Table(
    "staged_reference",
    METADATA,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("row_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    comment="merges that an import of data files writes when all rows are there",
)

# An export reads the rows of a day. These small indexes don't prevent HOT updates.
for _table in (track, fingerprint, track_mbid, track_puid, track_meta, track_foreignid):
    for _name in ("created", "updated"):
        sa.Index(f"{_table.name}_idx_{_name}", _table.c[_name], postgresql_using="brin")
sa.Index("meta_idx_created", meta.c.created, postgresql_using="brin")

sa.Index("edit_idx_track_ids", edit.c.track_ids, postgresql_using="gin")

# A merge reads the rows that refer to a row, and few rows refer to another.
sa.Index("track_idx_new_id", track.c.new_id, postgresql_where=track.c.new_id.is_not(None))
sa.Index(
    "track_mbid_idx_merged_into",
    track_mbid.c.merged_into,
    postgresql_where=track_mbid.c.merged_into.is_not(None),
)
