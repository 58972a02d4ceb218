"""Merges the links of merged tracks: of equal links the oldest stays."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import replace_ids
from pipeline.catalog.fingerprint.tables import (
    submission_import,
    track_foreignid,
    track_mbid,
    track_meta,
    track_puid,
)
from pipeline.catalog.fingerprint.unlinked_mbids import unlinked_by_edits
from pipeline.catalog.ingest import tables as ingest


@dataclass(frozen=True, slots=True)
class LinkKind:
    """One kind of link, and the columns that refer to its ids.

    Attributes:
        table: a table of the fingerprint database.
        value: name of the column with the value that the track is linked to.
        imported: column of `submission_import` with the id of the link.
        provenance: columns of the ingest database with the id of the link.
    """

    table: sa.Table
    value: str
    imported: sa.Column[Any]
    provenance: tuple[sa.Column[Any], ...]


KINDS: Final = (
    LinkKind(
        track_mbid,
        "mbid",
        submission_import.c.track_mbid_id,
        (ingest.track_mbid_source.c.track_mbid_id, ingest.track_mbid_change.c.track_mbid_id),
    ),
    LinkKind(
        track_puid,
        "puid",
        submission_import.c.track_puid_id,
        (ingest.track_puid_source.c.track_puid_id,),
    ),
    LinkKind(
        track_meta,
        "meta_id",
        submission_import.c.track_meta_id,
        (ingest.track_meta_source.c.track_meta_id,),
    ),
    LinkKind(
        track_foreignid,
        "foreignid_id",
        submission_import.c.track_foreignid_id,
        (ingest.track_foreignid_source.c.track_foreignid_id,),
    ),
)


@dataclass(frozen=True, slots=True)
class TrackLink:
    """A link of a track; only links to MBIDs can be disabled or merged."""

    id: int
    track_id: int
    value: UUID | int
    submission_count: int
    disabled: bool = False
    merged_into: int | None = None
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkGroup:
    """The link that stays of several with one value, and the ids of the removed ones.

    `track_id` is its track before the merge; the other fields are those after it.
    """

    kept: int
    track_id: int
    removed: tuple[int, ...]
    submission_count: int
    disabled: bool
    merged_into: int | None


def group_links(links: Sequence[TrackLink], unlinked: Collection[int] = ()) -> list[LinkGroup]:
    """Group links by their value.

    The link with the lowest id stays and gets all submissions. It is disabled only if all links
    were or an edit disabled one of them (`unlinked`), and merged only if all were; otherwise the
    next scan of redirects merges it.
    """
    groups: dict[UUID | int, list[TrackLink]] = {}
    for link in sorted(links, key=lambda link: link.id):
        groups.setdefault(link.value, []).append(link)
    kept = {link.id: group[0].id for group in groups.values() for link in group}
    return [_joined(group, kept, unlinked) for group in groups.values()]


def moves_of(groups: Iterable[LinkGroup]) -> dict[int, int]:
    """Return the id of the link that stays by the id of each removed link."""
    return {removed: group.kept for group in groups for removed in group.removed}


def lock_links(
    connection: sa.Connection, kind: LinkKind, track_ids: Sequence[int]
) -> list[TrackLink]:
    """Return the links of tracks by id, locked until the transaction ends."""
    table = kind.table
    statement = (
        sa.select(
            table.c.id,
            table.c.track_id,
            table.c[kind.value],
            table.c.submission_count,
            table.c.get("disabled", sa.false()),
            table.c.get("merged_into", sa.null()),
            table.c.created,
        )
        .where(table.c.track_id.in_(track_ids))
        .order_by(table.c.id)
        .with_for_update()
    )
    return [TrackLink(*row) for row in connection.execute(statement)]


def find_unlinked(connection: sa.Connection, links: Iterable[TrackLink]) -> frozenset[int]:
    """Return the ids of the links to MBIDs that an edit disabled."""
    return unlinked_by_edits(
        connection,
        {
            link.id: (link.track_id, link.value)
            for link in links
            if isinstance(link.value, UUID) and link.disabled and link.merged_into is None
        },
    )


def store_groups(
    connection: sa.Connection, kind: LinkKind, track_id: int, groups: Sequence[LinkGroup]
) -> None:
    """Move the links that stay to a track and delete the others."""
    table, moves = kind.table, moves_of(groups)
    if table is track_mbid:
        replace_ids(connection, table.c.merged_into, moves)
    connection.execute(sa.delete(table).where(table.c.id.in_(list(moves))))
    changed = [group for group in groups if group.removed or group.track_id != track_id]
    if changed:
        names = [name for name in ("disabled", "merged_into") if name in table.c]
        names.append("submission_count")
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("link"))
            .values(track_id=track_id, updated=sa.func.now())
            .values({name: sa.bindparam(name) for name in names}),
            [{"link": g.kept} | {name: getattr(g, name) for name in names} for g in changed],
        )


def _joined(
    group: Sequence[TrackLink], kept: dict[int, int], unlinked: Collection[int]
) -> LinkGroup:
    first, *others = group
    ends = [link.merged_into for link in group]
    merged_into = None if None in ends else kept.get(ends[0] or 0, ends[0])
    return LinkGroup(
        kept=first.id,
        track_id=first.track_id,
        removed=tuple(link.id for link in others),
        submission_count=sum(link.submission_count for link in group),
        disabled=all(link.disabled for link in group) or any(link.id in unlinked for link in group),
        merged_into=None if merged_into == first.id else merged_into,
    )
