"""Reads for MBIDs whether MusicBrainz has, has merged, or has removed their recordings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
import structlog

from pipeline.catalog.musicbrainz import tables as mb
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases, limit_statements

STATEMENT_LIMIT: Final = 5.0
"""Seconds that the statement may take."""

logger = structlog.get_logger("acoustid.catalog.musicbrainz.recording_redirects")


@dataclass(frozen=True, slots=True)
class Recordings:
    """The MBIDs that a copy of MusicBrainz has, and the redirects of merged ones.

    Attributes:
        redirects: the current MBID by the MBID of a merged recording.
        known: MBIDs of recordings that exist.
        replicated: time up to which the copy follows MusicBrainz; None if it is unknown.
        is_empty: the copy has no recordings, so a missing MBID may exist in MusicBrainz.
        has_redirects: the copy has redirects. Without them a missing MBID may be a merged one.
    """

    redirects: Mapping[UUID, UUID]
    known: frozenset[UUID]
    replicated: datetime | None
    is_empty: bool
    has_redirects: bool


def read_recordings(databases: Databases, mbids: Collection[UUID]) -> Recordings | None:
    """Return the state of MBIDs in MusicBrainz; log the reason and return None if it can't be read.

    Args:
        databases: the read-only database of ``musicbrainz`` is read.
        mbids: MBIDs of recordings that may not exist.
    """
    try:
        with databases.engine("musicbrainz", read_only=True).connect() as connection:
            limit_statements(connection, STATEMENT_LIMIT)
            return _read(connection, mbids)
    except DATABASE_UNUSABLE as error:
        logger.warning("MBIDs stay unchanged: MusicBrainz cannot be read", error=error)
        return None


def _read(connection: sa.Connection, mbids: Collection[UUID]) -> Recordings:
    # A single statement, so that the load of a dump is visible completely or not at all.
    rows = connection.execute(redirects_statement(), {"mbids": list(mbids)}).all()
    first = rows[0]
    return Recordings(
        redirects={row.mbid: row.now for row in rows if row.now and not row.is_known},
        known=frozenset(row.mbid for row in rows if row.is_known),
        replicated=first.replicated,
        is_empty=not first.has_recordings,
        has_redirects=first.has_redirects,
    )


@cache
def redirects_statement() -> sa.Select[Any]:
    """Return the statement: one row for each MBID, a row without an MBID if there are none."""
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
