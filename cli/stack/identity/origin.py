"""Finds out whether a data directory is the original, was moved, or is a copy.

``stack.json`` names the directory of the last start (path, device, inode). A copy of the files
contains the same names, but it is another directory:

| path | inode | the path of the record | the directory |
|---|---|---|---|
| the same | the same | | is the original |
| another | the same | is the same directory | is the original, reached by another path |
| another | the same | is missing, or another one | was moved |
| the same | another | | replaces the original, for example from a backup |
| another | another | has a stack with the same token | is a copy |
| another | another | has none | is a backup, or was moved to another file system |

A record of an earlier version names no directory. Then the path is that of the effective
configuration.
"""

import configparser
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.configuration_mark import find_mark, mark_of
from cli.stack.files.directory_identity import DirectoryIdentity
from cli.stack.files.json_file import DamagedFileError, read_json_object
from cli.stack.stack_record import StackRecord
from pipeline.settings.ini_file import read_ini


class Origin(Enum):
    """Where a data directory comes from."""

    OWN = "own"
    """It is the directory of the last start, or new."""

    MOVED = "moved"
    """It is the directory of the last start, with another path."""

    RESTORED = "restored"
    """It is another directory than that of the last start, which does not exist any more."""

    COPIED = "copied"
    """It is another directory than that of the last start, which still exists."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a data directory.

    Attributes:
        origin: where it comes from.
        path: the path of the data directory at the last start.
    """

    origin: Origin
    path: Path


def find_provenance(data: DataDir, record: StackRecord) -> Provenance:
    """Return the origin of a data directory that exists.

    Args:
        data: the data directory.
        record: its record.
    """
    before = record.directory
    if before is None:
        return _by_path(data, record)
    now = DirectoryIdentity.of(data.root)
    path = Path(before.path)
    if path == data.root:
        # The device may have another number after a start of the machine.
        return Provenance(Origin.OWN if before.inode == now.inode else Origin.RESTORED, path)
    if before.is_same_directory(now):
        return Provenance(Origin.OWN if before.is_at_its_path() else Origin.MOVED, path)
    return Provenance(_copied_or_restored(path, record), path)


def has_configuration_of_another(data: DataDir, record: StackRecord) -> bool:
    """Return whether the effective configuration of a data directory is of another stack.

    One of an earlier version does not name its stack. Then the paths in it show the directory.
    """
    mark = find_mark(data.config)
    if mark is not None:
        return mark != mark_of(record.token)
    path = _configured_path(data)
    if path is None or _is_same(path, data.root):
        return False
    try:
        other = StackRecord.read(DataDir.at(path))
    except StackError:
        return False
    return other is not None and other.token != record.token


def _by_path(data: DataDir, record: StackRecord) -> Provenance:
    """Return the origin of the data directory of an earlier version, or of a new one."""
    path = _configured_path(data)
    if path is None or path == data.root or _is_same(path, data.root):
        return Provenance(Origin.OWN, data.root)
    return Provenance(_copied_or_restored(path, record), path)


def _copied_or_restored(path: Path, record: StackRecord) -> Origin:
    return Origin.COPIED if _may_have_token(path, record.token) else Origin.RESTORED


def _configured_path(data: DataDir) -> Path | None:
    """Return the data directory that the effective configuration names; None if it names none."""
    try:
        if not data.config.is_file():
            return None
        parser = read_ini(data.config)
    except (OSError, ValueError, configparser.Error):
        return None
    for section, usual in (("fingerprint_index", data.index), ("fingerprint_store", data.store)):
        path = Path(parser.get(section, "path", fallback=""))
        if path.is_absolute() and path.name == usual.name:
            return path.parent
    return None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _may_have_token(path: Path, token: str) -> bool:
    """Return whether the stack in a directory has a token; also if that cannot be read."""
    try:
        found = read_json_object(DataDir.at(path).record)
    except (FileNotFoundError, NotADirectoryError, DamagedFileError):
        return False
    except OSError:
        return True
    return found.get("token") == token
