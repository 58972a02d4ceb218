"""Raises the limit of open files of this process, which the processes of a stack inherit."""

import resource
from contextlib import suppress
from typing import Final

from cli.errors import StackError

WANTED: Final = 1024
"""The limit that a process gets, if its hard limit allows it."""

NEEDED: Final = 256
"""The lowest limit with which PostgreSQL, Valkey and the front end work."""


def raise_file_limit() -> None:
    """Raise the limit to `WANTED` if it is lower.

    Raises:
        StackError: it stays below `NEEDED`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= WANTED:
        return
    with suppress(ValueError, OSError):  # only root may raise the hard limit
        if hard < WANTED:
            resource.setrlimit(resource.RLIMIT_NOFILE, (WANTED, WANTED))
            return
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(WANTED, hard), hard))
    if hard < NEEDED:
        raise StackError(
            f"this process may open {hard} files, and the service needs {NEEDED}: raise the limit "
            f"with `ulimit -n {WANTED}`"
        )
