"""The tables of a MusicBrainz database that this service reads, in the ``musicbrainz`` schema.

Columns, their order and their types are those of a standard MusicBrainz mirror, so that a dump's
tab-separated files can be loaded unchanged. A test compares them with the package ``mbdata``.
Foreign keys are left out: tables are loaded in any order, and the referenced table may be missing.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

SCHEMA: Final = "musicbrainz"
METADATA: Final = sa.MetaData(schema=SCHEMA)

# A date of MusicBrainz is three columns, each of which may be null.
_DATE_PARTS: Final = ("year", "month", "day")


def _table(name: str, *columns: sa.Column[Any] | Sequence[sa.Column[Any]]) -> sa.Table:
    flat = [c for item in columns for c in ([item] if isinstance(item, sa.Column) else item)]
    return sa.Table(name, METADATA, *flat)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)


def _key(name: str, type_: type[sa.types.TypeEngine[Any]] = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, type_, primary_key=True, autoincrement=False)


def _gid(*, unique: bool = False) -> sa.Column[Any]:
    return sa.Column("gid", UUID(as_uuid=True), nullable=False, unique=unique)


def _required(name: str, type_: Any = sa.Integer, default: str | None = None) -> sa.Column[Any]:  # noqa: ANN401 - any SQL type
    return sa.Column(name, type_, nullable=False, server_default=default)


def _optional(name: str, type_: Any = sa.Integer) -> sa.Column[Any]:  # noqa: ANN401 - any SQL type
    return sa.Column(name, type_)


def _reference(name: str) -> sa.Column[int]:
    """Return an indexed column with the id of another row."""
    return sa.Column(name, sa.Integer, nullable=False, index=True)


def _date(prefix: str) -> list[sa.Column[Any]]:
    return [_optional(f"{prefix}_{part}", sa.SmallInteger) for part in _DATE_PARTS]


def _moment(name: str = "last_updated") -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now())


def _edits_pending() -> sa.Column[Any]:
    return _required("edits_pending", default="0")


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def _comment() -> sa.Column[Any]:
    return _required("comment", sa.String(255), "")


def _kinds(name: str, label: sa.types.TypeEngine[str]) -> sa.Table:
    """Return one of MusicBrainz's tables of types."""
    return _table(
        name,
        _id(),
        _required("name", label),
        _optional("parent"),
        _required("child_order", default="0"),
        _optional("description", sa.Text),
        _gid(),
    )


area: Final = _table(
    "area",
    _id(),
    _gid(),
    _required("name", sa.Text),
    _optional("type"),
    _edits_pending(),
    _moment(),
    _date("begin_date"),
    _date("end_date"),
    _flag("ended"),
    _comment(),
)

artist: Final = _table(
    "artist",
    _id(),
    _gid(unique=True),
    _required("name", sa.Text),
    _required("sort_name", sa.Text),
    _date("begin_date"),
    _date("end_date"),
    _optional("type"),
    _optional("area"),
    _optional("gender"),
    _comment(),
    _edits_pending(),
    _moment(),
    _flag("ended"),
    _optional("begin_area"),
    _optional("end_area"),
)

artist_credit: Final = _table(
    "artist_credit",
    _id(),
    _required("name", sa.Text),
    _required("artist_count", sa.SmallInteger),
    sa.Column("ref_count", sa.Integer, server_default="0"),
    _moment("created"),
    _edits_pending(),
    _gid(),
)

artist_credit_name: Final = _table(
    "artist_credit_name",
    _key("artist_credit"),
    _key("position", sa.SmallInteger),
    _required("artist"),
    _required("name", sa.Text),
    _required("join_phrase", sa.Text, ""),
)

iso_3166_1: Final = _table(
    "iso_3166_1",
    _reference("area"),
    sa.Column("code", sa.CHAR(2), primary_key=True),
)

isrc: Final = _table(
    "isrc",
    _id(),
    _reference("recording"),
    _required("isrc", sa.CHAR(12)),
    _edits_pending(),
    _moment("created"),
)

medium: Final = _table(
    "medium",
    _id(),
    _reference("release"),
    _required("position"),
    _optional("format"),
    _required("name", sa.Text, ""),
    _edits_pending(),
    _moment(),
    _required("track_count", default="0"),
    _gid(),
)

medium_format: Final = _table(
    "medium_format",
    _id(),
    _required("name", sa.String(100)),
    _optional("parent"),
    _required("child_order", default="0"),
    _optional("year", sa.SmallInteger),
    _flag("has_discids"),
    _optional("description", sa.Text),
    _gid(),
)

recording: Final = _table(
    "recording",
    _id(),
    _gid(unique=True),
    _required("name", sa.Text),
    _required("artist_credit"),
    _optional("length"),
    _comment(),
    _edits_pending(),
    _moment(),
    _flag("video"),
)

recording_gid_redirect: Final = _table(
    "recording_gid_redirect", _key("gid", UUID), _reference("new_id"), _moment("created")
)

release: Final = _table(
    "release",
    _id(),
    _gid(unique=True),
    _required("name", sa.Text),
    _required("artist_credit"),
    _reference("release_group"),
    _optional("status"),
    _optional("packaging"),
    _optional("language"),
    _optional("script"),
    _optional("barcode", sa.String(255)),
    _comment(),
    _edits_pending(),
    _required("quality", sa.SmallInteger, "-1"),
    _moment(),
)

release_country: Final = _table("release_country", _key("release"), _key("country"), _date("date"))

release_unknown_country: Final = _table("release_unknown_country", _key("release"), _date("date"))

release_group: Final = _table(
    "release_group",
    _id(),
    _gid(unique=True),
    _required("name", sa.Text),
    _required("artist_credit"),
    _optional("type"),
    _comment(),
    _edits_pending(),
    _moment(),
)

release_group_primary_type: Final = _kinds("release_group_primary_type", sa.String(255))
release_group_secondary_type: Final = _kinds("release_group_secondary_type", sa.Text())

release_group_secondary_type_join: Final = _table(
    "release_group_secondary_type_join",
    _key("release_group"),
    _key("secondary_type"),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)

replication_control: Final = _table(
    "replication_control",
    _id(),
    _required("current_schema_sequence"),
    _optional("current_replication_sequence"),
    _optional("last_replication_date", sa.DateTime(timezone=True)),
)

track: Final = _table(
    "track",
    _id(),
    _gid(unique=True),
    _reference("recording"),
    _reference("medium"),
    _required("position"),
    _required("number", sa.Text),
    _required("name", sa.Text),
    _required("artist_credit"),
    _optional("length"),
    _edits_pending(),
    _moment(),
    _flag("is_data_track"),
)
