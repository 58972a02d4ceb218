"""An embedded PostgreSQL: its own data directory, loopback address, password."""

import os
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions

from cli.stack.processes.child_process import ChildProcess, LogPipe, ProcessError, spawn
from cli.stack.processes.stopping import Escalation, stop_process
from cli.stack.processes.strays import StrayProcess, find_by_path
from cli.stack.servers import postgres_leftovers
from cli.stack.servers.binaries import major_version
from cli.stack.servers.embedded_server import Report, report_nothing
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres_directory import PostgresDirectory, executable_programs
from cli.stack.servers.postgres_hba import INITIAL_METHOD, require_passwords
from cli.stack.servers.postgres_password_mark import has_password, write_mark
from cli.stack.servers.postgres_pid_file import postmaster_pid

SUPERUSER = "postgres"
USER = "acoustid"

FAST_STOP: Escalation = (
    (signal.SIGINT, 30.0),  # fast shutdown: open transactions are rolled back
    (signal.SIGQUIT, 10.0),  # immediate shutdown: the next start recovers
    (signal.SIGKILL, 5.0),
)

IMMEDIATE_STOP: Escalation = FAST_STOP[1:]
"""Stops the server without a checkpoint, which would write ``global/pg_control``."""

OWN_DIRECTORY = Path("/proc/self/cwd")
"""The working directory of the process that uses this path, wherever it was moved (Linux)."""

CONFIGURATION = """
# For a small machine. This file is written once; you may change it.
max_connections = 200
shared_buffers = 128MB
max_wal_size = 512MB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
log_checkpoints = off
# Failed clients are detected within 15 s, and their transactions end.
tcp_keepalives_idle = 5
tcp_keepalives_interval = 2
tcp_keepalives_count = 3
"""

