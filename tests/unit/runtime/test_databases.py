"""Engines and connections on a real PostgreSQL."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from pipeline.runtime.databases import (
    DATABASE_UNREACHABLE,
    DatabaseName,
    Databases,
    limit_statements,
)
from pipeline.runtime.links import guarded_pool
from pipeline.runtime.links.guarded_pool import PING_AFTER_IDLE
from pipeline.settings.sections import Settings
from tests.support.processes.servers import Servers

IDENTITY = sqlalchemy.text("SELECT pg_backend_pid()")


@pytest.fixture
def settings(servers: Servers) -> Settings:
    """Return settings whose four databases are PostgreSQL's database ``postgres``."""
    settings = servers.settings()
    names = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")
    update = {
        section + suffix: getattr(settings, section).model_copy(update={"name": "postgres"})
        for section in names
        for suffix in ("", "_ro")
    }
    return settings.model_copy(update=update)


@contextmanager
def opened(settings: Settings, component: str = "test") -> Iterator[Databases]:
    """Make databases for the time of a block."""
    databases = Databases(settings, component=component)
    try:
        yield databases
    finally:
        databases.dispose()


def test_databases_with_different_settings_have_different_engines() -> None:
    """By default there are four engines, which the read-only databases share."""
    names: tuple[DatabaseName, ...] = ("app", "fingerprint", "ingest", "musicbrainz")
    with opened(Settings()) as databases:
        engines = {databases.engine(name) for name in names}
        read_only = {databases.engine(name, read_only=True) for name in names}
        urls = [databases.engine(name).url.database for name in names]
    assert len(engines) == 4
    assert read_only == engines
    assert urls == ["acoustid_app", "acoustid_fingerprint", "acoustid_ingest", "musicbrainz"]


def test_a_read_only_database_with_other_settings_has_another_engine() -> None:
    """A read-only database with another host has another engine."""
    settings = Settings.model_validate({"database_ro": {"host": "replica"}})
    with opened(settings) as databases:
        assert databases.engine("app", read_only=True).url.host == "replica"
        assert databases.engine("app").url.host == "localhost"


def test_equal_databases_share_one_engine(settings: Settings) -> None:
    """Four sections with one database share its pool."""
    with opened(settings) as databases:
        assert databases.engine("app") is databases.engine("ingest")
        assert databases.engine("app") is databases.engine("musicbrainz", read_only=True)


def test_threads_get_the_same_engine() -> None:
    """Concurrent first uses create one engine."""
    with opened(Settings()) as databases, ThreadPoolExecutor(8) as pool:
        engines = set(pool.map(lambda _: databases.engine("app"), range(64)))
    assert len(engines) == 1


def test_the_component_is_the_application_name(settings: Settings) -> None:
    """PostgreSQL shows the component as the application's name."""
    with opened(settings, "worker") as databases, databases.engine("app").connect() as connection:
        name = connection.scalar(sqlalchemy.text("SELECT current_setting('application_name')"))
    assert name == "acoustid-worker"


def test_pool_options_are_used(settings: Settings) -> None:
    """The pool has the configured size, no overflow, and gives up after its timeout."""
    small = settings.database.model_copy(update={"pool_size": 1, "pool_timeout": 0.05})
    with opened(settings.model_copy(update={"database": small})) as databases:
        engine = databases.engine("app")
        with (
            engine.connect(),
            pytest.raises(sqlalchemy.exc.TimeoutError, match="all 1 connections"),
        ):
            engine.connect()


@pytest.mark.parametrize("reading", [False, True])
def test_a_connection_that_the_server_closed_is_replaced(settings: Settings, reading: bool) -> None:
    """A dead connection is replaced at checkout, without an error."""
    with opened(settings, "victim") as victims, opened(settings, "killer") as killers:
        connect = partial(victims.reading, "app") if reading else victims.engine("app").connect
        with connect() as connection:
            before = connection.scalar(IDENTITY)
        kill(killers, before)
        with connect() as connection:
            assert connection.scalar(IDENTITY) != before


def kill(killers: Databases, pid: int) -> None:
    """End a connection from the server's side."""
    statement = sqlalchemy.text("SELECT pg_terminate_backend(:pid, 5000)")
    with killers.engine("app").connect() as connection:
        assert connection.scalar(statement, {"pid": pid})


