"""Finds PostgreSQL's programs for backups, and gives them the address and the password.

The programs are those of the client applications of PostgreSQL:
https://www.postgresql.org/docs/current/reference-client.html. A password is never an argument:
other users can read the arguments in the list of processes.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from psycopg2.extensions import make_dsn

from cli.stack.servers.binaries import SYSTEM_POSTGRES, BinariesError, wheel_postgres
from pipeline.runtime.links.connection_limits import POSTGRES_COMMAND
from pipeline.settings.sections import DatabaseSettings

ProgramName = Literal["pg_dump", "pg_restore"]

_KEEPALIVE: Final = (
    "connect_timeout",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
)
"""The limits of a command's connection. The others would end a dump whose reader is slow."""

_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")

_HINT: Final = "give the folder of its programs with --postgres-bin"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of PostgreSQL.

    Attributes:
        path: the program.
        version: its major version, such as 18.
    """

    path: Path
    version: int


def find_program(name: ProgramName, at_least: int, directory: Path | None = None) -> Program:
    """Return a program of the oldest suitable version.

    A program works with servers and dumps of its own and of earlier versions, but not of later
    ones. The oldest suitable one makes dumps that the server's own version can read.

    Args:
        name: the program.
        at_least: the minimum major version: that of the server, or of the program that dumped.
        directory: the only directory to check; None for the installed package, the system's
            packages and the ``PATH``.

    Raises:
        BinariesError: there is none; the text names the version that is needed.
    """
    candidates = [directory / name] if directory else list(_candidates(name))
    found = [program for each in candidates if (program := _examine(each)) is not None]
    suitable = [each for each in found if each.version >= at_least]
    if suitable:
        return min(suitable, key=lambda each: each.version)
    where = f"in {directory}" if directory else "on this machine"
    if not found:
        raise BinariesError(
            f"there is no {name} {where}: install PostgreSQL {at_least}, and {_HINT}"
        )
    newest = max(each.version for each in found)
    raise BinariesError(
        f"{name} {where} is of PostgreSQL {newest}, and version {at_least} or a later one is "
        f"needed: install it, and {_HINT}"
    )


def connection_text(database: DatabaseSettings, application: str) -> str:
    """Return the connection string of a database for an option ``--dbname``, without the password.

    Args:
        database: the address and the options of TLS.
        application: the name that PostgreSQL shows.
    """
    url = database.url()
    address = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    limits = {key: value for key, value in POSTGRES_COMMAND.libpq().items() if key in _KEEPALIVE}
    named = {**address, **url.query, "application_name": application, **limits}
    return str(make_dsn(**named))


def program_environment(
    database: DatabaseSettings, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment of a program that connects to a database, with the password.

    libpq's variables of the caller hold too, as they do for the service.

    Args:
        database: the settings with the password.
        environ: the caller's environment. The service's own variables are left out.
    """
    kept = {name: text for name, text in environ.items() if not name.startswith("ACOUSTID_")}
    password = database.password.get_secret_value()
    return {**kept, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}


def _candidates(name: str) -> Iterator[Path]:
    yield from (folder / name for folder in wheel_postgres())
    yield from sorted(SYSTEM_POSTGRES.glob(f"*/bin/{name}"))
    if found := shutil.which(name):
        yield Path(found)


def _examine(path: Path) -> Program | None:
    """Return a program if it is there and runs on this machine."""
    try:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, or that of the user's folder
            [str(path), "--version"], capture_output=True, text=True, check=False, cwd="/"
        )
    except OSError:
        return None
    version = _VERSION.search(done.stdout)
    return Program(path, int(version[1])) if done.returncode == 0 and version else None
