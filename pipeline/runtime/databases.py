"""The four databases and their connection pools.

An engine is created at its first use. Processes must not share connections after a fork: create
`Databases` after it, as `pipeline.runtime.processes` does.

`pipeline.runtime.links.guarded_pool` limits all waits of the pools.
"""

import math
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy
from sqlalchemy import exc

from pipeline.runtime.links.circuit import Circuit
from pipeline.runtime.links.connection_limits import POSTGRES_COMMAND, PostgresLimits
from pipeline.runtime.links.guarded_pool import Guard, Server
from pipeline.runtime.links.watchdog import process_watchdog
from pipeline.settings.sections import DatabaseSettings, Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DatabaseName = Literal["app", "fingerprint", "ingest", "musicbrainz"]

SHORTEST_LIMIT = 0.001
"""The minimum time limit of a statement in PostgreSQL, in seconds."""

DATABASE_UNREACHABLE: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.TimeoutError,
)
"""Raised when a database is unreachable, has no free connection, or exceeds a time limit.

A database that is read only, such as a standby, raises an `InternalError` (SQLSTATE 25006), and so
does one that ends a transaction in which the client was idle for too long (25P03).
"""

DATABASE_UNUSABLE: Final = (exc.DBAPIError, exc.TimeoutError)
"""The same, and any error of a statement, such as a missing table or permission."""


class Databases:
    """SQLAlchemy engines by the names of the databases; equal settings share one engine.

    Args:
        settings: settings of the databases and the read-only databases.
        component: the role of this process; PostgreSQL shows it as ``acoustid-<component>``.
        limits: the time limits of the connections.

    Attributes:
        announces: whether a transaction that sets final states of submissions writes them to the
            outbox, too (``[nats] publish_subject``).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        component: str = "pipeline",
        limits: PostgresLimits = POSTGRES_COMMAND,
    ) -> None:
        self.announces = settings.nats.announces
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
        self._application = f"acoustid-{component}"
        self._limits = limits
        self._circuits: dict[tuple[object, ...], Circuit] = {}
        self._servers: dict[tuple[str, int], Server] = defaultdict(Server)
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
                self._engines[key] = self._create_engine(
                    self._databases[name, read_only], key[0], autocommit=autocommit
                )
            return self._engines[key]

    def _create_engine(
        self, database: DatabaseSettings, identity: tuple[object, ...], *, autocommit: bool
    ) -> sqlalchemy.Engine:
        options: dict[str, Any] = {}
        if autocommit:  # a returned connection has no transaction to roll back
            options = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
        circuit = Circuit(f"the database {database.name}", trial_time=2 * self._limits.connect)
        guard = Guard(
            limits=self._limits,
            watchdog=process_watchdog(),
            circuit=self._circuits.setdefault(identity, circuit),
            server=self._servers[database.host, database.port],
            pings=database.pool_pre_ping,
            pool_wait=database.pool_timeout,
        )
        engine = sqlalchemy.create_engine(
            database.url(),
            poolclass=guard.pool_class(),
            pool_size=database.pool_size,
            max_overflow=0,
            pool_recycle=-1 if database.pool_recycle is None else database.pool_recycle,
            pool_timeout=0,  # the guard waits: the deadlines of requests differ
            hide_parameters=True,
            connect_args=connect_arguments(self._application, self._limits),
            **options,
        )
        guard.listen(engine)
        return engine


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


def connect_arguments(
    application: str, limits: PostgresLimits = POSTGRES_COMMAND
) -> dict[str, Any]:
    """Return the arguments of each connection besides those of `DatabaseSettings.url`.

    libpq's timeout includes the TLS handshake and the log-in.

    Args:
        application: the name that PostgreSQL shows.
        limits: the time limits of the connection.
    """
    return {"application_name": application, **limits.libpq()}
