"""A file in PostgreSQL's data directory that tells which password its user has.

The directory may come from another stack, or from a backup that is older than the last change of
the password. Then the password is set before the server starts. The file contains a digest.
"""

import hashlib
from pathlib import Path

from cli.stack.files.private_file import delete_partial, write_private

MARK_FILE = "acoustid.password"


def write_mark(directory: Path, password: str) -> Path:
    """Store that the user of the databases in a directory has a password; return the file."""
    path = directory / MARK_FILE
    delete_partial(path)
    write_private(path, f"{_digest(password)}\n")
    return path


def has_password(directory: Path, password: str) -> bool:
    """Return whether the user is known to have a password."""
    try:
        found = (directory / MARK_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:  # an earlier version has created the directory
        return False
    return found == _digest(password)


def _digest(password: str) -> str:
    return hashlib.sha256(f"acoustid {password}".encode()).hexdigest()[:32]
