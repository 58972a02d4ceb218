"""Renames damaged files, so that a new one can be created and the old one can be examined."""

import time
from pathlib import Path

from cli.errors import StackError


def set_aside(path: Path) -> Path:
    """Rename a damaged file or directory to ``NAME.damaged-TIME``; return its new path.

    Args:
        path: the file or directory. The time is in UTC, as in ``20260102T030405Z``.

    Raises:
        StackError: it cannot be renamed.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = path.with_name(f"{path.name}.damaged-{moment}")
    number = 1
    while target.exists() or target.is_symlink():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{moment}-{number}")
    try:
        path.rename(target)
    except OSError as error:
        raise StackError(f"{path} is damaged and cannot be renamed: {error.strerror}") from error
    return target
