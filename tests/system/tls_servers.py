"""Debian's PostgreSQL and Redis with TLS only, which require certificates of their clients."""

import os
import shutil
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import redis

from cli.stack.processes.child_process import ChildProcess, spawn
from cli.stack.processes.stopping import TERM_THEN_KILL
from cli.stack.servers import postgres_directory
from cli.stack.servers.ports import free_port
from cli.stack.servers.postgres import USER, PostgresServer
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import DatabaseSettings, RedisSettings
from tests.support.processes.servers import PASSWORD
from tests.support.tls_files import TlsFiles
from tests.system.packages import POSTGRES, REDIS

POSTGRES_OPTIONS = """
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_ca_file = 'authority.crt'
"""
POSTGRES_ACCESS = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n"
"""The only line of ``pg_hba.conf``: the certificate must contain the user's name."""

REDIS_OPTIONS = """\
bind 127.0.0.1
port 0
tls-port {port}
tls-cert-file {certificate}
tls-key-file {key}
tls-ca-cert-file {authority}
tls-auth-clients yes
requirepass {password}
maxmemory-policy noeviction
save ""
"""


class TlsPostgres(PostgresServer):
    """PostgreSQL that accepts only TLS connections with a certificate.

    Args:
        folder: its directory.
        files: the certificates.
    """

    def __init__(self, folder: Path, files: TlsFiles) -> None:
        programs = POSTGRES.folder()
        assert programs
        super().__init__(
            postgres_directory.choose(folder, "test"),
            programs,
            port=free_port(),
            password=PASSWORD,
            log=folder / "postgres.log",
            durable=False,
        )
        self._files = files

    def prepare(self) -> None:
        """Create the data directory with the certificates."""
        super().prepare()
        data = self.directory.data
        for path in (self._files.authority, *self._files.server):
            self.directory.change_owner(Path(shutil.copy(path, data)))
        with (data / "postgresql.conf").open("a") as options:
            options.write(POSTGRES_OPTIONS)
        (data / "pg_hba.conf").write_text(POSTGRES_ACCESS)

    def settings(self) -> DatabaseSettings:
        """Return the settings of a client."""
        certificate, key = self._files.client
        return DatabaseSettings.model_validate(
            {"host": "localhost", "port": self.port, "user": USER, "password": PASSWORD}
            | {"name": "postgres", "sslmode": "verify-full", "sslrootcert": self._files.authority}
            | {"sslcert": certificate, "sslkey": key}
        )

    def server_pid(self) -> int | None:
        """Return the pid of the server that accepts a connection."""
        url = self.settings().url().set(drivername="postgresql")
        text = url.render_as_string(hide_password=False)
        with suppress(psycopg2.Error), closing(psycopg2.connect(text, connect_timeout=2)) as opened:
            return psutil.Process(opened.get_backend_pid()).ppid()
        return None

    def answers(self) -> bool:
        """Return whether the server accepts a connection."""
        return self.server_pid() is not None


class TlsRedis:
    """Redis whose only port accepts only TLS connections with a certificate.

    Args:
        folder: the parent of its directory.
        files: the certificates.
    """

    role = "valkey"
    escalation = TERM_THEN_KILL

    def __init__(self, folder: Path, files: TlsFiles) -> None:
        self.port = free_port()
        self.log = folder / "redis.log"
        self._folder = folder / "redis"
        self.mark = str(self._folder)
        self._files = files

    def prepare(self) -> None:
        """Create its directory."""
        self._folder.mkdir(exist_ok=True)

    def spawn(self) -> ChildProcess:
        """Write its configuration and start it."""
        certificate, key = self._files.server
        path = self._folder / "redis.conf"
        path.write_text(
            REDIS_OPTIONS.format(
                port=self.port,
                certificate=certificate,
                key=key,
                authority=self._files.authority,
                password=PASSWORD,
            )
        )
        programs = REDIS.folder()
        assert programs
        return spawn(
            [str(programs / "redis-server"), str(path)],
            log=self.log,
            env={"PATH": os.defpath},
            cwd=self._folder,
        )

    def settings(self) -> RedisSettings:
        """Return the settings of a client."""
        certificate, key = self._files.client
        return RedisSettings.model_validate(
            {"host": "localhost", "port": self.port, "password": PASSWORD, "ssl": True}
            | {"ssl_ca_certs": self._files.authority}
            | {"ssl_certfile": certificate, "ssl_keyfile": key}
        )

    def answers(self) -> bool:
        """Return whether the server replies."""
        with connect(self.settings(), timeout=2.0) as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def server_pid(self) -> int | None:
        """Return the pid of the server that replies."""
        with connect(self.settings(), timeout=2.0) as client, suppress(redis.RedisError):
            return int(client.info("server")["process_id"])
        return None

    def repair(self, status: int, log: str) -> bool:
        """Repair nothing."""
        del status, log
        return False
