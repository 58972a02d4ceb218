"""Identifies a directory by path, device and inode: a copy has another inode."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DirectoryIdentity:
    """A directory of a running machine.

    Attributes:
        path: its absolute path.
        device: the number of its file system. It may change when the machine starts again.
        inode: its number in the file system.
    """

    path: str
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "DirectoryIdentity":
        """Return the identity of a directory that exists.

        Raises:
            OSError: there is no directory, or it cannot be examined.
        """
        found = path.stat()
        return cls(os.fspath(path), found.st_dev, found.st_ino)

    @classmethod
    def parse(cls, found: object) -> "DirectoryIdentity | None":
        """Return the identity in a value of a JSON file; None if the value has none."""
        match found:
            case {"path": str(path), "device": int(device), "inode": int(inode)} if path:
                return cls(path, device, inode)
        return None

    def is_same_directory(self, other: "DirectoryIdentity") -> bool:
        """Return whether both are one directory, possibly with two paths."""
        return (self.device, self.inode) == (other.device, other.inode)

    def is_at_its_path(self) -> bool:
        """Return whether the directory is still at its path."""
        try:
            return self.is_same_directory(DirectoryIdentity.of(Path(self.path)))
        except OSError:
            return False
