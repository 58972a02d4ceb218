"""Refuses the stack of another user before anything in its data directory changes.

If root starts it, all files that the start writes become root's, and the owner cannot use the stack
any more.
"""

import os
import pwd
from pathlib import Path
from shlex import quote

from cli.errors import StackError


def require_own_stack(root: Path, record: Path) -> None:
    """Check that the stack in a data directory, if there is one, belongs to this user.

    Args:
        root: the data directory, which need not exist.
        record: its ``stack.json``. Each start writes it, so its owner is that of the stack.

    Raises:
        StackError: it belongs to another user, or cannot be examined.
    """
    try:
        owner = record.lstat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StackError(f"{record} cannot be examined: {error.strerror}") from error
    user = os.geteuid()
    if owner == user:
        return
    action = f"run the command as {_name(owner)}"
    if user != 0:  # PostgreSQL does not run as root, so its files must not become root's
        action += f", or let root run `chown -R {_name(user)} {quote(str(root))}`"
    raise StackError(f"the stack in {root} belongs to user {_name(owner)}: {action}")


def _name(uid: int) -> str:
    """Return the name of a user; its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
