"""The embedded servers: start, durability, passwords and stop."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.stack.processes.child_process import ProcessError, read_tail
from cli.stack.processes.stopping import stop_process
from cli.stack.running.port_holder import PortTakenError, require_port
from cli.stack.servers import ports, postgres_directory
from cli.stack.servers.binaries import find_postgres
from cli.stack.servers.embedded_server import start_server
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER, PostgresServer
from cli.stack.servers.valkey import ValkeyServer
from pipeline.settings.sections import Settings
from tests.support.decorators import requires_database
from tests.support.processes.servers import (
    PASSWORD,
    Servers,
    make_postgres,
    make_valkey,
    running,
    temporary_folder,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that PostgreSQL's account can enter."""
    with temporary_folder() as made:
        yield made


def connect(server: PostgresServer, **changed: str) -> psycopg2.extensions.connection:
    """Connect like the processes of a stack, with some changed parameters."""
    wanted = {"user": USER, "password": PASSWORD, "dbname": "postgres", **changed}
    return psycopg2.connect(host=LOOPBACK, port=server.port, **wanted)


def redis_client(server: ValkeyServer, password: str | None = PASSWORD) -> redis.Redis:
    """Connect like the processes of a stack, optionally with another password."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(host=LOOPBACK, port=server.port, password=password, retry=retry)


def listening_addresses(pid: int) -> set[str]:
    """Return the addresses on which a process listens."""
    found = psutil.Process(pid).net_connections(kind="inet")
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


@requires_database
def test_the_four_databases_are_migrated(settings: Settings) -> None:
    database = settings.database_fingerprint
    with psycopg2.connect(
        host=database.host, port=database.port, user=USER, password=PASSWORD, dbname=database.name
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM fingerprint")
        assert cursor.fetchone() == (0,)


def test_postgres_refuses_a_wrong_password(servers: Servers) -> None:
    """The password is also required on the loopback address."""
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(servers.postgres, password="guess")


def test_the_user_of_postgres_is_not_a_superuser(servers: Servers) -> None:
    """It may create databases, but no roles."""
    with connect(servers.postgres) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s", (USER,)
        )
        assert cursor.fetchone() == (False, True, False)


def test_valkey_requires_the_password(servers: Servers) -> None:
    with redis_client(servers.valkey, None) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_valkey_evicts_nothing(servers: Servers) -> None:
    """A broker that evicts keys would lose tasks."""
    with redis_client(servers.valkey) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_moved_postgres_writes_nothing_into_the_copy_at_its_old_path(folder: Path) -> None:
    """The stop writes a checkpoint into ``global/pg_control``."""
    original = folder / "original"
    original.mkdir()
    original.chmod(0o711)
    server = make_postgres(original, durable=True)
    process = start_server(server)
    moved = original.rename(folder / "moved")
    shutil.copytree(moved, original)
    control = original / "postgres" / "global" / "pg_control"
    before = control.read_bytes()
    connection = connect(server)
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE kept")
    connection.close()
    stop_process(process, server.escalation)
    assert control.read_bytes() == before
    again = make_postgres(moved, durable=True)
    with running(again):
        connect(again, dbname="kept").close()


def test_postgres_keeps_committed_data_after_a_kill(folder: Path) -> None:
    server = make_postgres(folder, durable=True)
    process = start_server(server)
    connection = connect(server)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW fsync")
    assert cursor.fetchone() == ("on",)
    cursor.execute("SHOW authentication_timeout")
    assert cursor.fetchone() == ("3s",)
    cursor.execute("CREATE DATABASE kept")
    stop_process(process, ((signal.SIGKILL, 10.0),))
    with running(server):
        connect(server, dbname="kept").close()


def test_valkey_keeps_acknowledged_data_after_a_kill(folder: Path) -> None:
    server = make_valkey(folder, durable=True)
    process = start_server(server)
    with redis_client(server) as client:
        client.rpush("queue", "message")
    stop_process(process, ((signal.SIGKILL, 10.0),))
    with running(server), redis_client(server) as client:
        assert client.lrange("queue", 0, -1) == [b"message"]


def test_servers_listen_on_loopback_only(folder: Path) -> None:
    for server in (make_postgres(folder), make_valkey(folder)):
        process = start_server(server)
        assert listening_addresses(process.pid) == {LOOPBACK}
        stop_process(process, server.escalation)


def test_command_lines_and_readable_files_have_no_secrets(folder: Path) -> None:
    for server in (make_postgres(folder), make_valkey(folder)):
        with running(server) as process:
            command = psutil.Process(process.pid).cmdline()
            assert command
            assert not [argument for argument in command if PASSWORD in argument]
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in found if PASSWORD.encode() in path.read_bytes()]
    assert not list(folder.glob(".password-*"))


def test_a_stray_server_is_stopped_before_the_next_start(folder: Path) -> None:
    for make in (make_postgres, make_valkey):
        stray = start_server(make(folder))
        with running(make(folder)):
            assert not stray.runs()


def test_a_pid_file_with_the_pid_of_another_process_is_ignored(folder: Path) -> None:
    """After a reboot the pid may belong to any process. The test uses its own pid."""
    for server in (make_postgres(folder), make_valkey(folder)):
        stop_process(start_server(server), server.escalation)
    data = postgres_directory.choose(folder, "test").data
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n1\n\n\n1 1\n")
    (folder / "valkey" / "valkey.pid").write_text(f"{os.getpid()}\n")
    for server in (make_postgres(folder), make_valkey(folder)):
        with running(server):
            assert psutil.Process().is_running()


def test_a_server_gets_another_port_if_its_port_is_taken(folder: Path) -> None:
    """The port was free when it was chosen, but is taken when the server starts."""
    valkey = make_valkey(folder)
    with running(valkey):
        server = make_postgres(folder)
        server.port = valkey.port
        with running(server):
            assert server.port != valkey.port
            connect(server).close()


def test_a_server_of_another_stack_with_the_same_password_is_not_used(tmp_path: Path) -> None:
    """The copy of a stack has the port and the passwords of the original."""
    (tmp_path / "other").mkdir()
    with running(make_valkey(tmp_path)) as other:
        server = make_valkey(tmp_path / "other")
        server.port = psutil.Process(other.pid).net_connections()[0].laddr.port
        with running(server) as process, redis_client(server) as client:
            assert client.info("server")["process_id"] == process.pid != other.pid


def test_a_postgres_of_another_time_gets_the_password(folder: Path) -> None:
    """Its directory may be a backup from before the last change of the password."""
    made = make_postgres(folder)
    stop_process(start_server(made), made.escalation)
    where = postgres_directory.choose(folder, "test")
    server = PostgresServer(
        where, find_postgres(), port=ports.free_port(), password="another", log=folder / "log"
    )
    for _ in range(2):
        with running(server):
            connect(server, password="another").close()
            with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
                connect(server)
            assert server.server_pid() == int(
                (where.data / "postmaster.pid").read_text().split()[0]
            )


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    server = make_postgres(folder)
    stop_process(start_server(server), server.escalation)
    (postgres_directory.choose(folder, "test").data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ProcessError, match="created by PostgreSQL 9"):
        start_server(server)


def test_a_partial_data_directory_is_created_again(folder: Path) -> None:
    """A crash during initdb leaves a directory that the next start does not use."""
    where = postgres_directory.choose(folder, "test")
    where.create_folder(where.base / "postgres.new")
    (where.base / "postgres.new" / "PG_VERSION").write_text("18\n")
    server = make_postgres(folder)
    with running(server):
        connect(server).close()


def test_the_error_of_a_failed_start_quotes_the_log(folder: Path) -> None:
    server = make_postgres(folder)
    stop_process(start_server(server), server.escalation)
    with (postgres_directory.choose(folder, "test").data / "postgresql.conf").open(
        "a"
    ) as configuration:
        configuration.write("shared_buffers = nonsense\n")
    with pytest.raises(ProcessError, match="nonsense"):
        start_server(server)
    assert "nonsense" in read_tail(server.log)


def test_the_error_names_the_server_that_has_the_port(servers: Servers) -> None:
    taken = servers.valkey.port
    with pytest.raises(PortTakenError, match=rf"port {taken} .*valkey.*--port"):
        require_port(taken, LOOPBACK, "--port")
