"""An embedded Valkey (or Redis): append-only file, loopback only, a password, no eviction."""

import os
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.stack.data_directory import write_private
from cli.stack.processes import Child, Stray, find_marked, spawn
from cli.stack.servers.ports import LOOPBACK
from cli.stack.stopping import POLITE, end

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
    """Valkey on one data directory.

    Args:
        folder: its directory, created if it is missing.
        program: ``valkey-server`` or ``redis-server``.
        port: where to listen on 127.0.0.1.
        password: what a client must give.
        log: the file that gets its output.
        durable: False only for data that nobody will miss, such as a test's.
    """

    role = "valkey"
    escalation = POLITE

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
        self.mark = str(folder)
        self._folder = folder
        self._program = program
        self._password = password
        self._durable = durable

    def prepare(self) -> None:
        """End a stray server of this directory and create the directory if it is missing."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        stray = self._find_stray()
        if stray:
            end(stray, self.escalation)

    def spawn(self) -> Child:
        """Write the configuration, which keeps the password off the command line, and start."""
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
            log=self.log,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self._folder,
        )

    def answers(self) -> bool:
        """Say whether this server takes our password and has loaded its data."""
        client = redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            socket_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        with client, suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def _find_stray(self) -> Stray | None:
        """Return a server that runs on this directory, by the pid file that it keeps."""
        try:
            pid = int((self._folder / "valkey.pid").read_text())
        except (OSError, ValueError):
            return None
        return find_marked(pid, self.mark)
