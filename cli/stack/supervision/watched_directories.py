"""The directories of a running stack, watched because its processes use their paths.

After a move, another directory can be at the path. A process would write into that one.
"""

from pathlib import Path
from typing import Final

from cli.errors import StackError
from cli.stack.files.held_directory import HeldDirectory

CHECK_INTERVAL: Final = 1.0
"""Maximum number of seconds between two checks while a stack runs."""


class DirectoryMovedError(StackError):
    """The data directory was moved while its stack ran. All processes are stopped at once."""


class WatchedDirectories:
    """The data directory of a stack, and those of its servers.

    Args:
        root: the data directory.

    Raises:
        OSError: it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = HeldDirectory(root)
        self._all = [self._root]

    def add(self, path: Path) -> None:
        """Watch the directory of a server. It may be outside the data directory."""
        self._all.append(HeldDirectory(path))

    def is_root_moved(self) -> bool:
        """Return whether the data directory is not at its path any more."""
        return self._root.was_moved()

    def is_any_moved(self) -> bool:
        """Return whether one of the directories is not at its path any more."""
        return any(each.was_moved() for each in self._all)

    def require_unmoved(self) -> None:
        """Check that all directories are at their paths.

        Raises:
            DirectoryMovedError: one is not.
        """
        for each in self._all:
            if each.was_moved():
                raise DirectoryMovedError(
                    f"the data directory was moved or deleted while its stack ran: {each.path}. "
                    "All processes are stopped. Start the stack with its new path"
                )

    def delete_file(self, name: str) -> None:
        """Delete a file of the data directory, wherever that is now."""
        self._root.delete_file(name)

    def close(self) -> None:
        """Stop watching."""
        for each in self._all:
            each.close()
