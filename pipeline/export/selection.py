"""The SQL of data files: which rows a file has, and the JSON text of a row."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.selectable import LateralFromClause

from pipeline.catalog.fingerprint.tables import (
    METADATA,
    fingerprint,
    foreignid,
    foreignid_vendor,
    track_foreignid,
    track_mbid,
)
from pipeline.data_files.tables import (
    FINGERPRINT,
    TRACK_FINGERPRINT,
    TRACK_FOREIGNID,
    TRACK_MBID,
    DataTable,
)

_FETCHED: Final = 1000
"""Rows in one reply of PostgreSQL."""

_FETCHED_FINGERPRINTS: Final = 100
"""The same for fingerprints, of which one may have 64 KB."""

_COLUMNS: Final[Mapping[tuple[str, str], sa.ColumnElement[Any]]] = {
    (TRACK_FINGERPRINT.name, "fingerprint_id"): fingerprint.c.id,
    (TRACK_MBID.name, "disabled"): sa.func.nullif(track_mbid.c.disabled, sa.false()),
    (TRACK_FOREIGNID.name, "vendor_id"): foreignid.c.vendor_id,
    (TRACK_FOREIGNID.name, "vendor"): foreignid_vendor.c.name,
    (TRACK_FOREIGNID.name, "name"): foreignid.c.name,
}
"""The fields that are not the column of the same name of the source, by table and field."""

_IN_PYTHON: Final = frozenset({"id", "fingerprint", "format"})
"""The fields of fingerprints that `pipeline.export.lines` writes."""


def count_by_day(
    connection: sa.Connection, table: DataTable, since: date | None = None
) -> dict[date, int]:
    """Return the number of rows of each day of a table.

    Args:
        connection: a snapshot.
        table: the table.
        since: the first day that is read; None for all.
    """
    source, day = _source(table), _day(table)
    statement = (
        sa.select(day, sa.func.count())
        .select_from(source.join(day.scalar_alias, sa.true()))
        .where(day.is_not(None))
        .group_by(day)
    )
    if since is not None:
        begin = _begin(since)
        statement = statement.where(sa.or_(*(each >= begin for each in _times(table))))
        statement = statement.where(day >= since)
    rows = connection.execute(statement)
    return {row[0]: row[1] for row in rows}


def stream_rows(
    connection: sa.Connection, table: DataTable, days: Collection[date]
) -> Iterator[sa.Row[Any]]:
    """Yield the rows of some days of a table, by day and id, with bounded memory.

    A row has the columns ``day`` and ``line``, its JSON text without nulls. A row of `FINGERPRINT`
    has ``id``, ``words`` and ``format_id``, too: its text does not contain these.

    Args:
        connection: a snapshot.
        table: the table.
        days: at least one day.
    """
    source, day, record = _source(table), _day(table), _record(table)
    text = sa.func.json_strip_nulls(sa.func.row_to_json(record.table_valued()))
    columns: list[sa.ColumnElement[Any]] = [day, sa.cast(text, sa.Text).label("line")]
    if table is FINGERPRINT:
        columns += [fingerprint.c.id, fingerprint.c.words, fingerprint.c.format_id]
    begin, end = _begin(min(days)), _begin(max(days) + timedelta(days=1))
    statement = (
        sa.select(*columns)
        .select_from(_joined(table).join(day.scalar_alias, sa.true()).join(record, sa.true()))
        .where(sa.or_(*((each >= begin) & (each < end) for each in _times(table))))
        .where(day == sa.any_(sa.cast(sorted(days), sa.ARRAY(sa.Date))))
        .order_by(day, source.c.id)
    )
    fetched = _FETCHED_FINGERPRINTS if table is FINGERPRINT else _FETCHED
    with connection.execute(statement, execution_options={"yield_per": fetched}) as rows:
        yield from rows


def _source(table: DataTable) -> sa.Table:
    return METADATA.tables[table.source]


def _joined(table: DataTable) -> sa.FromClause:
    """Return the source with the tables that have further fields."""
    if table is TRACK_FOREIGNID:
        return track_foreignid.join(foreignid).join(foreignid_vendor)
    return _source(table)


def _record(table: DataTable) -> LateralFromClause:
    """Return the fields that PostgreSQL writes, as a row for each row of `_joined`."""
    source = _source(table)
    names = [*table.fields, *table.own_fields]
    if table is FINGERPRINT:
        names = [name for name in names if name not in _IN_PYTHON]
    columns = [_column(table, name).label(name) for name in names]
    return sa.select(*columns).correlate(source, foreignid, foreignid_vendor).lateral("record")


def _column(table: DataTable, name: str) -> sa.ColumnElement[Any]:
    found = _COLUMNS.get((table.name, name))
    return _source(table).c[name] if found is None else found


def _times(table: DataTable) -> list[sa.Column[Any]]:
    source = _source(table)
    return [source.c.created, source.c.updated] if table.has_updates else [source.c.created]


def _day(table: DataTable) -> sa.TableValuedColumn[date]:
    """Return the days of a row, which join as a table: once for each; null for an equal second."""
    created, *updated = (sa.cast(each, sa.Date) for each in _times(table))
    days = [created, *(sa.func.nullif(each, created) for each in updated)]
    return sa.func.unnest(array(days)).column_valued("day")


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
