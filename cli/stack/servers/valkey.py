"""An embedded Valkey or Redis: append-only file, loopback address, password, no eviction."""

import os
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.stack.data_directory import write_private
from cli.stack.processes.child_process import ChildProcess, LogPipe, spawn
from cli.stack.processes.stopping import TERM_THEN_KILL, stop_process
from cli.stack.processes.strays import StrayProcess, find_by_path
from cli.stack.servers.ports import LOOPBACK

CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
pidfile "{folder}/valkey.pid"
daemonize no
supervised no
save ""
appendonly {append}
appendfsync everysec
maxmemory-policy noeviction
"""


class ValkeyServer:
    """Valkey with a directory of its own.

    Args:
        folder: its directory, created if it is missing.
        program: ``valkey-server`` or ``redis-server``.
        port: the port on 127.0.0.1.
        password: the password of clients.
        log: the file for its output.
        durable: whether data survives the end of the process; False in tests only.
    """

    role = "valkey"
    escalation = TERM_THEN_KILL

    def __init__(
        self,
        folder: Path,
        program: Path,
        *,
        port: int,
        password: str,
        log: Path,
        durable: bool = True,
    ) -> None:
        self.port = port
        self.log = log
        self.output: Path | LogPipe = log
        self.mark = str(folder)
        self._folder = folder
        self._program = program
        self._password = password
        self._durable = durable

    def prepare(self) -> None:
        """Create the directory if it is missing, and stop a stray server that uses it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        stray = self._find_stray()
        if stray:
            stop_process(stray, self.escalation)

    def spawn(self) -> ChildProcess:
        """Write the configuration file, which contains the password, and start the server."""
        folder = str(self._folder).replace("\\", "\\\\").replace('"', '\\"')
        configuration = CONFIGURATION.format(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            folder=folder,
            append="yes" if self._durable else "no",
        )
        path = self._folder / "valkey.conf"
        write_private(path, configuration)
        return spawn(
            [str(self._program), str(path)],
            log=self.output,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self._folder,
        )

    def server_pid(self) -> int | None:
        """Return the pid of the server on the port; None if it does not accept the password."""
        with self._client() as client, suppress(redis.RedisError):
            return int(client.info("server")["process_id"])
        return None

    def _client(self) -> redis.Redis:
        return redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            socket_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )

    def answers(self) -> bool:
        """Return whether the server accepts the password and has loaded its data."""
        with self._client() as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def _find_stray(self) -> StrayProcess | None:
        """Return the server that the pid file in the directory names, if it runs."""
        try:
            pid = int((self._folder / "valkey.pid").read_text())
        except (OSError, ValueError):
            return None
        return find_by_path(pid, self.mark)
