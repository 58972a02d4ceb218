"""The file in an external PostgreSQL directory that names the data directory that owns it.

A copy of the data directory names the same external directory, so a path in that directory proves
nothing. The file has the path in its first line, device and inode in its second one. A file of an
earlier version has the path only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.stack.files.directory_identity import DirectoryIdentity
from cli.stack.files.private_file import delete_partial, write_private

OWNER_FILE: Final = "data-dir"
"""Name of the file."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The data directory that an external directory belongs to.

    Attributes:
        path: its path when it was last used.
        identity: its device and inode; None in a file of an earlier version.
    """

    path: Path
    identity: DirectoryIdentity | None

    def is_directory(self, data_dir: Path) -> bool:
        """Return whether a data directory is the owner, possibly with another path.

        At the same path, the device may have another number after a start of the machine.
        """
        if self.identity is None:
            return self.path == data_dir
        now = DirectoryIdentity.of(data_dir)
        is_here = self.path == data_dir and self.identity.inode == now.inode
        return is_here or self.identity.is_same_directory(now)

    def is_known(self, data_dir: Path) -> bool:
        """Return whether device and inode prove that a data directory is the owner."""
        return self.identity is not None and self.is_directory(data_dir)


def read_owner(base: Path) -> Owner | None:
    """Return the owner of an external directory; None if its file is missing or has no path.

    Raises:
        OSError: the file cannot be read.
    """
    file = base / OWNER_FILE
    if not file.is_file():
        return None
    path, _, rest = file.read_bytes().decode(errors="replace").strip().partition("\n")
    if not path.startswith("/"):
        return None
    numbers = rest.split()
    identity = None
    if len(numbers) == 2 and all(each.isdecimal() for each in numbers):
        identity = DirectoryIdentity(path, int(numbers[0]), int(numbers[1]))
    return Owner(Path(path), identity)


def write_owner(base: Path, data_dir: Path) -> None:
    """Make a data directory the owner of an external directory, if it is not that already."""
    identity = DirectoryIdentity.of(data_dir)
    if read_owner(base) == Owner(data_dir, identity):
        return
    delete_partial(base / OWNER_FILE)
    write_private(base / OWNER_FILE, f"{data_dir}\n{identity.device} {identity.inode}\n")
