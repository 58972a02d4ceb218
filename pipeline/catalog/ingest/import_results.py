"""Marks submissions as imported in the ingest database, and records which rows they confirmed.

All values are derived from the rows that the import wrote, so repeating it changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.app import sources
from pipeline.catalog.bulk_statements import insert_missing, is_one_of
from pipeline.catalog.fingerprint import imported_submissions
from pipeline.catalog.fingerprint.imported_submissions import Imported
from pipeline.catalog.fingerprint.submitted_links import clean
from pipeline.catalog.fingerprint.tables import track
from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.catalog.ingest.submissions import Ending
from pipeline.catalog.ingest.tables import submission
from pipeline.fingerprint.identity import meta_gid
from pipeline.runtime.databases import Databases

# For each table of sources: the column of the row that a submission confirmed.
_SOURCE_TABLES: Final = {
    ingest_tables.fingerprint_source: "fingerprint_id",
    ingest_tables.track_mbid_source: "track_mbid_id",
    ingest_tables.track_puid_source: "track_puid_id",
    ingest_tables.track_meta_source: "track_meta_id",
    ingest_tables.track_foreignid_source: "track_foreignid_id",
}


@dataclass(frozen=True, slots=True)
class _Origin:
    """The sender, the time and the metadata of a submission."""

    id: int
    created: datetime
    account_id: int
    application_id: int
    application_version: str | None
    meta: dict[str, Any] | None
    mbid: UUID | None
    puid: UUID | None
    foreignid: str | None

    @property
    def submitter(self) -> sources.Submitter:
        return self.application_id, self.account_id, self.application_version


_COLUMNS: Final = tuple(submission.c[each.name] for each in fields(_Origin))


def record(
    databases: Databases, imported: Iterable[Imported], catalogue: sa.Connection | None = None
) -> int:
    """Set the final state of imported submissions; return the number of pending ones.

    Args:
        databases: ``ingest`` and ``app`` are changed.
        imported: the rows of the submissions in the fingerprint database, which are committed.
        catalogue: the caller's open connection to the fingerprint database, if it has one. Only
            announcements need one.
    """
    found = {each.submission_id: each for each in imported}
    if not found:
        return 0
    with databases.engine("ingest").connect() as connection:
        origins = _origins(connection, found)
    with databases.engine("app").begin() as connection:
        source_ids = sources.source_ids(connection, {each.submitter for each in origins})
    pairs = [(found[origin.id], origin) for origin in origins]
    gids = _track_gids(databases, found, catalogue) if databases.announces else {}
    with databases.engine("ingest").begin() as connection:
        for table, column in _SOURCE_TABLES.items():
            rows = _source_rows(pairs, column, source_ids)
            insert_missing(connection, table, rows, "submission_id")
        results = [_result_row(each, origin) for each, origin in pairs]
        insert_missing(connection, ingest_tables.submission_result, results, "submission_id")
        endings = [Ending(list(found), "imported", track_gids=gids)]
        return submissions.finish(connection, endings, announces=databases.announces)


def record_unrecorded(
    connection: sa.Connection, databases: Databases, track_ids: Collection[int]
) -> None:
    """Record the imports into these tracks that are committed but not recorded yet.

    The import would record them later, with links that a merge or a split has changed by then. An
    import is recorded once, so it is recorded before the links change.

    Args:
        connection: a connection to the fingerprint database, under `lock_catalogue`.
        databases: ``ingest`` and ``app`` are changed.
        track_ids: the ids of the tracks.
    """
    with databases.engine("ingest").connect() as ingest:
        statement = sa.select(submission.c.id).where(submission.c.state == "pending")
        pending = ingest.execute(statement).scalars().all()
    done = imported_submissions.find(connection, pending)
    record(databases, [each for each in done if each.track_id in track_ids], connection)


def _track_gids(
    databases: Databases, imported: Mapping[int, Imported], catalogue: sa.Connection | None
) -> dict[int, UUID]:
    """Return the gid of the track of each submission by its id."""
    if catalogue is None:
        with databases.engine("fingerprint").connect() as connection:
            return _track_gids(databases, imported, connection)
    wanted = {each.track_id for each in imported.values()}
    statement = sa.select(track.c.id, track.c.gid).where(is_one_of(track.c.id, wanted))
    gids = dict(catalogue.execute(statement).all())
    return {key: gids[each.track_id] for key, each in imported.items() if each.track_id in gids}


def _origins(connection: sa.Connection, ids: Iterable[int]) -> list[_Origin]:
    wanted = submission.c.id == sa.any_(sa.cast(list(ids), sa.ARRAY(sa.Integer)))
    statement = sa.select(*_COLUMNS).where(wanted).order_by(submission.c.id)
    return [_Origin(*row) for row in connection.execute(statement)]


def _source_rows(
    pairs: Iterable[tuple[Imported, _Origin]],
    column: str,
    source_ids: Mapping[sources.Submitter, int],
) -> list[dict[str, Any]]:
    return [
        {
            column: getattr(imported, column),
            "submission_id": origin.id,
            "source_id": source_ids[origin.submitter],
        }
        for imported, origin in pairs
        if getattr(imported, column) is not None
    ]


def _result_row(imported: Imported, origin: _Origin) -> dict[str, Any]:
    return {
        "submission_id": origin.id,
        "created": origin.created,
        "account_id": origin.account_id,
        "application_id": origin.application_id,
        "application_version": origin.application_version,
        "fingerprint_id": imported.fingerprint_id,
        "track_id": imported.track_id,
        "meta_gid": meta_gid(text) if (text := clean(origin.meta or {})) else None,
        "mbid": origin.mbid,
        "puid": origin.puid,
        "foreignid": origin.foreignid,
    }
