"""The embedded servers after kills, on damaged files and in directories with odd names."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from cli.stack.processes.child_process import read_tail
from cli.stack.processes.stopping import stop_process
from cli.stack.servers import postgres_directory
from cli.stack.servers.append_only_file import FOLDER
from cli.stack.servers.binaries import find_postgres
from cli.stack.servers.embedded_server import start_server
from cli.stack.servers.postgres import USER, PostgresServer
from cli.stack.servers.postgres_owner import OWNER_FILE
from cli.stack.servers.valkey import ValkeyServer
from tests.support.polling import eventually
from tests.support.processes.servers import (
    PASSWORD,
    make_postgres,
    make_valkey,
    running,
    temporary_folder,
)

KILL = ((signal.SIGKILL, 10.0),)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that PostgreSQL's account can enter."""
    with temporary_folder() as made:
        yield made


def redis_client(server: ValkeyServer) -> redis.Redis:
    """Connect like the processes of a stack."""
    return redis.Redis(host="127.0.0.1", port=server.port, password=PASSWORD)


def connect(server: PostgresServer) -> psycopg2.extensions.connection:
    """Connect like the processes of a stack."""
    wanted = {"user": USER, "password": PASSWORD, "dbname": "postgres"}
    return psycopg2.connect(host="127.0.0.1", port=server.port, **wanted)


def test_the_servers_run_in_a_directory_with_an_odd_name(folder: Path) -> None:
    """Valkey expands ``[``, ``*`` and ``?`` in the path of a configuration file."""
    odd = folder / "music [y]*? q\"u'o\\t %d#;$HOME`é "
    odd.mkdir()
    odd.chmod(0o711)
    valkey = make_valkey(odd, durable=True)
    with running(valkey), redis_client(valkey) as client:
        assert client.config_get("requirepass") == {"requirepass": PASSWORD}
        client.set("kept", "yes")
    with running(valkey), redis_client(valkey) as client:
        assert client.get("kept") == b"yes"
    postgres = make_postgres(odd)
    with running(postgres):
        connect(postgres).close()
    assert postgres.directory.base == odd


def fill(server: ValkeyServer) -> Path:
    """Write to both files of a Valkey, stop it, and return the folder of the files."""
    process = start_server(server)
    with redis_client(server) as client:
        client.rpush("list", *["x" * 30] * 50)
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        client.rpush("list", *["x" * 30] * 50)
    stop_process(process, server.escalation)
    return Path(server.mark) / FOLDER


