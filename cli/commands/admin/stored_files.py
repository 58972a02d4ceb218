"""Checks that a folder contains an index or a fingerprint store."""

from pathlib import Path

from cli.errors import StackError
from pipeline.storage.format import MANIFEST_NAME


def require_files(folder: Path, suffix: str, noun: str, option: str) -> None:
    """Check that a folder has a manifest or segments.

    Args:
        folder: the folder.
        suffix: the suffix of the names of segment files.
        noun: what it should contain.
        option: the option that names the folder.

    Raises:
        StackError: it has neither, so the option may be wrong.
    """
    if not (folder / MANIFEST_NAME).exists() and not any(folder.glob(f"*{suffix}")):
        raise StackError(
            f"no {noun} in {folder}: check {option}; if it is right, the worker of the queue index "
            "fills a new one"
        )
