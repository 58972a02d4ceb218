"""Chooses where PostgreSQL's data and programs lie, so that the user who runs it can enter.

That is the data directory of the stack wherever possible. Root runs PostgreSQL as another user,
who may be unable to enter it (a checkout in a home of mode 0700, say): then it is a directory
under ``/var/lib/acoustid``, or the temporary directory, and the data directory remembers which.
Nobody's directories have their modes changed for it.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.errors import StackError
from cli.stack.servers.account import Account, server_account

SYSTEM_HOME = Path("/var/lib/acoustid")
REMEMBERED = "postgres.place"
"""File of the data directory that names the place of the server's files, if it is elsewhere."""

NOTE = "data-dir"
"""File in a place elsewhere that names the data directory that it belongs to."""


class PlaceError(StackError):
    """The server's files can be put nowhere; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory for the server's files and the user who runs it.

    Attributes:
        base: a directory that `account` can enter.
        account: None for the user of this process.
    """

    base: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.base / "postgres"

    def make_folder(self, path: Path) -> None:
        """Create an empty directory that the server's user owns, with all it may hold before."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        self.give(path)

    def give(self, path: Path) -> None:
        """Make the server's user the owner of a file or directory of this place."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)


def choose(data_dir: Path, token: str) -> Place:
    """Return where PostgreSQL lives for a stack, the same place each time.

    Args:
        data_dir: the stack's data directory, which exists.
        token: random text of this data directory, so that one made anew at the same path does
            not meet the files of the one before it.

    Raises:
        PlaceError, AccountError: there is no place, or no user to run the server.
    """
    remembered = data_dir / REMEMBERED
    if remembered.exists():
        base = Path(remembered.read_text(encoding="utf-8").strip())
        if not base.is_dir():
            raise PlaceError(f"{base}, where PostgreSQL's files are by {remembered}, is gone")
        return Place(base, server_account(base / "postgres"))
    account = server_account(data_dir / "postgres")
    if account is None or account.may("x", data_dir):
        return Place(data_dir, account)
    base = _make_elsewhere(data_dir, token)
    remembered.write_text(f"{base}\n", encoding="utf-8")
    return Place(base, account)


def forget(data_dir: Path) -> None:
    """Delete what `choose` put outside of the data directory, for when that is deleted too."""
    remembered = data_dir / REMEMBERED
    if remembered.exists():
        shutil.rmtree(remembered.read_text(encoding="utf-8").strip(), ignore_errors=True)


def reachable_programs(folder: Path, place: Place) -> Path:
    """Return a directory of PostgreSQL's programs that the server's user can run.

    That is `folder` itself if possible, else a copy of the installation inside the place.
    """
    if place.account is None or place.account.may("x", folder / "postgres"):
        return folder
    program = (folder / "postgres").stat()
    version = _digest(f"{folder} {program.st_size} {program.st_mtime_ns}")
    copy = place.base / f"programs-{version}"
    if not copy.exists():
        for outdated in place.base.glob("programs-*"):
            shutil.rmtree(outdated)
        _copy_installation(folder.parent, copy)
    return copy / "package" / folder.parent.name / folder.name


def _copy_installation(prefix: Path, copy: Path) -> None:
    """Copy what the server needs of an installation, keeping the layout that it looks for."""
    partial = copy.with_name(copy.name.replace("programs-", "programs.partial-"))
    shutil.rmtree(partial, ignore_errors=True)
    for name in ("bin", "lib", "share"):
        if (prefix / name).is_dir():
            shutil.copytree(prefix / name, partial / "package" / prefix.name / name)
    # A wheel keeps the libraries that its programs load beside its package.
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name)
    _let_all_read(partial)
    partial.rename(copy)


def _let_all_read(folder: Path) -> None:
    """Undo what a strict umask took, here or where the original was installed."""
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)


def _make_elsewhere(data_dir: Path, token: str) -> Path:
    name = _digest(f"{data_dir} {token}")
    problems = []
    for home in (SYSTEM_HOME, Path(tempfile.gettempdir()) / "acoustid"):
        try:
            base = _make_own(_make_own(home) / name)
        except (OSError, PlaceError) as error:
            problems.append(str(error))
        else:
            (base / NOTE).write_text(f"{data_dir}\n", encoding="utf-8")
            return base
    raise PlaceError("PostgreSQL's files can be put nowhere: " + "; ".join(problems))


def _make_own(home: Path) -> Path:
    """Return a directory that only this user can write to."""
    with suppress(FileExistsError):
        _make_passable(home)
    found = home.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PlaceError(f"{home} is not this user's own directory")
    return home


def _make_passable(folder: Path) -> None:
    """Create a directory through which anybody can pass, whatever the umask."""
    folder.mkdir(mode=0o700)
    folder.chmod(0o711)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
