"""Keeps a directory open, to notice that it was moved, deleted or replaced.

The inode of an open directory is not reused, so a new directory at its path is always another one.
"""

import os
from contextlib import suppress
from pathlib import Path


class HeldDirectory:
    """An open directory.

    Args:
        path: its absolute path.

    Raises:
        OSError: there is no directory at the path, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reading = getattr(os, "O_PATH", os.O_RDONLY)  # O_PATH needs no permission to read
        self._descriptor = os.open(path, reading | os.O_DIRECTORY)

    def was_moved(self) -> bool:
        """Return whether the path is missing or is another directory now.

        A path that cannot be examined, for example on a network file system, counts as unchanged.
        """
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def delete_file(self, name: str) -> None:
        """Delete a file of the directory, wherever the directory is now."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)
