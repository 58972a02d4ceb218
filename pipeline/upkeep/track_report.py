"""Describes one track for an operator: fingerprints, links, texts and history, as JSON values."""

from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.app import tables as app
from pipeline.catalog.app.accounts import account_names
from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.edits import edit_log
from pipeline.catalog.fingerprint.tables import (
    fingerprint,
    foreignid,
    foreignid_vendor,
    meta,
    track,
    track_foreignid,
    track_meta,
    track_puid,
)
from pipeline.catalog.fingerprint.tracks import Track, TrackName, find_current_track
from pipeline.catalog.ingest.tables import track_mbid_change
from pipeline.catalog.track_recordings import TrackRecording, recordings_of_tracks
from pipeline.runtime.databases import Databases
from pipeline.submission_fields import METADATA_FIELDS

Report = dict[str, Any]

_FINGERPRINT: Final = (
    fingerprint.c.id,
    fingerprint.c.length,
    fingerprint.c.bitrate,
    fingerprint.c.format_id,
    fingerprint.c.submission_count.label("sources"),
    fingerprint.c.created,
)


def report_track(databases: Databases, name: TrackName) -> Report | None:
    """Return the description of a track; None if there is none.

    `sources` is the number of submissions that confirmed a fingerprint or a link. The history has
    edits, merges, and changes of links by periodic tasks, oldest first. A merged track has the time
    at which it was redirected to this track; the tracks that were merged into it before have the
    same time, because the database has no other.

    Args:
        databases: all four are read.
        name: a track; for a merged track the target of the merge is described.
    """
    with databases.engine("fingerprint").connect() as connection:
        found = find_current_track(connection, name)
        if found is None:
            return None
        merged = _merged(connection, found)
        fingerprints = _rows(connection, sa.select(*_FINGERPRINT), fingerprint, found)
        report: Report = {
            "id": found.id,
            "gid": str(found.gid),
            "merged_tracks": merged,
            "lengths": sorted({row["length"] for row in fingerprints}),
            "fingerprints": fingerprints,
            "texts": _texts(connection, found),
            "puids": _puids(connection, found),
            "foreignids": _foreignids(connection, found),
        }
        history = _edits(connection, [found.id, *(each["id"] for each in merged)])
    recordings = recordings_of_tracks(databases, [found.id]).get(found.id, [])
    report["mbids"] = [_recording(each) for each in recordings]
    history += [
        {"time": time, "kind": "merge", "changed": [f"track {each['gid']}" for each in group]}
        for time, group in groupby(merged, key=lambda each: each["redirected"])
    ]
    history += _link_changes(databases, {each.link_id: each.mbid for each in recordings})
    report["history"] = sorted(history, key=lambda each: each["time"])
    _name_accounts_and_formats(databases, report)
    return report


def _merged(connection: sa.Connection, found: Track) -> list[Report]:
    redirected = sa.func.coalesce(track.c.updated, track.c.created)
    statement = (
        sa.select(track.c.id, track.c.gid, redirected.label("redirected"))
        .where(track.c.new_id == found.id)
        .order_by(redirected, track.c.id)
    )
    return [
        {"id": row.id, "gid": str(row.gid), "redirected": row.redirected}
        for row in connection.execute(statement)
    ]


def _rows(
    connection: sa.Connection, statement: sa.Select[Any], table: sa.Table, found: Track
) -> list[Report]:
    """Return the rows of a table that are of a track, the one with the most sources first."""
    ordered = statement.where(table.c.track_id == found.id).order_by(
        table.c.submission_count.desc(), table.c.id
    )
    return [dict(row) for row in connection.execute(ordered).mappings()]


def _texts(connection: sa.Connection, found: Track) -> list[Report]:
    fields = [meta.c[name] for name in METADATA_FIELDS]
    sources = track_meta.c.submission_count.label("sources")
    statement = sa.select(meta.c.id, sources, *fields).join_from(track_meta, meta)
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in _rows(connection, statement, track_meta, found)
    ]


def _puids(connection: sa.Connection, found: Track) -> list[Report]:
    statement = sa.select(
        sa.cast(track_puid.c.puid, sa.Text).label("puid"),
        track_puid.c.submission_count.label("sources"),
    )
    return _rows(connection, statement, track_puid, found)


def _foreignids(connection: sa.Connection, found: Track) -> list[Report]:
    text = foreignid_vendor.c.name + ":" + foreignid.c.name
    sources = track_foreignid.c.submission_count.label("sources")
    statement = (
        sa.select(text.label("foreignid"), sources)
        .join_from(track_foreignid, foreignid)
        .join(foreignid_vendor)
    )
    return _rows(connection, statement, track_foreignid, found)


def _recording(link: TrackRecording) -> Report:
    return {
        "mbid": str(link.mbid),
        "sources": link.sources,
        "disabled": link.disabled,
        "merged_into": None if link.merged_into is None else str(link.merged_into),
        "length": None if link.length is None else link.length / 1000,
        "duration_mismatch": link.duration_mismatch,
    }


def _edits(connection: sa.Connection, track_ids: Collection[int]) -> list[Report]:
    return [
        {
            "time": each.created,
            "kind": each.kind,
            "edit": each.id,
            "changed": each.subjects(),
            "account": each.account_id,
            "note": each.note,
            "undone_by": each.undone_by,
        }
        for each in edit_log.edits_of_tracks(connection, track_ids)
    ]


def _link_changes(databases: Databases, links: Mapping[int, UUID]) -> list[Report]:
    """Return the changes that the ingest database records, by periodic tasks and other programs."""
    change = track_mbid_change
    statement = sa.select(change).where(is_one_of(change.c.track_mbid_id, links))
    with databases.engine("ingest").connect() as connection:
        rows = connection.execute(statement.order_by(change.c.id)).all()
    return [
        {
            "time": row.created,
            "kind": "disable link" if row.disabled else "enable link",
            "changed": [f"MBID {links[row.track_mbid_id]}"],
            "account": row.account_id,
            "note": row.note or "",
        }
        for row in rows
    ]


def _name_accounts_and_formats(databases: Databases, report: Report) -> None:
    """Replace the ids of accounts and formats by names; those of deleted accounts stay."""
    formats = {row["format_id"] for row in report["fingerprints"]} - {None}
    with databases.engine("app").connect() as connection:
        names = account_names(connection, _ids(report["history"], "account"))
        statement = sa.select(app.audio_format.c.id, app.audio_format.c.name)
        found = statement.where(is_one_of(app.audio_format.c.id, formats))
        known = dict(connection.execute(found).all())
    for row in report["fingerprints"]:
        row["format"] = known.get(row.pop("format_id"))
    for entry in report["history"]:
        if "account" in entry:
            entry["account"] = {"id": entry["account"], "name": names.get(entry["account"])}


def _ids(entries: Iterable[Report], name: str) -> set[int]:
    return {entry[name] for entry in entries if name in entry}
