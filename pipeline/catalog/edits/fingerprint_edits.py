"""Edits of fingerprints: remove one, or move some of a track's fingerprints to a new track."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.edits.edit_log import Author, EditInProgress, making_edit
from pipeline.catalog.edits.errors import EditRefusedError, UnknownFingerprintError, listed
from pipeline.catalog.edits.split_links import split_links
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.fingerprint.tracks import Track, TrackName
from pipeline.catalog.ingest import import_results
from pipeline.runtime.databases import Databases


@dataclass(frozen=True, slots=True)
class Split:
    """A split of a track.

    Attributes:
        edit_id: id of the edit.
        gid: public id of the new track.
    """

    edit_id: int
    gid: UUID


def remove_fingerprint(databases: Databases, author: Author, fingerprint_id: int) -> int:
    """Remove a fingerprint; return the id of the edit.

    Its track stays, even without fingerprints, so that its public id stays known. A later
    submission of the same fingerprint adds it again, with another id.

    Args:
        databases: ``fingerprint`` is changed.
        author: the account that makes the edit, and the reason.
        fingerprint_id: the id of the fingerprint.

    Raises:
        UnknownFingerprintError: there is no such fingerprint.
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with making_edit(databases, "remove_fingerprint", author) as edit:
        if edit.rows.lock(fingerprint, fingerprint_id) is None:
            raise UnknownFingerprintError(f"there is no fingerprint {fingerprint_id}")
        edit.rows.delete(fingerprint, fingerprint_id)
    return edit.id


def split_track(
    databases: Databases, author: Author, track_name: TrackName, fingerprint_ids: Collection[int]
) -> Split:
    """Move fingerprints of a track to a new track.

    Each link follows the submissions of the fingerprints that confirmed it. A link that other
    submissions confirmed too is on both tracks afterwards, each with its part of the submissions.
    A link of which no submission is known stays.

    Args:
        databases: ``fingerprint`` is changed. Submissions are read from ``ingest``; imports that
            are not recorded there yet are recorded.
        author: the account that makes the edit, and the reason.
        track_name: a track; for a merged track, the target of the merge is changed.
        fingerprint_ids: ids of some of its fingerprints, but not of all.

    Raises:
        NotInCatalogueError: there is no such track or fingerprint.
        EditRefusedError: a fingerprint belongs to another track, or the track has no others.
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with making_edit(databases, "split_track", author) as edit:
        old = edit.current_track(track_name)
        wanted = sorted(set(fingerprint_ids))
        _check_split(edit, old, wanted)
        import_results.record_unrecorded(edit.connection, databases, {old.id})
        new = edit.rows.insert(track, {"gid": uuid4()})
        for fingerprint_id in wanted:
            edit.rows.update(fingerprint, fingerprint_id, {"track_id": new["id"]})
        with databases.engine("ingest").connect() as ingest:
            split_links(edit.rows, ingest, wanted, old.id, new["id"])
    return Split(edit.id, new["gid"])


def _check_split(edit: EditInProgress, old: Track, wanted: Collection[int]) -> None:
    statement = (
        sa.select(fingerprint.c.id, fingerprint.c.track_id)
        .where(is_one_of(fingerprint.c.id, wanted) | (fingerprint.c.track_id == old.id))
        .order_by(fingerprint.c.id)
    )
    owners = dict(edit.connection.execute(statement).all())
    unknown = [one for one in wanted if one not in owners]
    if unknown:
        raise UnknownFingerprintError(f"there is no fingerprint {listed(unknown)}")
    others = [one for one in wanted if owners[one] != old.id]
    if others:
        raise EditRefusedError(f"fingerprint {listed(others)} is not of track {old.gid}")
    if not wanted or len(wanted) == len(owners):
        raise EditRefusedError(
            f"track {old.gid} has {len(owners)} fingerprints: give some of them, but not all"
        )
