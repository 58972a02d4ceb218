"""Chooses the directory of PostgreSQL's data. PostgreSQL's account must be able to enter it.

This is the data directory of the stack if possible. If root starts the stack, PostgreSQL runs as
another account. That account may be unable to enter the data directory, for example in a home
directory with mode 0700. Then a directory under ``/var/lib/acoustid`` or under the temporary
directory is used, and a file in the data directory contains its path. The modes of existing
directories are never changed.
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
from cli.stack.files.private_file import delete_partial, write_private
from cli.stack.processes.system_account import SystemAccount, server_account
from cli.stack.servers.postgres_owner import OWNER_FILE, Owner, read_owner, write_owner

SYSTEM_HOME = Path("/var/lib/acoustid")
PATH_FILE = "postgres.place"
"""File in the data directory with the path of an external directory."""


class PostgresDirectoryError(StackError):
    """There is no usable directory for PostgreSQL. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class PostgresDirectory:
    """The directory of PostgreSQL's files, and the account that runs it.

    Attributes:
        base: a directory that the account can enter.
        account: the account; None for the user of this process.
    """

    base: Path
    account: SystemAccount | None

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.base / "postgres"

    def create_folder(self, path: Path) -> None:
        """Create an empty directory that the account owns. An existing one is deleted first."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        self.change_owner(path)

    def change_owner(self, path: Path) -> None:
        """Make the account the owner of a file or directory below `base`."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)


def choose(data_dir: Path, token: str) -> PostgresDirectory:
    """Return the PostgreSQL directory of a stack, the same one each time.

    Args:
        data_dir: the stack's data directory, which exists.
        token: random text that belongs to this data directory. A new data directory at the same
            path has another token. So it does not use the files of the old one.

    Raises:
        PostgresDirectoryError: no directory can be used.
        AccountError: no account can run PostgreSQL.
    """
    base = _named_directory(data_dir)
    if base is not None:
        check_owner(data_dir)
        write_owner(base, data_dir)
        return PostgresDirectory(base, server_account(base / "postgres"))
    account = server_account(data_dir / "postgres")
    if account is None or account.has_access("x", data_dir):
        return PostgresDirectory(data_dir, account)
    base = _create_external(data_dir, token)
    _write_path_file(data_dir, base)
    return PostgresDirectory(base, account)


def _named_directory(data_dir: Path) -> Path | None:
    """Return the external directory that the data directory names; None if it names none.

    A damaged file is written again if one external directory belongs to the data directory.
    """
    path_file = data_dir / PATH_FILE
    if not path_file.is_file():
        return None
    text = path_file.read_bytes().decode(errors="replace").strip()
    base = Path(text)
    if text.startswith("/"):
        if not base.is_dir():
            raise PostgresDirectoryError(
                f"the directory of PostgreSQL's files, {base}, is missing ({path_file} names it): "
                f"restore it, or write the path of its copy into {path_file}"
            )
        return base
    found = _external_directories(data_dir)
    if len(found) > 1:
        raise PostgresDirectoryError(
            f"{path_file} is damaged: write the path of PostgreSQL's files into it, one of "
            + ", ".join(map(str, found))
        )
    path_file.unlink()
    if not found:  # a start was killed before PostgreSQL had any files
        return None
    _write_path_file(data_dir, found[0])
    return found[0]


def _external_directories(data_dir: Path) -> list[Path]:
    """Return the external directories with data of PostgreSQL that name a data directory."""
    owned = []
    for home in _homes():
        for owner in home.glob(f"*/{OWNER_FILE}"):
            with suppress(OSError):
                found = read_owner(owner.parent)
                is_ours = found is not None and found.is_directory(data_dir)
                if is_ours and (owner.parent / "postgres").exists():
                    owned.append(owner.parent)
    return owned


def _write_path_file(data_dir: Path, base: Path) -> None:
    """Write the file at once: a part of a path could be another directory."""
    delete_partial(data_dir / PATH_FILE)
    write_private(data_dir / PATH_FILE, f"{base}\n")


def _homes() -> tuple[Path, ...]:
    """Return the directories that can contain external directories."""
    return SYSTEM_HOME, Path(tempfile.gettempdir()) / "acoustid"


def location(data_dir: Path) -> Path:
    """Return PostgreSQL's own data directory, which need not exist."""
    return (_external(data_dir) or data_dir) / "postgres"


def check_owner(data_dir: Path) -> None:
    """Check that the external directory of a data directory, if it has one, belongs to it.

    A copy of the data directory names the same external directory. One without an owner, and one
    of an earlier version whose data directory is missing or names another one, belongs to the
    first that uses it. Nothing is changed.

    Raises:
        PostgresDirectoryError: it is missing, or belongs to another data directory.
    """
    base = _named_directory(data_dir)
    owner = read_owner(base) if base else None
    if base is None or owner is None or owner.is_directory(data_dir):
        return
    if owner.identity is None and not _uses(owner.path, base, data_dir):
        return
    owner_file = base / OWNER_FILE
    raise PostgresDirectoryError(
        f"the databases are not in {data_dir} but in {base}, which belongs to "
        f"{_name(owner, data_dir)}. To copy the stack, stop it, copy {base} too, write the path of "
        f"that copy into {data_dir / PATH_FILE}, and delete the file {OWNER_FILE} in that copy. If "
        f"{data_dir} replaces a directory that does not exist any more, delete {owner_file}"
    )


