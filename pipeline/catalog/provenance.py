"""Marks submissions as imported in the ingest database, with what they became and confirmed.

Everything here follows from the rows that the import wrote, so doing it twice changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog import ingest_tables, sources, submissions
from pipeline.catalog.imports import Imported
from pipeline.catalog.submissions import StoredSubmission
from pipeline.catalog.text_metadata import clean
from pipeline.fingerprint.identity import meta_gid
from pipeline.runtime.databases import Databases

# For each table of sources: the row that a submission confirmed.
_CONFIRMED: Final = {
    ingest_tables.fingerprint_source: "fingerprint_id",
    ingest_tables.track_mbid_source: "track_mbid_id",
    ingest_tables.track_puid_source: "track_puid_id",
    ingest_tables.track_meta_source: "track_meta_id",
    ingest_tables.track_foreignid_source: "track_foreignid_id",
}


def record(databases: Databases, imported: Sequence[Imported]) -> int:
    """Give imported submissions their final state; return how many had none before."""
    if not imported:
        return 0
    ids = [each.submission_id for each in imported]
    with databases.engine("ingest").connect() as connection:
        stored = {each.id: each for each in submissions.load(connection, ids)}
    with databases.engine("app").begin() as connection:
        source_ids = sources.source_ids(connection, map(_submitter, stored.values()))
    known = [each for each in imported if each.submission_id in stored]
    with databases.engine("ingest").begin() as connection:
        for table, column in _CONFIRMED.items():
            _insert_once(connection, table, _source_rows(known, column, stored, source_ids))
        results = [_result_row(each, stored[each.submission_id]) for each in known]
        _insert_once(connection, ingest_tables.submission_result, results)
        return submissions.finish(connection, ids, "imported", None)


def _submitter(stored: StoredSubmission) -> sources.Submitter:
    return stored.application_id, stored.account_id, stored.application_version


def _source_rows(
    imported: Iterable[Imported],
    column: str,
    stored: Mapping[int, StoredSubmission],
    source_ids: Mapping[sources.Submitter, int],
) -> list[dict[str, Any]]:
    return [
        {
            column: getattr(each, column),
            "submission_id": each.submission_id,
            "source_id": source_ids[_submitter(stored[each.submission_id])],
        }
        for each in imported
        if getattr(each, column) is not None
    ]


def _result_row(imported: Imported, stored: StoredSubmission) -> dict[str, Any]:
    return {
        "submission_id": stored.id,
        "created": stored.created,
        "account_id": stored.account_id,
        "application_id": stored.application_id,
        "application_version": stored.application_version,
        "fingerprint_id": imported.fingerprint_id,
        "track_id": imported.track_id,
        "meta_gid": meta_gid(fields) if (fields := clean(stored.meta or {})) else None,
        "mbid": stored.mbid,
        "puid": stored.puid,
        "foreignid": stored.foreignid,
    }


def _insert_once(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    if rows:
        connection.execute(
            insert(table).on_conflict_do_nothing(index_elements=["submission_id"]), rows
        )