def overwrite(path: Path, offset: int, text: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(text)


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def replace_by_file(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    folder.write_text("no folder")


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


GARBAGE = b"GARBAGE" * 40

DAMAGES: dict[str, Callable[[Path], None]] = {
    "garbage in the middle": lambda folder: overwrite(
        only(folder, "*.incr.aof"), 200, b"GARBAGE" * 40
    ),
    "garbage in the base": lambda folder: overwrite(only(folder, "*.base.rdb"), 9, b"\xff" * 60),
    "no manifest": lambda folder: only(folder, "*.manifest").unlink(),
    "damaged manifest": lambda folder: overwrite(only(folder, "*.manifest"), 0, b"\x00 garbage\n"),
    "empty manifest": lambda folder: os.truncate(only(folder, "*.manifest"), 0),
    "no base": lambda folder: only(folder, "*.base.rdb").unlink(),
    "no increments": lambda folder: only(folder, "*.incr.aof").unlink(),
    "a file in its place": replace_by_file,
    "unknown command": lambda folder: append(
        only(folder, "*.incr.aof"), b"*2\r\n$3\r\nFOO\r\n$1\r\nx\r\n"
    ),
    "increments are a directory": lambda folder: replace_by_folder(only(folder, "*.incr.aof")),
    "manifest is a directory": lambda folder: replace_by_folder(only(folder, "*.manifest")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_append_only_file_is_set_aside(folder: Path, damage: str) -> None:
    """The server starts empty, and one line says what was moved and what is lost."""
    server = make_valkey(folder, durable=True)
    files = fill(server)
    DAMAGES[damage](files)
    lines: list[str] = []
    server = make_valkey(folder, durable=True)
    server.report = lines.append
    with running(server), redis_client(server) as client:
        assert client.dbsize() == 0
        client.set("kept", "yes")
    moved = only(files.parent, f"{FOLDER}.damaged-*")
    assert len(lines) == 1
    assert moved.name in lines[0]
    assert "lost" in lines[0]
    with running(server), redis_client(server) as client:
        assert client.get("kept") == b"yes"
    assert len(lines) == 1


def test_an_append_only_file_whose_end_is_missing_is_loaded(folder: Path) -> None:
    server = make_valkey(folder, durable=True)
    increments = only(fill(server), "*.incr.aof")
    os.truncate(increments, increments.stat().st_size - 7)
    server = make_valkey(folder, durable=True)
    server.report = pytest.fail
    with running(server), redis_client(server) as client:
        assert client.llen("list") >= 50


def test_the_damage_of_an_earlier_start_is_no_reason_for_a_later_failure(folder: Path) -> None:
    """The log contains both starts."""
    server = make_valkey(folder, durable=True)
    files = fill(server)
    damaged = "Bad file format reading the append only file appendonly.aof.1.incr.aof"
    assert not server.repair(1, f"{damaged}\n * just started\n # no memory")
    assert not server.repair(-signal.SIGKILL, damaged)
    assert files.is_dir()


def account_of(server: PostgresServer) -> dict[str, int]:
    """Return the arguments with which `subprocess` runs a program as the user of the server."""
    account = server.directory.account
    return {"user": account.uid, "group": account.gid} if account else {}


@pytest.fixture(scope="module")
def stopped() -> Iterator[PostgresServer]:
    """A PostgreSQL with data that does not run."""
    with temporary_folder() as folder:
        server = make_postgres(folder)
        stop_process(start_server(server), server.escalation)
        yield server


def test_a_pid_file_with_the_pid_of_another_program_of_the_same_user(
    stopped: PostgresServer,
) -> None:
    """PostgreSQL alone would refuse to start while that program runs."""
    data = stopped.directory.data
    with subprocess.Popen(["/bin/sleep", "600"], **account_of(stopped)) as stranger:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1\n1\n\n\n1 1\n")
        lines: list[str] = []
        stopped.report = lines.append
        with running(stopped):
            connect(stopped).close()
        assert len(lines) == 1
        assert f"process {stranger.pid}" in lines[0]
        assert stranger.poll() is None
        stranger.kill()


def test_a_damaged_pid_file_is_removed(stopped: PostgresServer) -> None:
    for content in ("", "garbage"):
        (stopped.directory.data / "postmaster.pid").write_text(content)
        with running(stopped):
            connect(stopped).close()


def test_the_superuser_has_no_password(stopped: PostgresServer) -> None:
    """No connection is possible without one, not even from this machine."""
    entries = (stopped.directory.data / "pg_hba.conf").read_text().splitlines()
    methods = {each.split()[-1] for each in entries if each.startswith(("host", "local"))}
    assert methods == {"scram-sha-256"}
    with (
        running(stopped),
        pytest.raises(psycopg2.OperationalError, match="authentication failed"),
    ):
        psycopg2.connect(host="127.0.0.1", port=stopped.port, user="postgres", password="guess")


def test_a_lost_password_is_replaced(stopped: PostgresServer) -> None:
    """The last test of this server, since the others have the earlier password."""
    server = PostgresServer(
        stopped.directory,
        find_postgres(),
        port=stopped.port,
        password="another",
        log=stopped.log,
    )
    with running(server):
        assert server.answers()
        assert not stopped.answers()
    assert "another" not in read_tail(server.log)


def test_a_start_directly_after_the_kill_of_a_busy_server(folder: Path) -> None:
    """Its processes end later than the postmaster; one that is stopped does not end at all."""
    server = make_postgres(folder)
    process = start_server(server)
    connection = connect(server)
    connection.autocommit = True
    backend = psutil.Process(connection.info.backend_pid)
    backend.suspend()
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: process.poll() is not None)
    lines: list[str] = []
    again = make_postgres(folder)
    again.report = lines.append
    with running(again):
        connect(again).close()
    assert not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE
    assert lines == ["postgres: stopping 1 processes of a server that was killed"]


def test_what_a_killed_first_start_has_left_is_removed(folder: Path) -> None:
    """A program that still fills the new directory, and files of earlier versions."""
    where = postgres_directory.choose(folder, "test")
    new = where.base / "postgres.new"
    where.create_folder(new)
    (where.base / ".password-abcd1234").write_text("of the superuser")
    program = where.base / "initdb"
    program.symlink_to(sys.executable)
    text = "import time; time.sleep(600)"
    with subprocess.Popen([program, "-c", text, str(new)]) as left:
        eventually(lambda: psutil.Process(left.pid).name() == "initdb")
        server = make_postgres(folder)
        with running(server):
            assert left.wait(timeout=10) == -signal.SIGKILL
    assert not list(where.base.glob(".password-*"))


@pytest.mark.parametrize("content", ["", "var/lib"])
def test_a_part_of_the_path_of_an_external_directory_is_not_used(
    folder: Path, content: str
) -> None:
    """A killed first start of an earlier version could leave it."""
    (folder / postgres_directory.PATH_FILE).write_text(content)
    assert postgres_directory.choose(folder, "test").base == folder


def test_the_path_of_an_external_directory_is_found_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_directory, "SYSTEM_HOME", folder / "home")
    external = folder / "home" / "abcd"
    (external / "postgres").mkdir(parents=True)
    (external / OWNER_FILE).write_text(f"{folder}\n")
    (folder / postgres_directory.PATH_FILE).write_text("")
    assert postgres_directory.choose(folder, "another").base == external
    assert (folder / postgres_directory.PATH_FILE).read_text() == f"{external}\n"
