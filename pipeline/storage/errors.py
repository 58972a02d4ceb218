"""The errors of a folder of segments. The index and the store derive their own from them."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pipeline.runtime.rebuildable_error import RebuildableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.storage.format import StorageFormat

DAMAGE: Final = frozenset(
    {errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.EIO, errno.EUCLEAN, errno.EBADMSG}
)
"""Errors of the system that last until the file is replaced.

The others, such as EACCES, EMFILE and ENOMEM, say nothing about the file.
"""


class StorageError(Exception):
    """The base of all errors that the storage engine raises."""


class StorageLocked(RebuildableError, StorageError):  # noqa: N818 - named for the state it reports
    """Another writer has the folder open.

    Attributes:
        path: the folder.
    """

    noun: ClassVar[str] = "folder"

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return f"{self.path}: another writer has this {self.noun} open; close it or wait for it"


class StorageCorrupt(RebuildableError, StorageError):  # noqa: N818 - named for the state it reports
    """A file is missing, truncated or changed.

    Attributes:
        path: the file.
        problem: the damage, as a verb phrase.
        remedy: the action to take, in the imperative.
    """

    usual_remedy: ClassVar[str] = "restore it"

    def __init__(self, path: Path | str, problem: str, remedy: str | None = None) -> None:
        """Store the arguments; without a remedy, it is the usual one of the class."""
        self.path = Path(path)
        self.problem = problem
        self.remedy = remedy or self.usual_remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class StorageUnusable(StorageError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a failed commit could not be undone."""


class MergeStopped(StorageError):  # noqa: N818 - named for what it reports
    """A merge ended early because its writer is closing."""


def shows_damage(error: OSError) -> bool:
    """Return whether an error of the system shows damage of a file."""
    return error.errno in DAMAGE


@contextmanager
def damage_as(format_: StorageFormat[Any, Any], path: Path) -> Iterator[None]:
    """Raise `format_.corrupt` for an error of the system that shows damage of a file.

    Args:
        format_: the format of the folder.
        path: the file that is opened, by its final name.
    """
    try:
        yield
    except OSError as error:
        if shows_damage(error):
            raise format_.corrupt(path, f"cannot be opened ({error.strerror})") from error
        raise
