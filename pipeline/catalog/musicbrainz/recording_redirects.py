"""What became of recordings in MusicBrainz: merged into others, still there, or gone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.musicbrainz import tables as mb


@dataclass(frozen=True, slots=True)
class Recordings:
    """What a copy of MusicBrainz says of some MBIDs.

    Attributes:
        redirects: MBIDs of merged recordings, each with the MBID that is right now.
        known: MBIDs that recordings have.
        replicated: up to when the copy follows MusicBrainz; None where it doesn't say.
        is_empty: it has no recordings, so it says nothing.
        has_redirects: it says where merged recordings went; without, an MBID that is missing may
            be a merged one.
    """

    redirects: Mapping[UUID, UUID]
    known: frozenset[UUID]
    replicated: datetime | None
    is_empty: bool
    has_redirects: bool


def ask(connection: sa.Connection, mbids: Collection[UUID]) -> Recordings:
    """Return what a MusicBrainz database says of MBIDs.

    It is one statement, hence of one moment: a dump that is being loaded is never half seen.

    Args:
        connection: to the ``musicbrainz`` database.
        mbids: of recordings, or what once were recordings.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away, too slow, or has no such tables.
    """
    rows = connection.execute(_statement(), {"mbids": list(mbids)}).all()
    first = rows[0]
    return Recordings(
        redirects={row.mbid: row.now for row in rows if row.now and not row.is_known},
        known=frozenset(row.mbid for row in rows if row.is_known),
        replicated=first.replicated,
        is_empty=not first.has_recordings,
        has_redirects=first.has_redirects,
    )


@cache
def _statement() -> sa.Select[Any]:
    """Return the statement: a row for each MBID, or a single one without when there are none."""
    wanted = (
        sa.func.unnest(sa.bindparam("mbids", type_=sa.ARRAY(sa.UUID)))
        .table_valued(sa.column("mbid", sa.UUID), name="wanted")
        .render_derived()
    )
    copy = sa.select(
        sa.select(sa.func.max(mb.replication_control.c.last_replication_date))
        .scalar_subquery()
        .label("replicated"),
        sa.exists(sa.select(mb.recording.c.id)).label("has_recordings"),
        sa.exists(sa.select(mb.recording_gid_redirect.c.gid)).label("has_redirects"),
    ).subquery("copy")
    known, now = mb.recording.alias("known"), mb.recording.alias("now")
    redirect = mb.recording_gid_redirect
    return sa.select(
        wanted.c.mbid,
        known.c.id.is_not(None).label("is_known"),
        now.c.gid.label("now"),
        *copy.c,
    ).select_from(
        copy.outerjoin(wanted, sa.true())
        .outerjoin(known, known.c.gid == wanted.c.mbid)
        .outerjoin(redirect, redirect.c.gid == wanted.c.mbid)
        .outerjoin(now, now.c.id == redirect.c.new_id)
    )
