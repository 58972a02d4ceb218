"""The rows of each table: fields of a line, columns of the staging table, unique keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from pipeline.bulk_import.files.reading.values import (
    BIG_ID,
    BOOLEAN,
    COUNT,
    ID,
    NAME,
    NUMBER,
    REQUIRED,
    SMALL,
    TEXT,
    TIME,
    UUIDS,
    Field,
    LineError,
    Values,
    read_fields,
)
from pipeline.data_files import tables
from pipeline.data_files.tables import DataTable
from pipeline.fingerprint.identity import META_FIELDS, meta_gid

DELETED_FROM: Final = (
    "track_mbid",
    "track_puid",
    "track_meta",
    "track_foreignid",
    "fingerprint",
    "meta",
    "track",
)
"""The tables whose deletions are imported, in the order in which rows can be deleted."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """How the lines of a table become rows of its staging table.

    Attributes:
        fields: the fields of a line, `id` first. Each is a column of the staging table.
        computed: columns that are computed from the others.
        complete: checks the values of the fields together, and appends the computed ones.
        keys: places of columns that are unique together, further to `id`. Rows of one batch differ
            in each key.
    """

    fields: tuple[Field, ...]
    computed: tuple[Field, ...] = ()
    complete: Callable[[Values, Mapping[str, Any]], None] | None = None
    keys: tuple[tuple[int, ...], ...] = ()

    @property
    def columns(self) -> tuple[Field, ...]:
        """The columns of the staging table, without the number of the line."""
        return self.fields + self.computed

    def read(self, content: Mapping[str, Any]) -> Values:
        """Return the values of the columns.

        Raises:
            LineError: a value is missing or wrong.
        """
        values = read_fields(self.fields, content)
        if self.complete is not None:
            self.complete(values, content)
        return values


_ID: Final = Field("id", ID, REQUIRED)
_TRACK: Final = Field("track_id", ID, REQUIRED)
_COUNT: Final = Field("submission_count", COUNT, REQUIRED)
_CREATED: Final = Field("created", TIME, REQUIRED)
_TIMES: Final = (_CREATED, Field("updated", TIME))


def _link(*value: Field) -> TableRows:
    """Return the rows of links of a track to the first value."""
    return TableRows((_ID, _TRACK, *value, _COUNT, *_TIMES), keys=((1, 2),))


def _check_same_id(values: Values, _: Mapping[str, Any]) -> None:
    if values[0] != values[2]:
        raise LineError("id and fingerprint_id differ")


def _check_table(values: Values, _: Mapping[str, Any]) -> None:
    if values[1].decode() not in DELETED_FROM:
        raise LineError("table_name is not a table of an export")


def _add_meta_gids(values: Values, content: Mapping[str, Any]) -> None:
    """Append the gid of the text, and one that no other id has; set the gid if it is missing."""
    gid = meta_gid({name: content.get(name) for name in META_FIELDS})
    if values[-1] is None:
        values[-1] = gid.bytes
    values.append(uuid5(UUID(bytes=values[-1]), str(values[0])).bytes)


_META: Final = TableRows(
    (
        _ID,
        *(Field(name, TEXT) for name in ("track", "artist", "album", "album_artist")),
        *(Field(name, NUMBER) for name in ("track_no", "disc_no", "year")),
        _CREATED,
        Field("gid", UUIDS),
    ),
    computed=(Field("other_gid", UUIDS),),
    complete=_add_meta_gids,
)

FINGERPRINT_ROWS: Final = TableRows(
    (
        _ID,
        Field("length", SMALL, REQUIRED),
        Field("bitrate", SMALL),
        Field("format", NAME),
        _CREATED,
    ),
    computed=(Field("gid", UUIDS),),
)
"""The module `words` reads the field `fingerprint`, of which the gid is computed."""

ROWS: Final[Mapping[str, TableRows]] = {
    tables.TRACK.name: TableRows(
        (_ID, Field("gid", UUIDS, REQUIRED), Field("new_id", ID), *_TIMES), keys=((1,),)
    ),
    tables.META.name: _META,
    tables.TRACK_FINGERPRINT.name: TableRows(
        (_ID, _TRACK, Field("fingerprint_id", ID, REQUIRED), _COUNT, *_TIMES),
        complete=_check_same_id,
    ),
    tables.FINGERPRINT.name: FINGERPRINT_ROWS,
    tables.TRACK_MBID.name: _link(
        Field("mbid", UUIDS, REQUIRED),
        Field("disabled", BOOLEAN, default=False),
        Field("merged_into", ID),
    ),
    tables.TRACK_PUID.name: _link(
        Field("puid", UUIDS, REQUIRED),
    ),
    tables.TRACK_META.name: _link(
        Field("meta_id", ID, REQUIRED),
    ),
    tables.TRACK_FOREIGNID.name: _link(
        Field("foreignid_id", ID, REQUIRED),
        Field("vendor_id", ID, REQUIRED),
        Field("vendor", NAME, REQUIRED),
        Field("name", NAME, REQUIRED),
    ),
    tables.DELETION.name: TableRows(
        (
            Field("id", BIG_ID, REQUIRED),
            Field("table_name", TEXT, REQUIRED),
            Field("row_id", ID, REQUIRED),
            _CREATED,
        ),
        complete=_check_table,
    ),
}
"""The rows by the name of the table in `pipeline.data_files.tables`."""


def rows_of(table: DataTable) -> TableRows:
    """Return how the lines of a table become rows."""
    return ROWS[table.name]
