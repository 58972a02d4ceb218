"""Writes placements to the fingerprint database: tracks, fingerprints and links."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from pipeline.catalog.fingerprint import imported_submissions, submitted_links
from pipeline.catalog.fingerprint.imported_submissions import Imported
from pipeline.catalog.fingerprint.submitted_links import clean
from pipeline.catalog.fingerprint.tables import track_foreignid, track_mbid, track_meta, track_puid
from pipeline.catalog.fingerprint.tracks import insert_tracks
from pipeline.fingerprint.identity import meta_gid
from pipeline.imports.assign import Placement
from pipeline.thresholds import identifier


def store_placements(
    placements: Sequence[Placement], formats: Mapping[str, int], connection: sa.Connection
) -> list[Imported]:
    """Write placements with their links; return the rows of each submission.

    Args:
        placements: the placements, in the order of the decisions.
        formats: ids of the audio formats by name.
        connection: a connection to the fingerprint database, in the transaction
            in which the placements were decided.
    """
    final = _numbered(placements, formats, connection)
    imported = _link(final, connection)
    imported_submissions.insert_imports(connection, imported)
    return imported


def _numbered(
    placements: Sequence[Placement], formats: Mapping[str, int], connection: sa.Connection
) -> list[Placement]:
    """Store the tracks and fingerprints; return the placements with their ids."""
    new_tracks = [p.track_id for p in placements if p.track_id == -p.submission.id]
    track_ids = dict(zip(new_tracks, insert_tracks(connection, len(new_tracks)), strict=True))
    added = [p for p in placements if p.fingerprint_id == -p.submission.id]
    placed = [(p.submission, track_ids.get(p.track_id, p.track_id)) for p in added]
    new_ids = imported_submissions.insert_fingerprints(connection, placed, formats)
    numbers = dict(zip((p.fingerprint_id for p in added), new_ids, strict=True))
    reused = [p.fingerprint_id for p in placements if p.fingerprint_id != -p.submission.id]
    imported_submissions.confirm_fingerprints(connection, [numbers.get(one, one) for one in reused])
    return [
        Placement(
            p.submission,
            numbers.get(p.fingerprint_id, p.fingerprint_id),
            track_ids.get(p.track_id, p.track_id),
        )
        for p in placements
    ]


def _link(placements: Sequence[Placement], connection: sa.Connection) -> list[Imported]:
    """Link each placement's track to the MBID, PUID, text and foreign id of its submission."""
    mbids = {p.submission.id: identifier(p.submission.mbid) for p in placements}
    puids = {p.submission.id: identifier(p.submission.puid) for p in placements}
    fields = {p.submission.id: clean(p.submission.meta) for p in placements if p.submission.meta}
    gids = {submission_id: meta_gid(each) for submission_id, each in fields.items() if each}
    meta_ids = submitted_links.meta_ids(connection, {gids[key]: fields[key] for key in gids})
    metas = {submission_id: meta_ids[gid] for submission_id, gid in gids.items()}
    texts = {p.submission.id: p.submission.foreignid for p in placements if p.submission.foreignid}
    known = submitted_links.foreignid_ids(connection, texts.values())
    foreignids = {submission_id: known[text] for submission_id, text in texts.items()}
    linked = {
        table: _confirm(connection, table, placements, values)
        for table, values in (
            (track_mbid, mbids),
            (track_puid, puids),
            (track_meta, metas),
            (track_foreignid, foreignids),
        )
    }
    return [
        Imported(
            p.submission.id,
            p.fingerprint_id,
            p.track_id,
            linked[track_mbid].get(p.submission.id),
            linked[track_puid].get(p.submission.id),
            linked[track_meta].get(p.submission.id),
            linked[track_foreignid].get(p.submission.id),
        )
        for p in placements
    ]


def _confirm(
    connection: sa.Connection,
    table: sa.Table,
    placements: Sequence[Placement],
    values: Mapping[int, object],
) -> dict[int, int]:
    """Count one kind of link for each submission that has a value; return link ids."""
    named = {
        p.submission.id: (p.track_id, values[p.submission.id])
        for p in placements
        if values.get(p.submission.id) is not None
    }
    ids = submitted_links.confirm(connection, table, named.values())
    return {submission_id: ids[link] for submission_id, link in named.items()}
