"""Checks that a folder contains an index or a fingerprint store, and says how to repair one."""

from pathlib import Path
from typing import Any

from cli.errors import StackError
from pipeline.storage.format import MANIFEST_NAME, StorageFormat
from pipeline.storage.segment_files import unknown_files


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


def remedy(format_: StorageFormat[Any, Any], folder: Path, noun: str, command: str) -> str:
    """Return what to do about the problems that a check of a whole folder has found.

    Args:
        format_: the format of the folder.
        folder: the folder.
        noun: what it contains.
        command: the command that rebuilds it. It refuses files with unknown names.
    """
    if any(unknown_files(format_, folder)):
        return (
            f"the {noun} has files with unknown names: move them to another folder, then "
            "check it again"
        )
    return f"the {noun} is damaged: run `{command}`"
