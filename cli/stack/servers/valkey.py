"""An embedded Valkey or Redis: append-only file, loopback address, password, no eviction.

It reads its configuration from standard input. The server expands ``*``, ``?`` and ``[`` in the
path of a file, and starts without a password if no file matches. All paths are relative to its
working directory, so they need no quotes.
"""

import os
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.stack.processes.child_process import ChildProcess, LogPipe, ProcessError, spawn
from cli.stack.processes.stopping import TERM_THEN_KILL, stop_process
from cli.stack.processes.strays import StrayProcess, find_by_path
from cli.stack.servers import append_only_file
from cli.stack.servers.embedded_server import Report, report_nothing
from cli.stack.servers.ports import LOOPBACK

CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir .
pidfile {pid_file}
daemonize no
supervised no
save ""
appendonly {append}
appendfsync everysec
maxmemory-policy noeviction
"""

PID_FILE = "valkey.pid"
OLD_CONFIGURATION = "valkey.conf"
"""The file in which earlier versions wrote the configuration."""


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
    escalation_if_moved = TERM_THEN_KILL  # it uses relative paths only

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
        self.report: Report = report_nothing
        self.mark = str(folder)
        self._folder = folder
        self._program = program
        self._password = password
        self._durable = durable

    def prepare(self) -> None:
        """Create the directory if it is missing, and stop a stray server that uses it.

        An incomplete append-only file is set aside, so the server starts with an empty one.

        Raises:
            ProcessError: the directory cannot be created.
        """
        self._create_folder()
        stray = self._find_stray()
        if stray:
            stop_process(stray, self.escalation)
        (self._folder / OLD_CONFIGURATION).unlink(missing_ok=True)
        append_only_file.repair_folder(self._folder, self.report)

    def _create_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            kind = "is no directory"
            if self._folder.is_symlink():
                kind = f"is a link to {self._folder.readlink()}, which does not exist"
            raise ProcessError(
                f"{self._folder} {kind}: restore Valkey's directory, or delete the "
                f"{'link' if self._folder.is_symlink() else 'file'} to start with an empty one"
            ) from None

    def spawn(self) -> ChildProcess:
        """Start the server. Its configuration, with the password, is never on disk."""
        configuration = CONFIGURATION.format(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            pid_file=PID_FILE,
            append="yes" if self._durable else "no",
        )
        reading, writing = os.pipe()
        try:
            os.write(writing, configuration.encode())  # a pipe can hold it: it has no reader yet
            os.close(writing)
            return spawn(
                [str(self._program), "-"],
                log=self.output,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                cwd=self._folder,
                stdin=reading,
            )
        finally:
            os.close(reading)

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

    def repair(self, status: int, log: str) -> bool:
        """Set a damaged append-only file aside; return False if the log shows another reason."""
        return append_only_file.repair_after_exit(self._folder, status, log, self.report)

    def _find_stray(self) -> StrayProcess | None:
        """Return the server that the pid file in the directory names, if it runs."""
        try:
            pid = int((self._folder / PID_FILE).read_text())
        except (OSError, ValueError):
            return None
        return find_by_path(pid, self.mark)
