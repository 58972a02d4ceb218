"""The errors of a folder of segments. The index and the store derive their own from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class StorageError(Exception):
    """The base of all errors that the storage engine raises."""


class StorageLocked(StorageError):  # noqa: N818 - named for the state it reports
    """Another writer has the folder open.

    Attributes:
        path: the folder.
    """

    noun: ClassVar[str] = "folder"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: another writer has this {self.noun} open; close it or wait for it"
        )
        self.path = path


class StorageCorrupt(StorageError):  # noqa: N818 - named for the state it reports
    """A file is missing, truncated or changed.

    Attributes:
        path: the file.
        problem: the damage, as a verb phrase.
        remedy: the action to take, in the imperative.
    """

    usual_remedy: ClassVar[str] = "restore it"

    def __init__(self, path: Path, problem: str, remedy: str | None = None) -> None:
        """Store the arguments; without a remedy, it is the usual one of the class."""
        self.path = path
        self.problem = problem
        self.remedy = remedy or self.usual_remedy
        super().__init__(f"{path}: {problem}; {self.remedy}")

    def __reduce__(self) -> tuple[type[StorageCorrupt], tuple[Path, str, str]]:
        """Pickle by the arguments: Celery replaces an error that can't be pickled."""
        return type(self), (self.path, self.problem, self.remedy)


class StorageUnusable(StorageError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a failed commit could not be undone."""


class MergeStopped(StorageError):  # noqa: N818 - named for what it reports
    """A merge ended early because its writer is closing."""
