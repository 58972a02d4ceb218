"""PostgreSQL and Valkey for the tests: real servers on free ports, deleted after the tests."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.stack.processes.child_process import ChildProcess
from cli.stack.processes.stopping import stop_process
from cli.stack.servers import postgres_directory
from cli.stack.servers.binaries import find_postgres, find_valkey
from cli.stack.servers.embedded_server import EmbeddedServer, start_server
from cli.stack.servers.ports import LOOPBACK, free_port
from cli.stack.servers.postgres import USER, PostgresServer
from cli.stack.servers.valkey import ValkeyServer
from pipeline.settings.sections import Settings

PASSWORD = "test-password"


@dataclass(frozen=True)
class Servers:
    """The two servers of a test session.

    Attributes:
        folder: a directory for other files of the session, deleted at its end.
    """

    postgres: PostgresServer
    valkey: ValkeyServer
    folder: Path

    def settings(self, suffix: str = "", **sections: Any) -> Settings:
        """Return settings for these servers.

        Args:
            suffix: appended to the names of the databases and of the index's directory, for test
                modules with data of their own.
            sections: more sections, such as ``features={"demo_key": True}``.
        """
        names = ("app", "fingerprint", "ingest", "musicbrainz")
        tree: dict[str, Any] = {
            "redis": {"host": LOOPBACK, "port": self.valkey.port, "password": PASSWORD},
            "fingerprint_index": {"path": self.folder / f"index{suffix}"},
            "fingerprint_store": {"path": self.folder / f"fingerprints{suffix}"},
        }
        for name in names:
            section = "database" if name == "app" else f"database_{name}"
            tree[section] = tree[f"{section}_ro"] = {
                "name": f"{name}{suffix}",
                "user": USER,
                "password": PASSWORD,
                "host": LOOPBACK,
                "port": self.postgres.port,
                "pool_size": 5,
            }
        return Settings.model_validate({**tree, **sections})


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start both servers in a temporary directory; stop them and delete it at the end."""
    with temporary_folder() as folder, ExitStack() as stack:
        servers = Servers(make_postgres(folder), make_valkey(folder), folder)
        for server in (servers.postgres, servers.valkey):
            stack.enter_context(running(server))
        yield servers


@contextmanager
def running(server: EmbeddedServer) -> Iterator[ChildProcess]:
    """Run one server."""
    process = start_server(server)
    try:
        yield process
    finally:
        stop_process(process, server.escalation)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a directory that PostgreSQL's user can enter when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="acoustid-test-")).resolve()
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        postgres_directory.delete_external(folder)
        shutil.rmtree(folder)


def make_postgres(
    folder: Path, *, durable: bool = False, programs: Path | None = None
) -> PostgresServer:
    """Return a PostgreSQL on a directory, not started.

    Args:
        folder: its directory.
        durable: whether it keeps its data after a crash.
        programs: the directory of its programs, by default that of the wheel.
    """
    return PostgresServer(
        postgres_directory.choose(folder, "test"),
        find_postgres(programs),
        port=free_port(),
        password=PASSWORD,
        log=folder / "postgres.log",
        durable=durable,
    )


def make_valkey(
    folder: Path, *, durable: bool = False, programs: Path | None = None
) -> ValkeyServer:
    """Return a Valkey or Redis on a directory, not started.

    Args:
        folder: the parent of its directory.
        durable: whether it keeps its data after a crash.
        programs: the directory of its program, by default that of the wheel.
    """
    return ValkeyServer(
        folder / "valkey",
        find_valkey(programs),
        port=free_port(),
        password=PASSWORD,
        log=folder / "valkey.log",
        durable=durable,
    )
