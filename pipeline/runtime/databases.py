"""The four databases and their connection pools.

An engine is made when it is first asked for. A process that forks must not share connections with
its children: make `Databases` after the fork, as `pipeline.runtime.processes` does.

A server that ends, or ends a connection, says so on the socket at once: what has nothing to read
is alive. A round trip before every use, as SQLAlchemy's own ping is, costs a lookup as much as the
statement that it sends; here only a connection that shows something, or has rested for long, is
asked.
"""

import math
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy
from sqlalchemy import event, exc

from pipeline.settings.sections import DatabaseSettings, Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DatabaseName = Literal["app", "fingerprint", "ingest", "musicbrainz"]

CONNECT_TIMEOUT = 5
"""Seconds to wait for a new connection."""

SHORTEST_LIMIT = 0.001
"""Seconds, the shortest time limit of a statement that PostgreSQL knows."""

DATABASE_UNREACHABLE: Final = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
"""Raised when a database is unreachable, has no free connection, or exceeds a time limit."""

DATABASE_UNUSABLE: Final = (exc.DBAPIError, exc.TimeoutError)
"""The same, and any error of a statement: a table that is missing, or a right."""

_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A server that vanished without a word is noticed after a minute."""


class Databases:
    """Engines by the names of the databases; equal settings share one engine.

    Args:
        settings: the databases and their read-only twins.
        component: the part this process plays; PostgreSQL shows it as ``acoustid-<component>``.
    """

    def __init__(self, settings: Settings, *, component: str = "pipeline") -> None:
        self._databases: dict[tuple[DatabaseName, bool], DatabaseSettings] = {
            ("app", False): settings.database,
            ("app", True): settings.database_ro,
            ("fingerprint", False): settings.database_fingerprint,
            ("fingerprint", True): settings.database_fingerprint_ro,
            ("ingest", False): settings.database_ingest,
            ("ingest", True): settings.database_ingest_ro,
            ("musicbrainz", False): settings.database_musicbrainz,
            ("musicbrainz", True): settings.database_musicbrainz_ro,
        }
        # Telling settings apart takes longer than many a statement, so it is done once.
        self._identities = {
            key: tuple(database.model_dump().items()) for key, database in self._databases.items()
        }
        self._application = f"acoustid-{component}"
        self._lock = threading.Lock()
        self._engines: dict[tuple[tuple[object, ...], bool], sqlalchemy.Engine] = {}

    def engine(self, name: DatabaseName, *, read_only: bool = False) -> sqlalchemy.Engine:
        """Return the engine of a database.

        Args:
            name: which of the four.
            read_only: take the read-only twin, which is the main database unless it has settings
                of its own. A twin may lag behind.
        """
        return self._engine(name, read_only=read_only)

    @contextmanager
    def reading(self, name: DatabaseName) -> Iterator[sqlalchemy.Connection]:
        """Lend a connection to a read-only twin on which each statement stands for itself.

        They have a pool of their own: to switch a connection to and fro takes as long as a
        statement.
        """
        with self._engine(name, read_only=True, autocommit=True).connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close every connection that is not in use; engines are made anew when asked for."""
        with self._lock:
            engines = list(self._engines.values())
            self._engines.clear()
        for engine in engines:
            engine.dispose()

    def _engine(
        self, name: DatabaseName, *, read_only: bool, autocommit: bool = False
    ) -> sqlalchemy.Engine:
        key = (self._identities[name, read_only], autocommit)
        with self._lock:
            if key not in self._engines:
                self._engines[key] = _create_engine(
                    self._databases[name, read_only], self._application, autocommit=autocommit
                )
            return self._engines[key]


def limit_statements(connection: "sqlalchemy.Connection | Session", seconds: float) -> None:
    """Let no statement of the running transaction take longer (``SET LOCAL statement_timeout``).

    A statement that does is cancelled by the server: `sqlalchemy.exc.OperationalError`.

    Args:
        connection: in a transaction, which begins here if none has.
        seconds: the limit, above 0; a limit of 0 would be none to PostgreSQL.

    Raises:
        ValueError: the limit is not above 0.
    """
    if not seconds > 0:
        raise ValueError(f"a statement's time limit must be above 0 s, not {seconds}")
    milliseconds = math.ceil(seconds * 1000)
    connection.execute(sqlalchemy.text(f"SET LOCAL statement_timeout = {milliseconds}"))


def _create_engine(
    database: DatabaseSettings, application: str, *, autocommit: bool
) -> sqlalchemy.Engine:
    options: dict[str, Any] = {}
    if autocommit:  # then there is nothing to roll back when a connection comes back
        options = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    engine = sqlalchemy.create_engine(
        database.url(),
        pool_size=database.pool_size,
        max_overflow=0,
        pool_recycle=-1 if database.pool_recycle is None else database.pool_recycle,
        pool_timeout=database.pool_timeout,
        hide_parameters=True,
        connect_args={
            "application_name": application,
            "connect_timeout": CONNECT_TIMEOUT,
            **_KEEPALIVE,
        },
        **options,
    )
    if database.pool_pre_ping:
        replace_dead_connections(engine)
    return engine


RESTED: Final = 10.0
"""Seconds without use after which a connection is asked; a network may forget it in silence."""

_USED: Final = "acoustid_last_checkout"


def replace_dead_connections(engine: sqlalchemy.Engine) -> None:
    """Let the engine's pool replace a dead connection before it lends it."""

    def check(connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401 - the driver's
        now = time.monotonic()
        rested = now - record.info.get(_USED, now) > RESTED
        record.info[_USED] = now
        if (rested or _has_something_to_read(connection)) and not _answers(engine, connection):
            raise exc.InvalidatePoolError

    event.listen(engine, "checkout", check)


def _has_something_to_read(connection: Any) -> bool:  # noqa: ANN401 - the driver's
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _answers(engine: sqlalchemy.Engine, connection: Any) -> bool:  # noqa: ANN401 - the driver's
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False
