"""The four databases and their connection pools.

An engine is created at its first use. Processes must not share connections after a fork: create
`Databases` after it, as `pipeline.runtime.processes` does.

SQLAlchemy's ping before each use of a connection takes a round trip, as much time as the statement
of a lookup. When a server stops or closes a connection, the socket becomes readable. So a
connection is pinged only if its socket is readable or it was idle for `PING_AFTER_IDLE` seconds.
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

PING_AFTER_IDLE: Final = 10.0
"""Idle seconds after which a connection is pinged; a network may have dropped it silently."""

_USED: Final = "acoustid_last_checkout"


DatabaseName = Literal["app", "fingerprint", "ingest", "musicbrainz"]

CONNECT_TIMEOUT = 5
"""Seconds to wait for a new connection."""

SHORTEST_LIMIT = 0.001
"""The minimum time limit of a statement in PostgreSQL, in seconds."""

DATABASE_UNREACHABLE: Final = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
"""Raised when a database is unreachable, has no free connection, or exceeds a time limit."""

DATABASE_UNUSABLE: Final = (exc.DBAPIError, exc.TimeoutError)
"""The same, and any error of a statement, such as a missing table or permission."""

_KEEPALIVE: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A server that fails without closing its connections is detected after a minute."""


class Databases:
    """SQLAlchemy engines by the names of the databases; equal settings share one engine.

    Args:
        settings: settings of the databases and the read-only databases.
        component: the role of this process; PostgreSQL shows it as ``acoustid-<component>``.
        connect_timeout: seconds to wait for a new connection.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        component: str = "pipeline",
        connect_timeout: int = CONNECT_TIMEOUT,
    ) -> None:
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
        # A comparison of settings takes longer than a short statement, so the keys are made once.
        self._identities = {
            key: tuple(database.model_dump().items()) for key, database in self._databases.items()
        }
        self._connect_arguments = connect_arguments(f"acoustid-{component}", connect_timeout)
        self._lock = threading.Lock()
        self._engines: dict[tuple[tuple[object, ...], bool], sqlalchemy.Engine] = {}

    def engine(self, name: DatabaseName, *, read_only: bool = False) -> sqlalchemy.Engine:
        """Return the engine of a database.

        Args:
            name: the name of the database.
            read_only: return the engine of the read-only database, which may lag behind. It is the
                main database unless it has separate settings.
        """
        return self._engine(name, read_only=read_only)

    @contextmanager
    def reading(self, name: DatabaseName) -> Iterator[sqlalchemy.Connection]:
        """Open a connection to a read-only database that commits after each statement.

        These connections have a separate pool: to switch the mode of a connection takes as long as
        a statement.
        """
        with self._engine(name, read_only=True, autocommit=True).connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close all connections that are not in use; the next use creates the engines again."""
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
                    self._databases[name, read_only],
                    self._connect_arguments,
                    autocommit=autocommit,
                )
            return self._engines[key]


def limit_statements(connection: "sqlalchemy.Connection | Session", seconds: float) -> None:
    """Limit the time of each statement in the current transaction (``statement_timeout``).

    The server cancels a longer statement: `sqlalchemy.exc.OperationalError`.

    Args:
        connection: a connection in a transaction, which begins here if there is none.
        seconds: the limit, above 0. PostgreSQL takes 0 for no limit.

    Raises:
        ValueError: the limit is not above 0.
    """
    if not seconds > 0:
        raise ValueError(f"a statement's time limit must be above 0 s, not {seconds}")
    milliseconds = math.ceil(seconds * 1000)
    connection.execute(sqlalchemy.text(f"SET LOCAL statement_timeout = {milliseconds}"))


def _create_engine(
    database: DatabaseSettings, connect_args: dict[str, Any], *, autocommit: bool
) -> sqlalchemy.Engine:
    options: dict[str, Any] = {}
    if autocommit:  # a returned connection has no transaction to roll back
        options = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    engine = sqlalchemy.create_engine(
        database.url(),
        pool_size=database.pool_size,
        max_overflow=0,
        pool_recycle=-1 if database.pool_recycle is None else database.pool_recycle,
        pool_timeout=database.pool_timeout,
        hide_parameters=True,
        connect_args=connect_args,
        **options,
    )
    if database.pool_pre_ping:
        replace_dead_connections(engine)
    return engine


def connect_arguments(application: str, timeout: int = CONNECT_TIMEOUT) -> dict[str, Any]:
    """Return the arguments of each connection besides those of `DatabaseSettings.url`.

    libpq's timeout includes the TLS handshake and the log-in.

    Args:
        application: the name that PostgreSQL shows.
        timeout: seconds to wait for the connection.
    """
    return {"application_name": application, "connect_timeout": timeout, **_KEEPALIVE}


def replace_dead_connections(engine: sqlalchemy.Engine) -> None:
    """Make the engine's pool replace a dead connection when it is checked out."""

    def check(connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401 - the driver's
        now = time.monotonic()
        was_idle = now - record.info.get(_USED, now) > PING_AFTER_IDLE
        record.info[_USED] = now
        if (was_idle or _is_readable(connection)) and not _replies_to_ping(engine, connection):
            raise exc.InvalidatePoolError

    event.listen(engine, "checkout", check)


def _is_readable(connection: Any) -> bool:  # noqa: ANN401 - the driver's
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _replies_to_ping(engine: sqlalchemy.Engine, connection: Any) -> bool:  # noqa: ANN401 - the driver's
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False
