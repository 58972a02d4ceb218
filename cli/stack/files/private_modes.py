"""Removes the rights of group and others to the files of a data directory.

Each file is created with such a mode. Earlier versions created some with others, such as the file
``index/lock``: any user could lock it, and so stop the updates of the index.

Modes are only narrowed, and only those of this user's files. Other files in the directory, such as
the secrets of ``make secrets``, keep their modes.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from re import Pattern
from typing import Final

OWNER_ONLY: Final = stat.S_IRWXU
"""Mode 0700, of which a file that is no program keeps 0600."""

PASSABLE: Final = 0o711
"""Mode of the top directory of root: PostgreSQL runs as another user and must enter it."""


def top_mode() -> int:
    """Return the mode of the data directory itself."""
    return PASSABLE if os.geteuid() == 0 else OWNER_ONLY


def restrict_directory(root: Path, own: Pattern[str], *, others: Pattern[str]) -> None:
    """Remove all rights of group and others to the files of a data directory.

    The mode of `root` itself stays if it has files besides those of a stack: it may be the home of
    a user, or the root directory.

    Args:
        root: the data directory.
        own: matches the names of the files and directories in it whose modes are changed. A link to
            a directory on another disk is followed; links within a directory are not.
        others: matches the names of the other files of a stack.

    Raises:
        OSError: a mode cannot be changed.
    """
    found = list(root.iterdir())
    if all(own.fullmatch(each.name) or others.fullmatch(each.name) for each in found):
        narrow(root, top_mode())
    for entry in found:
        if own.fullmatch(entry.name):
            for path in _with_contents(entry):
                narrow(path, OWNER_ONLY)


def narrow(path: Path, mode: int) -> None:
    """Keep only the rights in `mode`, if this user owns the file or directory."""
    with suppress(FileNotFoundError):
        found = path.stat()
        current = stat.S_IMODE(found.st_mode)
        if found.st_uid == os.geteuid() and current & ~mode:
            path.chmod(current & mode)


def _with_contents(path: Path) -> Iterator[Path]:
    """Yield a path and, if it is a directory, all that it contains except links."""
    yield path
    for folder, directories, files in os.walk(path):
        inside = Path(folder)
        for name in (*directories, *files):
            if not (inside / name).is_symlink():
                yield inside / name
