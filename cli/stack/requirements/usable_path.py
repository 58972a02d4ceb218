"""Refuses the path of a data directory that its files cannot contain."""

import os
from pathlib import Path
from typing import Final

from cli.errors import StackError
from cli.printable import printable_path

MAX_LENGTH: Final = 800
"""Bytes of a path. PostgreSQL allows 1,023 for the paths of its own files."""


def usable_path(path: Path) -> Path:
    """Return the absolute path of a data directory, without symbolic links.

    Raises:
        StackError: ``acoustid.conf`` or PostgreSQL cannot use the path. The text gives the reason.
    """
    try:
        found = path.resolve()
    except (OSError, RuntimeError) as error:  # before Python 3.13 a loop is a RuntimeError
        raise StackError(f"{printable_path(path)} cannot be used: {error}") from error
    problem = _problem(found)
    if problem:
        raise StackError(f"{printable_path(found)} {problem}: choose another --data-dir")
    return found


def _problem(path: Path) -> str:
    """Return the reason why a path cannot be used; empty if there is none."""
    encoded = os.fsencode(path)
    try:
        is_text = str(path).encode() == encoded
    except UnicodeEncodeError:
        is_text = False
    if not is_text:
        return "is not UTF-8 text, which acoustid.conf requires"
    if {"\n", "\r"} & set(str(path)):
        return "contains a line break, which acoustid.conf cannot contain"
    if len(encoded) > MAX_LENGTH:
        return f"has {len(encoded)} bytes, and PostgreSQL needs a path of at most {MAX_LENGTH}"
    return ""
