"""Compares the tags of a file with those that a lookup has found, and writes the differences."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.commands.client.audio.bad_file import BadFileError, os_reason
from cli.commands.client.audio.tags.audio_tags import AudioTags, read_tags
from cli.text_table import show_value


@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag whose value differs from what the lookup has found.

    Attributes:
        field: a field of `tag_names`.
        old: the value in the file; empty if it has none.
        new: the value that was found.
        is_written: whether the new value is written; false if the old one is kept.
    """

    field: str
    old: str
    new: str
    is_written: bool

    def __str__(self) -> str:
        """Return the change as one line."""
        if self.is_written:
            return f"  {self.field}: {show_value(self.old)} -> {show_value(self.new)}"
        return f"  {self.field}: {show_value(self.old)} is kept; found: {show_value(self.new)}"


def plan_changes(path: Path, found: Mapping[str, str], *, replace: bool) -> list[TagChange]:
    """Return the tags of a file that differ from the found values.

    Args:
        path: the file.
        found: the values by the fields of `tag_names`.
        replace: whether tags that have a value are replaced.

    Raises:
        BadFileError: the tags cannot be read.
    """
    return _changes(read_tags(path), found, replace=replace)


def _changes(tags: AudioTags, found: Mapping[str, str], *, replace: bool) -> list[TagChange]:
    old = {field: "; ".join(tags.get(field)) for field in found}
    return [
        TagChange(field, old[field], new, replace or not old[field])
        for field, new in found.items()
        if old[field] != new
    ]


def write_changes(path: Path, changes: Sequence[TagChange]) -> None:
    """Write the new values to a file.

    The file is replaced by a complete copy, so neither a kill nor a full disk damages it. A tag
    that another program has changed since `changes` were planned is kept.

    Args:
        path: the file.
        changes: its changes; those that are not written are ignored.

    Raises:
        BadFileError: the file cannot be read or written. It is unchanged.
    """
    try:
        target = path.resolve(strict=True)
        if not os.access(target, os.W_OK):
            raise BadFileError("its tags cannot be written: the file is read-only")
        with tempfile.TemporaryDirectory(prefix=".acoustid-", dir=target.parent) as folder:
            copy = Path(folder, target.name)
            _copy(target, copy)
            tags = read_tags(copy)
            for each in changes:
                if each.is_written and "; ".join(tags.get(each.field)) == each.old:
                    tags.set(each.field, each.new)
            tags.save(copy)
            _sync(copy)
            copy.replace(target)
    except (OSError, RuntimeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else str(error)
        raise BadFileError(f"its tags cannot be written: {reason}") from error


def _copy(source: Path, copy: Path) -> None:
    """Copy a file with its mode, its extended attributes and, as root, its owner."""
    shutil.copy2(source, copy)
    found = source.stat()
    with suppress(PermissionError):
        os.chown(copy, found.st_uid, found.st_gid)
        copy.chmod(found.st_mode & 0o7777)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
