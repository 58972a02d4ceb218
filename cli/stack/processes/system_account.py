"""The system account that runs PostgreSQL. PostgreSQL refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import StackError

CANDIDATES = ("postgres", "nobody")


class AccountError(StackError):
    """No account can run the server. The text explains what to change."""


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """A user of this machine. A server that root starts runs as this user."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments with which `subprocess` runs a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def has_access(self, access: str, path: Path) -> bool:
        """Return whether the user has access to a file or a directory.

        Args:
            access: ``r``, ``w`` or ``x``.
            path: the file or directory.

        Raises:
            AccountError: root may not run programs as this user.
        """
        command = ["/bin/sh", "-c", f'test -{access} "$1"', "sh", str(path)]
        try:
            result = subprocess.run(  # noqa: S603 - the path is an argument, never shell text
                command, cwd="/", check=False, env={}, **self.popen_arguments()
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise AccountError(f"root may not run programs as user {self.name}: {error}") from error
        return result.returncode == 0


def server_account(data: Path) -> SystemAccount | None:
    """Return the account that runs PostgreSQL; None for the user of this process.

    For root it is the owner of the directory, else the first of `CANDIDATES` that exists.

    Args:
        data: PostgreSQL's data directory, which need not exist.

    Raises:
        AccountError: this user has no name, or root finds no account.
    """
    if os.geteuid() != 0:
        _require_name(os.geteuid())
        return None
    owner = data.stat().st_uid if data.exists() else 0
    if owner != 0:
        return _account_of(_require_name(owner))
    for name in CANDIDATES:
        try:
            return _account_of(pwd.getpwnam(name))
        except KeyError:
            continue
    raise AccountError(
        "PostgreSQL does not run as root, and there is no user called "
        + " or ".join(CANDIDATES)
        + ": run as a plain user, or configure a database host"
    )


def _require_name(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise AccountError(
            f"user id {uid} has no entry in the password file, and PostgreSQL refuses to run "
            "without one: run as a named user, or configure a database host"
        ) from None


def _account_of(entry: pwd.struct_passwd) -> SystemAccount:
    return SystemAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