UNSAFE_CONFIGURATION = """
# Created without durability: a crash of the machine loses all data.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class PostgresServer:
    """PostgreSQL with a data directory of its own.

    Args:
        directory: the directory of its files, and the account that runs it.
        programs: the directory of ``postgres`` and ``initdb``.
        port: the port on 127.0.0.1.
        password: the password of the user `USER`, which owns the databases and may create more.
        log: the file for its output.
        durable: whether data survives a crash of the machine; False for tests only.
    """

    role = "postgres"
    escalation = FAST_STOP
    escalation_if_moved = IMMEDIATE_STOP

    def __init__(
        self,
        directory: PostgresDirectory,
        programs: Path,
        *,
        port: int,
        password: str,
        log: Path,
        durable: bool = True,
    ) -> None:
        self.directory = directory
        self.port = port
        self.log = log
        self.output: Path | LogPipe = log
        self.report: Report = report_nothing
        self.mark = str(directory.data)
        self._programs = programs
        self._password = password
        self._durable = durable

    def prepare(self) -> None:
        """Create the data directory if it is missing, and stop a stray server that uses it.

        Processes and files that a killed server has left are removed, too.

        Raises:
            ProcessError: it cannot be created, or another major version of PostgreSQL created it.
        """
        stray = self._find_stray()
        if stray:
            stop_process(stray, self.escalation)
        postgres_leftovers.stop_orphans(self.directory.data, self.report)
        postgres_leftovers.remove_stale_pid_file(self.directory.data, self.report)
        postgres_leftovers.delete_password_files(self.directory.base)
        self._programs = executable_programs(self._programs, self.directory)
        if self.directory.data.exists():
            self._check_version()
            self._ensure_password()
        else:
            self._create()

    def spawn(self) -> ChildProcess:
        """Start the server.

        PostgreSQL writes ``global/pg_control`` by the path that ``-D`` names, and all other files
        relative to its working directory. Both are one directory also after it was moved.
        """
        folder = OWN_DIRECTORY if OWN_DIRECTORY.exists() else self.directory.data
        return spawn(
            [
                *(str(self._programs / "postgres"), "-D", str(folder)),
                *("-c", f"listen_addresses={LOOPBACK}", "-c", f"port={self.port}"),
                *("-c", "unix_socket_directories="),
                # A local user without the password can hold a connection no longer than that.
                *("-c", "authentication_timeout=3s"),
                # Statements contain keys of clients.
                *("-c", "log_min_error_statement=panic"),
            ],
            log=self.output,
            env=_environment(),
            cwd=self.directory.data,
            account=self.directory.account,
            death_signal=signal.SIGINT,
        )

    def server_pid(self) -> int | None:
        """Return the pid of the server on the port; None if it does not accept the password."""
        with suppress(psycopg2.Error, psutil.Error), closing(self._connect()) as connection:
            return psutil.Process(connection.get_backend_pid()).ppid()
        return None

    def answers(self) -> bool:
        """Return whether the server accepts the password."""
        with suppress(psycopg2.Error):
            self._connect().close()
            return True
        return False

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=LOOPBACK,
            port=self.port,
            user=USER,
            password=self._password,
            dbname="postgres",
            sslmode="disable",
            connect_timeout=2,
        )

    def repair(self, status: int, log: str) -> bool:
        """Repair nothing: PostgreSQL itself recovers from a crash."""
        del status, log
        return False

    def _find_stray(self) -> StrayProcess | None:
        """Return the server that the pid file in the data directory names, if it runs."""
        pid = postmaster_pid(self.directory.data)
        return None if pid is None else find_by_path(pid, self.mark)

    def _check_version(self) -> None:
        made_by = (self.directory.data / "PG_VERSION").read_text().strip()
        ours = major_version(self._programs / "postgres")
        if made_by != ours:
            raise ProcessError(
                f"{self.directory.data} was created by PostgreSQL {made_by}, but {self._programs} "
                f"contains PostgreSQL {ours}: give release {made_by} with --postgres-bin"
            )

    def _create(self) -> None:
        """Create the data directory under another name, then rename it, in case of a crash."""
        new = self.directory.data.with_name("postgres.new")
        postgres_leftovers.kill_creation(new)
        self.directory.create_folder(new)
        self._run("initdb", *self._initdb_options(new))
        require_passwords(new)
        with (new / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(CONFIGURATION if self._durable else UNSAFE_CONFIGURATION)
        self._change_user(new, f"CREATE ROLE {USER}")
        new.rename(self.directory.data)

    def _initdb_options(self, folder: Path) -> list[str]:
        """Return the options of ``initdb``. The superuser gets no password, so it cannot log in."""
        options = ["-D", str(folder), "-U", SUPERUSER]
        options += [f"--auth={INITIAL_METHOD}", "--encoding=UTF8", "--no-locale"]
        return options if self._durable else [*options, "--no-sync"]

    def _ensure_password(self) -> None:
        """Set the user's password if the directory is that of another stack or time."""
        if not has_password(self.directory.data, self._password):
            self._change_user(self.directory.data, f"ALTER ROLE {USER}")

    def _change_user(self, folder: Path, statement: str) -> None:
        """Set the user's password in single-user mode, without a server that listens."""
        statement = f"{statement} LOGIN CREATEDB PASSWORD '{self._password}'\n"
        output = self._run("postgres", "--single", "-D", str(folder), "postgres", stdin=statement)
        if "ERROR:" in output:
            raise ProcessError(f"the password of PostgreSQL's user cannot be set in {folder}")
        self.directory.change_owner(write_mark(folder, self._password))

    def _run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """Run one of the programs as the server's account; return its output to stderr."""
        account = self.directory.account
        command = [str(self._programs / program), *arguments]
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - the server's own
                command,
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                **(account.popen_arguments() if account else {}),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ProcessError(f"{command[0]} cannot be run: {error}") from error
        if done.returncode != 0:
            raise ProcessError(
                f"{program} failed for {self.directory.data}:\n{done.stderr.strip()}"
            )
        return done.stderr


def _environment() -> dict[str, str]:
    """Return the environment of the server: no ``PG*`` variables, messages in English."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