@pytest.mark.parametrize("rest", [0.0, PING_AFTER_IDLE + 1])
def test_only_an_idle_connection_is_pinged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    """A connection that is used again at once needs no ping."""
    asked: list[object] = []
    with opened(settings) as databases:
        engine = databases.engine("app")
        ping = engine.dialect.do_ping
        monkeypatch.setattr(
            engine.dialect,
            "do_ping",
            lambda connection: asked.append(connection) or ping(connection),
        )
        engine.connect().close()
        later = time.monotonic() + rest
        monkeypatch.setattr(time, "monotonic", lambda: later)
        engine.connect().close()
    assert len(asked) == (1 if rest else 0)


def test_without_pool_pre_ping_a_dead_connection_raises_an_error(settings: Settings) -> None:
    """The option turns the test of connections off."""
    plain = settings.database.model_copy(update={"pool_pre_ping": False})
    with (
        opened(settings.model_copy(update={"database": plain})) as databases,
        opened(settings) as killers,
    ):
        with databases.engine("app").connect() as connection:
            pid = connection.scalar(IDENTITY)
        kill(killers, pid)
        with (
            databases.engine("app").connect() as connection,
            pytest.raises(sqlalchemy.exc.OperationalError),
        ):
            connection.scalar(IDENTITY)


def test_a_database_that_replies_to_no_ping_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the class of an outage, so a client gets a 503."""
    monkeypatch.setattr(guarded_pool, "PING_AFTER_IDLE", -1.0)
    with opened(settings) as databases:
        engine = databases.engine("app")
        engine.connect().close()
        monkeypatch.setattr(engine.dialect, "do_ping", lambda _: False)
        with pytest.raises(guarded_pool.DatabaseAwayError, match="does not reply"):
            engine.connect()


def test_a_read_only_database_counts_as_unreachable(settings: Settings) -> None:
    """A write to a standby fails like one to a server that is away."""
    with opened(settings) as databases, databases.engine("app").connect() as connection:
        connection.execute(sqlalchemy.text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DATABASE_UNREACHABLE, match="read-only transaction"):
            connection.execute(sqlalchemy.text("CREATE TABLE written (id int)"))


def test_each_statement_of_a_reading_connection_commits(settings: Settings) -> None:
    """No transaction starts, and the pool keeps the connection."""
    state = sqlalchemy.text("SELECT pg_backend_pid(), now(), pg_sleep(0.001)")
    with opened(settings) as databases:
        with databases.reading("app") as connection:
            first, second = connection.execute(state).one(), connection.execute(state).one()
        with databases.reading("app") as connection:
            third = connection.execute(state).one()
    assert first.now < second.now
    assert first.pg_backend_pid == second.pg_backend_pid == third.pg_backend_pid


def test_a_statement_over_its_limit_is_cancelled(settings: Settings) -> None:
    """The limit cancels a long statement, and ends with the transaction."""
    show = sqlalchemy.text("SHOW statement_timeout")
    with opened(settings) as databases, databases.engine("app").connect() as connection:
        limit_statements(connection, 0.02)
        with pytest.raises(sqlalchemy.exc.OperationalError, match="statement timeout"):
            connection.execute(sqlalchemy.text("SELECT pg_sleep(30)"))
        connection.rollback()
        assert connection.scalar(show) == "0"


def test_a_limit_applies_to_a_session(settings: Settings) -> None:
    """A session is limited as a connection is; fractions are rounded up, never to no limit."""
    with opened(settings) as databases, Session(databases.engine("app")) as session:
        limit_statements(session, 0.0001)
        assert session.scalar(sqlalchemy.text("SHOW statement_timeout")) == "1ms"


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_of_zero_is_refused(settings: Settings, seconds: float) -> None:
    """Zero, which PostgreSQL takes for no limit, is refused."""
    with (
        opened(settings) as databases,
        databases.engine("app").connect() as connection,
        pytest.raises(ValueError, match="must be above 0 s"),
    ):
        limit_statements(connection, seconds)


def test_errors_quote_no_parameters(settings: Settings) -> None:
    """A failed statement's error shows its SQL, not the values."""
    statement = sqlalchemy.text("SELECT CAST(:value AS int), no_such_column")
    with (
        opened(settings) as databases,
        databases.engine("app").connect() as connection,
        pytest.raises(sqlalchemy.exc.ProgrammingError) as caught,
    ):
        connection.execute(statement, {"value": 987654321})
    assert "no_such_column" in str(caught.value)
    assert "parameters hidden" in str(caught.value)


def test_disposed_databases_can_be_used_again(settings: Settings) -> None:
    """`dispose` closes the connections; the next use creates new engines."""
    with opened(settings) as databases:
        before = databases.engine("app")
        databases.dispose()
        assert databases.engine("app") is not before
