"""An embedded PostgreSQL: its own data directory, loopback only, passwords only."""

import os
import secrets
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import psycopg2

from cli.stack.processes import Child, ProcessError, Stray, find_marked, spawn
from cli.stack.servers.binaries import major_version
from cli.stack.servers.place import Place, reachable_programs
from cli.stack.servers.ports import LOOPBACK
from cli.stack.stopping import Escalation, end

SUPERUSER = "postgres"
USER = "acoustid"

FAST_STOP: Escalation = (
    (signal.SIGINT, 30.0),  # a fast shutdown: open transactions are rolled back
    (signal.SIGQUIT, 10.0),  # an immediate one: the next start recovers
    (signal.SIGKILL, 5.0),
)

CONFIGURATION = """
# For one small machine. Yours to change: it is written once.
max_connections = 200
shared_buffers = 128MB
max_wal_size = 512MB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
log_checkpoints = off
"""

UNSAFE_CONFIGURATION = """
# Made without durability: a crash of the machine loses it all.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class PostgresServer:
    """PostgreSQL on one data directory.

    Args:
        place: where its files lie and who runs it.
        programs: the directory of ``postgres`` and ``initdb``.
        port: where to listen on 127.0.0.1.
        password: that of the user `USER`, who owns the databases and may create more.
        log: the file that gets its output.
        durable: False only for data that nobody will miss, such as a test's.
    """

    role = "postgres"
    escalation = FAST_STOP

    def __init__(
        self,
        place: Place,
        programs: Path,
        *,
        port: int,
        password: str,
        log: Path,
        durable: bool = True,
    ) -> None:
        self.place = place
        self.port = port
        self.log = log
        self.mark = str(place.data)
        self._programs = programs
        self._password = password
        self._durable = durable

    def prepare(self) -> None:
        """End a stray server of this data directory and create the directory if it is missing.

        Raises:
            ProcessError: it cannot be created, or another release of PostgreSQL made it.
        """
        stray = self._find_stray()
        if stray:
            end(stray, self.escalation)
        self._programs = reachable_programs(self._programs, self.place)
        if self.place.data.exists():
            self._check_version()
        else:
            self._create()

    def spawn(self) -> Child:
        """Start the server."""
        return spawn(
            [
                *(str(self._programs / "postgres"), "-D", str(self.place.data)),
                *("-c", f"listen_addresses={LOOPBACK}", "-c", f"port={self.port}"),
                *("-c", "unix_socket_directories="),
            ],
            log=self.log,
            env=_environment(),
            cwd=Path("/"),
            account=self.place.account,
            death_signal=signal.SIGINT,
        )

    def answers(self) -> bool:
        """Say whether this server takes our password."""
        with suppress(psycopg2.Error):
            psycopg2.connect(
                host=LOOPBACK,
                port=self.port,
                user=USER,
                password=self._password,
                dbname="postgres",
                sslmode="disable",
                connect_timeout=2,
            ).close()
            return True
        return False

    def _find_stray(self) -> Stray | None:
        """Return a server that runs on this data directory, by the pid file that it keeps."""
        try:
            pid = int((self.place.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return find_marked(pid, self.mark)

    def _check_version(self) -> None:
        made_by = (self.place.data / "PG_VERSION").read_text().strip()
        ours = major_version(self._programs / "postgres")
        if made_by != ours:
            raise ProcessError(
                f"{self.place.data} was made by PostgreSQL {made_by}, and {self._programs} holds "
                f"{ours}: give one of release {made_by} with --postgres-bin"
            )

    def _create(self) -> None:
        """Make the data directory under another name first, so that a crash leaves none."""
        new = self.place.data.with_name("postgres.new")
        self.place.make_folder(new)
        with tempfile.NamedTemporaryFile("w", dir=self.place.base, prefix=".password-") as secret:
            secret.write(secrets.token_urlsafe(32))
            secret.flush()
            self.place.give(Path(secret.name))
            self._run("initdb", *self._initdb_options(new, secret.name))
        with (new / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(CONFIGURATION if self._durable else UNSAFE_CONFIGURATION)
        self._create_user(new)
        new.rename(self.place.data)

    def _initdb_options(self, folder: Path, password_file: str) -> list[str]:
        options = ["-D", str(folder), "-U", SUPERUSER, f"--pwfile={password_file}"]
        options += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
        return options if self._durable else [*options, "--no-sync"]

    def _create_user(self, folder: Path) -> None:
        """Create the user without a server that listens: in single-user mode."""
        statement = f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{self._password}'\n"
        output = self._run("postgres", "--single", "-D", str(folder), "postgres", given=statement)
        if "ERROR:" in output:
            raise ProcessError("PostgreSQL's user cannot be created")

    def _run(self, program: str, *arguments: str, given: str = "") -> str:
        """Run one of the programs as the server's user and return its error output."""
        account = self.place.account
        command = [str(self._programs / program), *arguments]
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - the server's own
                command,
                input=given,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                **(account.as_popen() if account else {}),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ProcessError(f"{command[0]} cannot be run: {error}") from error
        if done.returncode != 0:
            raise ProcessError(f"{program} failed for {self.place.data}:\n{done.stderr.strip()}")
        return done.stderr


def _environment() -> dict[str, str]:
    """Return what the server sees: no ``PG*`` of whoever starts it, messages in English."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
