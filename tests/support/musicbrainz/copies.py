"""A copy of MusicBrainz that can be followed, and rows for packets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from pipeline.catalog.musicbrainz import tables as mb
from pipeline.runtime.databases import Databases
from tests.support.musicbrainz.packets import FIRST, SCHEMA

LOADED = datetime(2026, 11, 30, 11, 0, 0, tzinfo=UTC)
"""The time of the dump in the copy."""


def a_recording(number: int, gid: UUID | None = None, **fields: Any) -> dict[str, Any]:
    """Return all columns of a row of the table ``recording``."""
    return {
        "id": number,
        "gid": str(gid or uuid4()),
        "name": f"Recording {number}",
        "artist_credit": 1,
        "length": 180_000,
        "comment": "",
        "edits_pending": 0,
        "last_updated": "2026-11-29T10:00:00+00:00",
        "video": False,
        **fields,
    }


def a_redirect(gid: UUID, new_id: int) -> dict[str, Any]:
    """Return all columns of a row of the table ``recording_gid_redirect``."""
    return {"gid": str(gid), "new_id": new_id, "created": "2026-11-29T10:00:00+00:00"}


class Copy:
    """The copy in the database ``musicbrainz``."""

    def __init__(self, databases: Databases) -> None:
        self.engine = databases.engine("musicbrainz")

    def insert(self, table: sa.Table, *rows: Mapping[str, Any]) -> None:
        """Add rows."""
        with self.engine.begin() as connection:
            connection.execute(sa.insert(table), [dict(row) for row in rows])

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """Return all rows of a table in the order of its key."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(table).order_by(*table.primary_key))
            return [dict(row._mapping) for row in found]

    def content(self) -> dict[str, list[dict[str, Any]]]:
        """Return all rows of all tables."""
        return {table.name: self.rows(table) for table in mb.METADATA.sorted_tables}

    @property
    def sequence(self) -> int:
        """The number of the last packet."""
        [row] = self.rows(mb.replication_control)
        return int(row["current_replication_sequence"])


def followed_copy(databases: Databases, recordings: int = 3) -> Copy:
    """Return a copy with recordings from 1 on and one redirect, which a packet may follow."""
    copy = Copy(databases)
    with copy.engine.begin() as connection:
        for table in mb.METADATA.sorted_tables:  # of few rows, so this is faster than TRUNCATE
            connection.execute(sa.delete(table))
    control = {
        "id": 1,
        "current_schema_sequence": SCHEMA,
        "current_replication_sequence": FIRST,
        "last_replication_date": LOADED,
    }
    copy.insert(mb.replication_control, control)
    copy.insert(mb.recording, *(a_recording(each) for each in range(1, recordings + 1)))
    copy.insert(mb.recording_gid_redirect, a_redirect(uuid4(), 1))
    return copy


def row_for_packet(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the database as ``row_to_json`` of MusicBrainz writes it."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
