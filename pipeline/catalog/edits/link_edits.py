"""Edits of a track's links: disable or enable a link to an MBID, remove a link to a text."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.edits.edit_log import Author, EditInProgress, making_edit
from pipeline.catalog.edits.errors import EditRefusedError, NotInCatalogueError
from pipeline.catalog.edits.row_changes import Row
from pipeline.catalog.fingerprint.tables import track_mbid, track_meta
from pipeline.catalog.fingerprint.tracks import Track, TrackName
from pipeline.runtime.databases import Databases


def unlink_mbid(databases: Databases, author: Author, track_name: TrackName, mbid: UUID) -> int:
    """Disable a track's link to an MBID; return the id of the edit.

    The link stays disabled when later submissions confirm it, as in the public service.

    Args:
        databases: ``fingerprint`` is changed.
        author: the account that makes the edit, and the reason.
        track_name: a track; for a merged track, the target of the merge is changed.
        mbid: the MBID of the recording.

    Raises:
        NotInCatalogueError: there is no such track or link.
        EditRefusedError: the link is disabled already.
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with making_edit(databases, "unlink_mbid", author) as edit:
        track = edit.current_track(track_name)
        link = _link(edit, track, track_mbid.c.mbid, mbid)
        if link is None:
            raise NotInCatalogueError(f"track {track.gid} has no link to MBID {mbid}")
        _refuse_merged(edit, link)
        if link["disabled"]:
            raise EditRefusedError(f"the link of track {track.gid} to MBID {mbid} is disabled")
        edit.rows.update(track_mbid, link["id"], {"disabled": True})
    return edit.id


def link_mbid(databases: Databases, author: Author, track_name: TrackName, mbid: UUID) -> int:
    """Link a track to an MBID, or enable a disabled link; return the id of the edit.

    No submission has confirmed a new link, so its `submission_count` is 0.

    Args:
        databases: ``fingerprint`` is changed.
        author: the account that makes the edit, and the reason.
        track_name: a track; for a merged track, the target of the merge is changed.
        mbid: the MBID of the recording.

    Raises:
        NotInCatalogueError: there is no such track.
        EditRefusedError: the track is linked to the MBID already.
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with making_edit(databases, "link_mbid", author) as edit:
        track = edit.current_track(track_name)
        link = _link(edit, track, track_mbid.c.mbid, mbid)
        if link is None:
            values = {"track_id": track.id, "mbid": mbid, "submission_count": 0, "disabled": False}
            edit.rows.insert(track_mbid, values)
        else:
            _refuse_merged(edit, link)
            if not link["disabled"]:
                raise EditRefusedError(f"track {track.gid} is linked to MBID {mbid} already")
            edit.rows.update(track_mbid, link["id"], {"disabled": False})
    return edit.id


def remove_text(databases: Databases, author: Author, track_name: TrackName, text_id: int) -> int:
    """Remove a submitted text from a track; return the id of the edit.

    The text stays for other tracks. A later submission with the same text adds it again.

    Args:
        databases: ``fingerprint`` is changed.
        author: the account that makes the edit, and the reason.
        track_name: a track; for a merged track, the target of the merge is changed.
        text_id: the id of the text, as in the table ``meta``.

    Raises:
        NotInCatalogueError: there is no such track, or it does not have the text.
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with making_edit(databases, "remove_text", author) as edit:
        track = edit.current_track(track_name)
        link = _link(edit, track, track_meta.c.meta_id, text_id)
        if link is None:
            raise NotInCatalogueError(f"track {track.gid} has no text {text_id}")
        edit.rows.delete(track_meta, link["id"])
    return edit.id


def _link(
    edit: EditInProgress,
    track: Track,
    column: sa.Column[Any],
    value: UUID | int,
) -> Row | None:
    """Return the link of a track to a value, locked; None if there is none."""
    table = column.table
    wanted = (table.c.track_id == track.id) & (column == value)
    statement = sa.select(table).where(wanted).with_for_update()
    found = edit.connection.execute(statement).mappings().first()
    return None if found is None else dict(found)


def _refuse_merged(edit: EditInProgress, link: Row) -> None:
    if link["merged_into"] is not None:
        statement = sa.select(track_mbid.c.mbid).where(track_mbid.c.id == link["merged_into"])
        target = edit.connection.execute(statement).scalar_one()
        raise EditRefusedError(
            f"MBID {link['mbid']} was merged into MBID {target}: give that MBID instead"
        )
