"""A MusicBrainz database of a few recordings, and links to them, for tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.runtime.databases import Databases

OLD, NEW, NEWER, ELSEWHERE = (UUID(f"5d1f0c5e-2222-4aaa-8aaa-{n:012}") for n in range(1, 5))


class Links:
    """Links of tracks to MBIDs, with a source for each submission."""

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        self._submissions = 0

    def track(self) -> int:
        """Add a track."""
        return self._insert("fingerprint", fp.track, gid=uuid4())

    def fingerprint(self, track_id: int, length: int) -> int:
        """Add a fingerprint to a track; its length is in seconds."""
        values = {"words": b"\1\0\0\0", "gid": uuid4(), "simhash": 1, "length": length}
        return self._insert(
            "fingerprint", fp.fingerprint, track_id=track_id, submission_count=1, **values
        )

    def link(self, track_id: int, mbid: UUID, count: int = 1, **fields: Any) -> int:
        """Link a track to an MBID, with a number of submissions."""
        values = {"track_id": track_id, "mbid": mbid, "submission_count": count} | fields
        link_id = self._insert("fingerprint", fp.track_mbid, **values)
        for _ in range(count):
            self.source(link_id)
        return link_id

    def source(self, link_id: int) -> int:
        """Add a source of a link."""
        self._submissions += 1
        values = {"submission_id": self._submissions, "source_id": 1, "track_mbid_id": link_id}
        return self._insert("ingest", ingest_tables.track_mbid_source, **values)

    def change(self, link_id: int) -> int:
        """Add a change of a link."""
        values = {"track_mbid_id": link_id, "account_id": 1, "disabled": False}
        return self._insert("ingest", ingest_tables.track_mbid_change, **values)

    def rows(self) -> dict[int, tuple[UUID, int, bool, int | None]]:
        """Return (MBID, count, disabled, merged_into) of each link."""
        table = fp.track_mbid
        statement = sa.select(
            table.c.id,
            table.c.mbid,
            table.c.submission_count,
            table.c.disabled,
            table.c.merged_into,
        )
        with self.databases.engine("fingerprint").connect() as connection:
            return {row[0]: tuple(row)[1:] for row in connection.execute(statement)}

    def of(self, track_id: int, mbid: UUID) -> Any:
        """Return the link of a track to an MBID."""
        statement = sa.select(fp.track_mbid).filter_by(track_id=track_id, mbid=mbid)
        with self.databases.engine("fingerprint").connect() as connection:
            return connection.execute(statement).one()

    def sourced(self, table: sa.Table = ingest_tables.track_mbid_source) -> list[int]:
        """Return the link id of each source, or of each row of `table`, in the order of ids."""
        statement = sa.select(table.c.track_mbid_id).order_by(table.c.id)
        with self.databases.engine("ingest").connect() as connection:
            return list(connection.execute(statement).scalars())

    def changes(self) -> Sequence[Any]:
        """Return the recorded changes."""
        table = ingest_tables.track_mbid_change
        with self.databases.engine("ingest").connect() as connection:
            return connection.execute(sa.select(table).order_by(table.c.id)).all()

    def _insert(self, database: Any, table: sa.Table, **values: Any) -> int:
        with self.databases.engine(database).begin() as connection:
            statement = sa.insert(table).values(values).returning(table.c.id)
            return int(connection.execute(statement).scalar_one())


class MusicBrainz:
    """The copy of MusicBrainz."""

    def __init__(self, databases: Databases) -> None:
        self._engine = databases.engine("musicbrainz")
        self._ids: dict[UUID, int] = {}

    def add(self, *mbids: UUID, length: int | None = None) -> None:
        """Add recordings; their length is in milliseconds."""
        for mbid in mbids:
            self._ids[mbid] = len(self._ids) + 1
            row = {"id": self._ids[mbid], "gid": mbid, "name": "x", "artist_credit": 1}
            self._execute(sa.insert(mb.recording).values(**row, length=length))

    def redirect(self, old: UUID, new: UUID) -> None:
        """Redirect an MBID to a recording."""
        self._execute(sa.delete(mb.recording_gid_redirect).filter_by(gid=old))
        row = {"gid": old, "new_id": self._ids[new]}
        self._execute(sa.insert(mb.recording_gid_redirect).values(row))

    def replicated(self, until: datetime) -> None:
        """Set the time up to which the copy follows MusicBrainz."""
        self._execute(sa.delete(mb.replication_control))
        row = {"id": 1, "current_schema_sequence": 30, "last_replication_date": until}
        self._execute(sa.insert(mb.replication_control).values(row))

    def _execute(self, statement: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(statement)
