"""Disables the links to an MBID, and records the change with its reason."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from pipeline.catalog.advisory_locks import DISABLE_OR_MERGE_MBID, lock_mbid
from pipeline.catalog.app.accounts import ensure_bot_account
from pipeline.catalog.fingerprint.mbid_links import STATEMENT_LIMIT
from pipeline.catalog.fingerprint.tables import track_mbid
from pipeline.catalog.ingest.tables import track_mbid_change
from pipeline.runtime.databases import Databases, limit_statements


def disable_mbid(databases: Databases, mbid: UUID, note: str) -> int:
    """Disable all links to an MBID; return the number of links that were enabled.

    The change is recorded first, in the ingest database, while the links are locked. If the process
    ends before the second commit, the next run does not record it again. A link that was enabled
    since the record, for example by an edit, gets another one.

    Args:
        databases: ``fingerprint`` and ``ingest`` are changed, and ``app`` at the first call.
        mbid: the MBID of the recording.
        note: the reason, as a text to display.

    Raises:
        sqlalchemy.exc.OperationalError: a database is unreachable or a lock was not free in time.
    """
    with databases.engine("app").begin() as connection:
        account_id = ensure_bot_account(connection)
    with databases.engine("fingerprint").begin() as connection:
        limit_statements(connection, STATEMENT_LIMIT)
        lock_mbid(connection, DISABLE_OR_MERGE_MBID, mbid)
        links = _lock_enabled(connection, mbid)
        if links:
            with databases.engine("ingest").begin() as ingest:
                _record_changes(ingest, links, account_id, note)
            connection.execute(
                sa.update(track_mbid)
                .where(track_mbid.c.id.in_(links))
                .values(disabled=True, updated=sa.func.now())
            )
    return len(links)


def _lock_enabled(connection: sa.Connection, mbid: UUID) -> dict[int, datetime]:
    """Return the enabled links, locked, with the times of their last changes."""
    changed = sa.func.coalesce(track_mbid.c.updated, track_mbid.c.created)
    statement = (
        sa.select(track_mbid.c.id, changed)
        .where(track_mbid.c.mbid == mbid, track_mbid.c.disabled.is_(False))
        .order_by(track_mbid.c.id)
        .with_for_update()
    )
    return dict(connection.execute(statement).all())


def _record_changes(
    connection: sa.Connection, links: Mapping[int, datetime], account_id: int, note: str
) -> None:
    recorded = _recorded(connection, links, account_id, note)
    rows = [
        {"track_mbid_id": link, "account_id": account_id, "disabled": True, "note": note}
        for link in links
        if link not in recorded
    ]
    if rows:
        connection.execute(sa.insert(track_mbid_change), rows)


def _recorded(
    connection: sa.Connection, links: Mapping[int, datetime], account_id: int, note: str
) -> Collection[int]:
    """Return the links whose last change is this one, recorded by a run that was interrupted."""
    change = track_mbid_change
    newest = (
        sa.select(change)
        .where(change.c.track_mbid_id.in_(links))
        .order_by(change.c.track_mbid_id, change.c.id.desc())
        .ext(distinct_on(change.c.track_mbid_id))
        .subquery()
    )
    statement = sa.select(newest.c.track_mbid_id, newest.c.created).where(
        newest.c.account_id == account_id, newest.c.disabled, newest.c.note == note
    )
    rows = connection.execute(statement)
    return {link_id for link_id, recorded in rows if recorded > links[link_id]}
