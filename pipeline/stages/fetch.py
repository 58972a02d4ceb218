"""Where lookups get what they score: the fingerprint store, or else the database's rows."""

from collections.abc import Collection
from uuid import UUID

from pipeline.catalog import fingerprints
from pipeline.catalog.fingerprints import Candidate, TrackName
from pipeline.fingerprint_store import Found, StoreRow
from pipeline.runtime.databases import Databases
from pipeline.stages.trusted_store import TrustedStore


def fetch(
    databases: Databases,
    store: TrustedStore | None,
    ids: Collection[int],
    shortest: int,
    longest: int,
) -> dict[int, Candidate]:
    """Return the fingerprints with these ids and a length within the bounds (seconds), by id.

    Args:
        databases: of which the fingerprint database has what the store lacks.
        store: where to look first.
        ids: of the fingerprints.
        shortest: the least length of interest, in seconds.
        longest: the greatest.
    """
    copied = store.find(ids, shortest, longest) if store else Found({}, list(ids))
    found = {key: _candidate(row) for key, row in copied.rows.items()}
    if copied.missing:
        # A single statement: without a transaction, nothing else travels to the server and back.
        with databases.reading("fingerprint") as connection:
            found |= fingerprints.candidates(connection, copied.missing, shortest, longest)
    return found


def _candidate(row: StoreRow) -> Candidate:
    track = TrackName(row.track_id, str(UUID(bytes=row.track_gid)))
    return Candidate(row.length, row.words, track)
