"""Loads a MusicBrainz dump (`acoustid musicbrainz load`)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import try_lock_musicbrainz
from pipeline.catalog.musicbrainz.dump.errors import DumpError, OtherDumpError
from pipeline.catalog.musicbrainz.dump.filling import Filling, Progress
from pipeline.catalog.musicbrainz.dump.grants import become_owner
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD, run
from pipeline.catalog.musicbrainz.dump.source import DumpSource
from pipeline.catalog.musicbrainz.dump.switch import drop_schema, require_copy, switch

LOCK_TIMEOUT: Final = 10.0
"""Seconds to wait for the end of another load, whose process may have been killed just now."""

_POLL_INTERVAL: Final = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load has done.

    Attributes:
        rows: number of rows of each table that the dump has.
        missing: optional tables that the dump does not have. They are empty now.
        kept: tables of `rows` that an interrupted load of the same dump had completed.
        old_is_dropped: whether the replaced tables are dropped. Otherwise the next load does so.
    """

    rows: Mapping[str, int]
    missing: tuple[str, ...]
    kept: tuple[str, ...]
    old_is_dropped: bool


def load_dump(
    engine: sa.Engine,
    source: DumpSource,
    progress: Progress,
    *,
    lock_timeout: float = LOCK_TIMEOUT,
) -> Loaded:
    """Load a dump beside the tables in use, and switch to it.

    Lookups read the tables in use until the switch, which does not wait for them. A load that is
    killed changes nothing. The next one keeps the tables that were complete, if the dump has the
    same bytes, so the result is the same.

    Args:
        engine: the engine of the ``musicbrainz`` database.
        source: the dump; a table that it does not have is left empty.
        progress: is called with the name of a table and the number of bytes that were read since
            the last call, and with 0 when the indexes of the table are created. The number is
            negative if the dump is read again from its start.
        lock_timeout: seconds to wait for the end of another load.

    Raises:
        DumpError: the dump is not valid, another load runs, or the database is a mirror, is not
            migrated or has objects that would be lost. Nothing was changed.
        sqlalchemy.exc.DBAPIError: the database is unreachable, its disk is full, or the user is not
            the owner of the tables. Nothing was changed.
    """
    with _own_connection(engine) as connection:
        _lock(connection, lock_timeout)
        with connection.begin():
            require_copy(connection)
            become_owner(connection)
        if not drop_schema(connection, OLD):
            raise DumpError(
                f"the schema {OLD} of an earlier load is still read: wait for the transactions "
                "that read it, such as a backup, and load the dump again"
            )
        try:
            filling = _fill(connection, source, progress)
            switch(connection)
        except Exception:
            with suppress(sa.exc.SQLAlchemyError):
                drop_schema(connection, NEW)  # it may have filled the disk
            raise
        old_is_dropped = drop_schema(connection, OLD)
    return Loaded(filling.rows, filling.missing, tuple(filling.kept), old_is_dropped)


def _fill(connection: sa.Connection, source: DumpSource, progress: Progress) -> Filling:
    """Fill the new tables. Begin anew if those of an interrupted load are of another dump."""
    counted = 0

    def count(name: str, size: int) -> None:
        nonlocal counted
        counted += size
        progress(name, size)

    filling = Filling(connection, source, count)
    try:
        filling.run()
    except OtherDumpError:
        drop_schema(connection, NEW)
        progress("", -counted)
        filling = Filling(connection, source, progress)
        filling.run()
    return filling


@contextmanager
def _own_connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection that is closed at the end, so that its lock and its settings end too."""
    with closing(engine.connect()) as connection:
        connection.detach()
        # Otherwise PostgreSQL would end the last statement of a killed load, such as the creation
        # of an index, before it notices. Not all platforms can do this.
        with suppress(sa.exc.DBAPIError), connection.begin():
            run(connection, "SET client_connection_check_interval = '1s'")
        yield connection


def _lock(connection: sa.Connection, longest_wait: float) -> None:
    deadline = time.monotonic() + longest_wait
    while not _is_locked(connection):
        if time.monotonic() > deadline:
            raise DumpError(
                "another process loads a dump or applies replication packets: wait for its end"
            )
        time.sleep(_POLL_INTERVAL)


def _is_locked(connection: sa.Connection) -> bool:
    with connection.begin():
        return try_lock_musicbrainz(connection)
