"""The file with Flower's password, for a Flower whose settings have none."""

import fcntl
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from pipeline.settings.sections import FlowerSettings

USER: Final = "acoustid"
"""The user name for the password."""


class PasswordFileError(Exception):
    """The password file cannot be used. The text has the reason and the remedy."""


def password_of(settings: FlowerSettings) -> str:
    """Return the password in the settings, else that in the password file, which may be created.

    Raises:
        PasswordFileError: the settings have no password, and the file cannot be used.
    """
    if settings.password is not None:
        return settings.password.get_secret_value()
    return read_or_create(default_path())


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the password file: in the state directory of the user.

    The XDG Base Directory Specification defines the directory and its variable.

    Raises:
        PasswordFileError: the user has no home directory.
    """
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError:
            raise PasswordFileError(
                "there is no home directory for Flower's password: set [flower] password, or "
                "XDG_STATE_HOME to a directory of this user"
            ) from None
    return state / "acoustid" / "flower-password"


def read_or_create(path: Path) -> str:
    """Return the password in a file. If there is none, write a new one; the mode is 0600.

    Processes that call this function at the same time get the same password.

    Raises:
        PasswordFileError: the file cannot be read or created, or other users can read or change it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # `O_NOFOLLOW`: in a shared directory, another user may have created a link.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _check_access(path, file)
            return file.read().strip() or _write_new(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise PasswordFileError(
            f"Flower's password cannot be stored in {path}: {reason}. Set [flower] password, or "
            "XDG_STATE_HOME to a directory that this user can write to"
        ) from error


def _check_access(path: Path, file: IO[str]) -> None:
    found = os.fstat(file.fileno())
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PasswordFileError(
            f"{path} does not belong to this user alone: delete it, and Flower creates a new one"
        )


def _write_new(file: IO[str]) -> str:
    password = secrets.token_urlsafe(24)
    file.write(f"{password}\n")
    file.flush()
    os.fsync(file.fileno())
    return password