def _uses(owner: Path, base: Path, data_dir: Path) -> bool:
    """Return whether the owner in a file of an earlier version is another directory of today."""
    return _external(owner) == base and not owner.samefile(data_dir)


def _name(owner: Owner, data_dir: Path) -> str:
    before = "the directory that was before at " if owner.path == data_dir else ""
    return f"{before}{owner.path}"


def is_known_owner(data_dir: Path) -> bool:
    """Return whether device and inode prove that the PostgreSQL directory belongs to a stack.

    A directory within the data directory belongs to it.
    """
    base = _external(data_dir)
    owner = read_owner(base) if base else None
    return base is None or (owner is not None and owner.is_known(data_dir))


def delete_external(data_dir: Path) -> None:
    """Delete the external directory that belongs to a data directory, if there is one."""
    base = _external(data_dir)
    owner = read_owner(base) if base else None
    if base is not None and owner is not None and owner.path == data_dir:
        shutil.rmtree(base, ignore_errors=True)


def _external(data_dir: Path) -> Path | None:
    """Return the path of the external directory, which may be missing; None without one."""
    file = data_dir / PATH_FILE
    if not file.is_file():
        return None
    text = file.read_bytes().decode(errors="replace").strip()
    return Path(text) if text.startswith("/") else None


def executable_programs(folder: Path, directory: PostgresDirectory) -> Path:
    """Return a directory of PostgreSQL's programs that the account can run.

    This is `folder` if possible, else a copy of the installation in the PostgreSQL directory, or in
    an external directory if the path is one that ``initdb`` cannot use.

    Args:
        folder: the directory of ``postgres`` and ``initdb``.
        directory: the PostgreSQL directory.

    Raises:
        PostgresDirectoryError: no directory can be used for the copy.
    """
    account = directory.account
    if _can_quote(folder) and (account is None or account.has_access("x", folder / "postgres")):
        return folder
    program = (folder / "postgres").stat()
    version = _digest(f"{folder} {program.st_size} {program.st_mtime_ns}")
    base = directory.base if _can_quote(directory.base) else _external_home()
    copy = base / f"programs-{version}"
    if not copy.exists():
        for outdated in directory.base.glob("programs[-.]*"):
            shutil.rmtree(outdated)
        _copy_installation(folder.parent, copy, account)
    return copy / "package" / folder.parent.name / folder.name


def _can_quote(path: Path) -> bool:
    """Return whether ``initdb`` can start programs there. It gives the path to a shell, quoted."""
    return not set(str(path)) & set('"$`\\')


def _copy_installation(prefix: Path, copy: Path, account: SystemAccount | None) -> None:
    """Copy an installation. The layout stays: the programs find their files by relative paths."""
    partial = copy.with_name(copy.name.replace("programs-", "programs.partial-"))
    shutil.rmtree(partial, ignore_errors=True)
    for name in ("bin", "lib", "share"):
        if (prefix / name).is_dir():
            shutil.copytree(prefix / name, partial / "package" / prefix.name / name)
    # In a wheel, shared libraries are in a directory next to the package.
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name)
    _make_readable(partial, account)
    partial.rename(copy)


def _make_readable(folder: Path, account: SystemAccount | None) -> None:
    """Make all files readable for this user and the account's group, whatever the umask is.

    The account does not own them: root runs these programs too.
    """
    others = 0o050 if account else 0
    for path in (folder, *folder.rglob("*")):
        if account:
            os.chown(path, -1, account.gid)
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o700 | others if executable else 0o600 | others & 0o040)


def _create_external(data_dir: Path, token: str) -> Path:
    base = create_own(_external_home() / _digest(f"{data_dir} {token}"))
    write_owner(base, data_dir)
    return base


def _external_home() -> Path:
    """Create the directory that contains external directories; return its path."""
    problems = []
    for home in _homes():
        try:
            return create_own(home)
        except (OSError, PostgresDirectoryError) as error:
            problems.append(str(error))
    raise PostgresDirectoryError(
        "no directory for PostgreSQL's files can be created: " + "; ".join(problems)
    )


def create_own(path: Path) -> Path:
    """Create a directory that only this user can write to; return its path.

    Raises:
        PostgresDirectoryError: it exists, and another user owns it or can write to it.
    """
    with suppress(FileExistsError):
        _create_passable(path)
    found = path.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PostgresDirectoryError(f"{path} is not this user's own directory")
    return path


def _create_passable(folder: Path) -> None:
    """Create a directory that all users can enter but not list, independent of the umask."""
    folder.mkdir(mode=0o700)
    folder.chmod(0o711)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
