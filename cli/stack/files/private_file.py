"""Writes small files atomically."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner can read it."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(partial).unlink()
        raise


def delete_partial(path: Path) -> None:
    """Delete the partial files that `write_private` leaves if its process is killed."""
    for partial in path.parent.glob(f".{path.name}-*"):
        with suppress(OSError):
            partial.unlink()
