"""The embedded servers: they start, keep what they are given, and end."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.stack.processes import ProcessError, read_tail
from cli.stack.servers import place, ports
from cli.stack.servers.launch import start
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER, PostgresServer
from cli.stack.servers.valkey import ValkeyServer
from cli.stack.stopping import end
from pipeline.settings.sections import Settings
from tests.support.decorators import requires_database
from tests.support.servers import (
    PASSWORD,
    Servers,
    make_postgres,
    make_valkey,
    running,
    temporary_folder,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that PostgreSQL's user can enter."""
    with temporary_folder() as made:
        yield made


def connect(server: PostgresServer, **changed: str) -> psycopg2.extensions.connection:
    """Connect as the services do, but for what is changed."""
    wanted = {"user": USER, "password": PASSWORD, "dbname": "postgres", **changed}
    return psycopg2.connect(host=LOOPBACK, port=server.port, **wanted)


def redis_client(server: ValkeyServer, password: str | None = PASSWORD) -> redis.Redis:
    """Connect as the services do, but for the password."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(host=LOOPBACK, port=server.port, password=password, retry=retry)


def listening_addresses(pid: int) -> set[str]:
    """Return the addresses on which a process takes connections."""
    found = psutil.Process(pid).net_connections(kind="inet")
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


@requires_database
def test_the_four_databases_are_migrated(settings: Settings) -> None:
    """The session's settings lead to four databases with tables."""
    database = settings.database_fingerprint
    with psycopg2.connect(
        host=database.host, port=database.port, user=USER, password=PASSWORD, dbname=database.name
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM fingerprint")
        assert cursor.fetchone() == (0,)


def test_postgres_refuses_a_wrong_password(servers: Servers) -> None:
    """Loopback is no free pass."""
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(servers.postgres, password="guess")


def test_postgres_user_is_no_superuser(servers: Servers) -> None:
    """The services' user owns databases and no more."""
    with connect(servers.postgres) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s", (USER,)
        )
        assert cursor.fetchone() == (False, True, False)


def test_valkey_refuses_a_stranger(servers: Servers) -> None:
    """Without the password there is nothing to see."""
    with redis_client(servers.valkey, None) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_valkey_evicts_nothing(servers: Servers) -> None:
    """A broker that drops keys loses tasks."""
    with redis_client(servers.valkey) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_postgres_keeps_what_it_acknowledged(folder: Path) -> None:
    """A database that was created is there after kill -9 and a second start."""
    server = make_postgres(folder, durable=True)
    process = start(server)
    connection = connect(server)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW fsync")
    assert cursor.fetchone() == ("on",)
    cursor.execute("CREATE DATABASE kept")
    end(process, ((signal.SIGKILL, 10.0),))
    with running(server):
        connect(server, dbname="kept").close()


def test_valkey_keeps_what_it_acknowledged(folder: Path) -> None:
    """A message that was taken is there after kill -9 and a second start."""
    server = make_valkey(folder, durable=True)
    process = start(server)
    with redis_client(server) as client:
        client.rpush("queue", "message")
    end(process, ((signal.SIGKILL, 10.0),))
    with running(server), redis_client(server) as client:
        assert client.lrange("queue", 0, -1) == [b"message"]


def test_servers_listen_on_loopback_alone(folder: Path) -> None:
    """Nobody else's machine gets to try a password."""
    for server in (make_postgres(folder), make_valkey(folder)):
        process = start(server)
        assert listening_addresses(process.pid) == {LOOPBACK}
        end(process, server.escalation)


def test_no_secret_stands_in_a_command_line_or_an_open_file(folder: Path) -> None:
    """Passwords are in files that only their owner can read."""
    for server in (make_postgres(folder), make_valkey(folder)):
        with running(server) as process:
            command = psutil.Process(process.pid).cmdline()
            assert command
            assert not [argument for argument in command if PASSWORD in argument]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.conf")}
    assert modes["valkey.conf"] == 0o600
    assert not list(folder.glob(".password-*"))


def test_a_stray_server_is_ended_before_the_next_start(folder: Path) -> None:
    """A second start on the same data finds the first server still running."""
    for make in (make_postgres, make_valkey):
        stray = start(make(folder))
        with running(make(folder)):
            assert not stray.runs()


def test_a_pid_file_that_names_a_stranger_ends_nobody(folder: Path) -> None:
    """After a reboot the pid in the file may be anybody's: this test's own, here."""
    for server in (make_postgres(folder), make_valkey(folder)):
        end(start(server), server.escalation)
    data = place.choose(folder, "test").data
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n1\n\n\n1 1\n")
    (folder / "valkey" / "valkey.pid").write_text(f"{os.getpid()}\n")
    for server in (make_postgres(folder), make_valkey(folder)):
        with running(server):
            assert psutil.Process().is_running()


def test_a_port_taken_meanwhile_is_replaced(folder: Path) -> None:
    """The port was free when it was chosen and is not when the server wants it."""
    valkey = make_valkey(folder)
    with running(valkey):
        server = make_postgres(folder)
        server.port = valkey.port
        with running(server):
            assert server.port != valkey.port
            connect(server).close()


def test_data_of_another_release_is_refused(folder: Path) -> None:
    """The error names both releases, and the server's cryptic one is not reached."""
    server = make_postgres(folder)
    end(start(server), server.escalation)
    (place.choose(folder, "test").data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ProcessError, match="made by PostgreSQL 9"):
        start(server)


def test_a_half_made_data_directory_is_made_again(folder: Path) -> None:
    """A crash in the middle of initdb leaves nothing that a later start trusts."""
    where = place.choose(folder, "test")
    where.make_folder(where.base / "postgres.new")
    (where.base / "postgres.new" / "PG_VERSION").write_text("18\n")
    server = make_postgres(folder)
    with running(server):
        connect(server).close()


def test_a_server_that_cannot_start_shows_its_log(folder: Path) -> None:
    """The reason is in the error, not only in a file."""
    server = make_postgres(folder)
    end(start(server), server.escalation)
    with (place.choose(folder, "test").data / "postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = nonsense\n")
    with pytest.raises(ProcessError, match="nonsense"):
        start(server)
    assert "nonsense" in read_tail(server.log)


def test_a_port_that_is_taken_is_named_with_its_holder(servers: Servers) -> None:
    """The error says which port, who has it, and which option chooses another."""
    taken = servers.valkey.port
    with pytest.raises(ports.PortTakenError, match=rf"port {taken} .*valkey.*--port"):
        ports.require(taken, LOOPBACK, "--port")
