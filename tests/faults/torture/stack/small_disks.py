"""Small file systems in memory for parts of a stack, which a test can fill (root, Linux)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

SIZES: Final[Mapping[str, int]] = {"index": 192, "store": 192, "valkey": 256, "postgres": 1200}
"""The file systems of a stack with their size in MiB.

They have room for an hour of load. PostgreSQL keeps up to 512 MiB of its log (``max_wal_size``).
"""

BALLAST: Final = "ballast"
_CHUNK: Final = 1 << 20


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of `size` MiB on a folder during a block."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size}m,mode=0711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let the file system of a folder refuse writes during a block.

    Raises:
        CalledProcessError: a process has a file open for writing.
    """
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no free block in the file system of a folder during a block."""
    ballast = folder / BALLAST
    try:
        fill(ballast)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def fill(ballast: Path) -> None:
    """Write a file until the file system is full. Call it again when others have freed space."""
    # Without a buffer, whose rest could not be written when the file is closed.
    with ballast.open("ab", buffering=0) as file:
        for size in (_CHUNK, 4096):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def problem() -> str | None:
    """Return why file systems can't be mounted; None if they can."""
    if os.geteuid() != 0:
        return "only root can mount file systems"
    if shutil.which("mount") is None:
        return "the program mount is not installed"
    return _try_mount()


def _try_mount() -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder), 1):
                return None
        except (subprocess.CalledProcessError, OSError) as error:
            return f"a file system can't be mounted: {error}"
