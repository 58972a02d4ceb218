"""Merges one MBID into another, in the links of all tracks.

The links and their sources are in two databases without a common commit. The links are committed
first. The links determine how the sources move, so the next run completes a run that was
interrupted between the commits.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import DISABLE_OR_MERGE_MBID, MERGE_INTO_MBID, lock_mbid
from pipeline.catalog.bulk_statements import replace_ids
from pipeline.catalog.fingerprint.mbid_links import (
    STATEMENT_LIMIT,
    MbidLink,
    add_links,
    lock_links,
    store_links,
)
from pipeline.catalog.fingerprint.unlinked_mbids import unlinked_by_edits
from pipeline.catalog.ingest.tables import track_mbid_change, track_mbid_source
from pipeline.runtime.databases import Databases, limit_statements


@dataclass(frozen=True, slots=True)
class MbidMerge:
    """The result of a merge.

    Attributes:
        merged: number of tracks whose links changed; 0 if they were merged before.
        refused: ids of tracks whose link stays, because it is merged into another one already or
            the merge would make a cycle.
    """

    merged: int
    refused: tuple[int, ...] = ()


def merge_mbids(databases: Databases, source: UUID, target: UUID) -> MbidMerge:
    """Merge an MBID into another one on each track that has it; a second run changes nothing.

    The target's link gets the source's submissions, and is disabled only if both links were or an
    edit disabled it. A new target's link has the state of the source's link. The source's link
    stays, disabled and without submissions, and refers to the target's link.

    Args:
        databases: ``fingerprint`` and ``ingest`` are changed.
        source: the MBID to merge.
        target: the MBID that replaces it. If its link was merged, the target of that link counts.

    Raises:
        ValueError: source and target are equal.
        sqlalchemy.exc.OperationalError: a database is unreachable or a lock was not free in time.
    """
    if source == target:
        raise ValueError(f"an MBID can't be merged into itself: {source}")
    with databases.engine("fingerprint").begin() as connection:
        limit_statements(connection, STATEMENT_LIMIT)
        lock_mbid(connection, DISABLE_OR_MERGE_MBID, source)
        lock_mbid(connection, MERGE_INTO_MBID, target)
        done, moves = _merge_links(connection, source, target)
    move_sources(databases, moves)
    return done


def move_sources(databases: Databases, moves: Mapping[int, int]) -> int:
    """Move the sources and changes of merged links to the links that replace them.

    Args:
        databases: ``ingest`` is changed.
        moves: id of the replacing link by id of the merged link.

    Returns:
        The number of changed rows.
    """
    if not moves:
        return 0
    with databases.engine("ingest").begin() as connection:
        limit_statements(connection, STATEMENT_LIMIT)
        columns = track_mbid_source.c.track_mbid_id, track_mbid_change.c.track_mbid_id
        return sum(replace_ids(connection, column, moves) for column in columns)


def _merge_links(
    connection: sa.Connection, source: UUID, target: UUID
) -> tuple[MbidMerge, dict[int, int]]:
    links = lock_links(connection, source)
    links += add_links(connection, target, _missing_targets(links, source, target))
    unlinked = _unlinked(connection, links, source, target)
    changed: list[MbidLink] = []
    refused: list[int] = []
    for track_id, of_track in _by_track(links):
        result = merge_in_track(of_track, source, target, unlinked)
        if result is None:
            refused.append(track_id)
        else:
            changed += result
    store_links(connection, changed)
    merged = sum(link.mbid == source for link in changed)
    moves = {link.id: link.merged_into for link in links if link.mbid == source}
    return MbidMerge(merged, tuple(refused)), {old: new for old, new in moves.items() if new}


def _unlinked(
    connection: sa.Connection, links: Iterable[MbidLink], source: UUID, target: UUID
) -> frozenset[int]:
    """Return the links that an edit disabled, of the tracks where the merge could enable one."""
    tracks = {link.track_id for link in links if link.mbid == source and not link.disabled}
    tracks &= {link.track_id for link in links if link.mbid == target and link.disabled}
    disabled = (link for link in links if link.disabled and link.track_id in tracks)
    return unlinked_by_edits(connection, {link.id: (link.track_id, link.mbid) for link in disabled})


def merge_in_track(
    links: Sequence[MbidLink], source: UUID, target: UUID, unlinked: Collection[int] = ()
) -> list[MbidLink] | None:
    """Merge the MBID links of one track in place; return the changed ones.

    Args:
        links: all links of the track, with one to the source, and one to the target unless the
            source was merged before.
        source: the MBID to merge.
        target: the MBID that replaces it.
        unlinked: ids of links that an edit disabled. The target's link stays disabled if it or a
            link that was merged into it is one of them.

    Returns:
        The changed links, empty if they were merged before. None if the merge is refused: the
        source is merged into another MBID, or the target into the source.
    """
    by_mbid = {link.mbid: link for link in links}
    old, new = by_mbid[source], _end(by_mbid.get(target), links)
    if new is None or new is old or (old.merged_into and _end(old, links) is not new):
        return None
    if old.merged_into == new.id and not old.submission_count:
        return []
    targets = {new.id, *(link.id for link in links if link.merged_into == new.id)}
    pointing = [link for link in links if link.merged_into == old.id]
    for link in (old, *pointing):
        link.merged_into = new.id
    new.submission_count += old.submission_count
    new.disabled = new.disabled and (old.disabled or not targets.isdisjoint(unlinked))
    old.submission_count, old.disabled = 0, True
    return [old, new, *pointing]


def _end(link: MbidLink | None, links: Iterable[MbidLink]) -> MbidLink | None:
    """Return the last link in a chain of merges; None if the chain is a cycle."""
    by_id = {each.id: each for each in links}
    passed: set[int] = set()
    while link and link.merged_into:
        if link.id in passed:
            return None
        passed.add(link.id)
        link = by_id.get(link.merged_into)
    return link


def _missing_targets(links: Iterable[MbidLink], source: UUID, target: UUID) -> dict[int, bool]:
    """Return ids of tracks without a link to the target, and if their source's link is disabled."""
    have = {link.track_id for link in links if link.mbid == target}
    return {
        link.track_id: link.disabled
        for link in links
        if link.mbid == source and link.merged_into is None and link.track_id not in have
    }


def _by_track(links: Iterable[MbidLink]) -> Iterable[tuple[int, list[MbidLink]]]:
    of_track = attrgetter("track_id")
    return (
        (track_id, list(group))
        for track_id, group in groupby(sorted(links, key=of_track), key=of_track)
    )
