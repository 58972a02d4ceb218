"""Divides the links of a track that is split, by the submissions of the moved fingerprints.

The ingest database has each submission's fingerprint and values. Values and not link ids are
compared, because a split or a merge of tracks before may have given a value another link.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.edits.row_changes import RowRecorder
from pipeline.catalog.fingerprint.tables import foreignid, foreignid_vendor, meta, track_mbid
from pipeline.catalog.fingerprint.track_merge_links import KINDS, LinkKind, TrackLink, lock_links
from pipeline.catalog.ingest.tables import submission_result

Times = Mapping[UUID | int, Sequence[datetime | None]]
"""For each value, the times when its submissions were imported; None for an unknown time."""

_SUBMITTED: Final[Mapping[str, sa.Column[Any]]] = {
    "mbid": submission_result.c.mbid,
    "puid": submission_result.c.puid,
    "meta_id": submission_result.c.meta_gid,
    "foreignid_id": submission_result.c.foreignid,
}
"""The column with the submitted value, by the name of the column in the table of links."""


def split_links(
    rows: RowRecorder,
    ingest: sa.Connection,
    fingerprint_ids: Collection[int],
    old_id: int,
    new_id: int,
) -> None:
    """Move links, or parts of their submission counts, from a track to a new one.

    Args:
        rows: changes the rows of the fingerprint database.
        ingest: a connection to the ingest database, which is only read.
        fingerprint_ids: the moved fingerprints.
        old_id: id of the track that they were of.
        new_id: id of the new track, which has no links.
    """
    for kind in KINDS:
        links = lock_links(rows.connection, kind, [old_id])
        if links:
            times = submission_times(rows.connection, ingest, kind, fingerprint_ids)
            _split(rows, kind, links, _by_link(links, times), new_id)


def submission_times(
    connection: sa.Connection,
    ingest: sa.Connection,
    kind: LinkKind,
    fingerprint_ids: Collection[int],
) -> Times:
    """Return the submissions of the fingerprints by the value that they linked.

    Args:
        connection: a connection to the fingerprint database.
        ingest: a connection to the ingest database.
        kind: the kind of the links.
        fingerprint_ids: the ids of the fingerprints.
    """
    submitted = _SUBMITTED[kind.value]
    statement = (
        sa.select(submitted, submission_result.c.handled_at)
        .where(is_one_of(submission_result.c.fingerprint_id, fingerprint_ids))
        .where(submitted.is_not(None))
    )
    found: dict[Any, list[datetime | None]] = {}
    for value, time in ingest.execute(statement):
        found.setdefault(value, []).append(time)
    if kind.value == "meta_id":
        ids = sa.select(meta.c.gid, meta.c.id).where(is_one_of(meta.c.gid, found))
    elif kind.value == "foreignid_id":
        text = foreignid_vendor.c.name + ":" + foreignid.c.name
        ids = sa.select(text, foreignid.c.id).join_from(foreignid, foreignid_vendor)
        names = [tuple(each.split(":", 1)) for each in found]
        ids = ids.where(sa.tuple_(foreignid_vendor.c.name, foreignid.c.name).in_(names))
    else:
        return found
    return {value: found[key] for key, value in connection.execute(ids)}


def _by_link(links: Collection[TrackLink], times: Times) -> Counter[int]:
    """Return the number of submissions by link id; those of a merged link are of its target.

    Submissions before the link are those of an equal link that an edit removed.
    """
    by_id = {link.id: link for link in links}
    found: Counter[int] = Counter()
    for link in links:
        end, passed = link, {link.id}
        while end.merged_into in by_id and end.merged_into not in passed:
            passed.add(end.merged_into)
            end = by_id[end.merged_into]
        found[end.id] += len(times_since(times.get(link.value, ()), link.created))
    return found


def times_since(times: Sequence[datetime | None], start: datetime | None) -> list[datetime | None]:
    """Return the times after a start, and the unknown ones."""
    return [time for time in times if time is None or start is None or time >= start]


def _split(
    rows: RowRecorder,
    kind: LinkKind,
    links: Collection[TrackLink],
    counts: Mapping[int, int],
    new_id: int,
) -> None:
    moved = {link.id for link in links if 0 < link.submission_count <= counts[link.id]}
    divided = [link for link in links if 0 < counts[link.id] < link.submission_count]
    for link_id in sorted(_with_merged(moved, links)):
        rows.update(kind.table, link_id, {"track_id": new_id})
    for link in divided:
        _divide(rows, kind, link, counts[link.id], new_id)


def _with_merged(moved: Collection[int], links: Collection[TrackLink]) -> set[int]:
    """Return the moved links and those that were merged into them, which are of the same track."""
    found: set[int] = set()
    more = set(moved)
    while more:
        found |= more
        more = {link.id for link in links if link.merged_into in found} - found
    return found


def _divide(rows: RowRecorder, kind: LinkKind, link: TrackLink, count: int, new_id: int) -> None:
    """Give the new track an equal link with a part of the submissions."""
    values: dict[str, Any] = {kind.value: link.value, "track_id": new_id}
    values |= {"submission_count": count, "created": link.created}
    if kind.table is track_mbid:
        values["disabled"] = link.disabled
    rows.update(kind.table, link.id, {"submission_count": link.submission_count - count})
    rows.insert(kind.table, values)
