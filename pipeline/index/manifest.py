"""The manifest: the one file that says what the index holds.

A checksum line, then JSON. It is replaced whole (write aside, sync, rename, sync the folder), so a
crash at any instruction leaves the old one or the new one.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.index.errors import IndexCorrupt
from pipeline.index.segment_format import SegmentEntry
from pipeline.storage import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

VERSION = 2
NAME = "manifest"
TEMPORARY_NAME = "manifest.tmp"
_MAGIC = "acoustid-index-manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One committed state of the index.

    Attributes:
        generation: grows by one with every commit.
        position: the changelog position that this state has reached.
        next_segment: the lowest segment number never used.
        segments: the segments in order of age, oldest first: a later one's documents replace
            those of an earlier one.
        metadata: what the owner of the index keeps with it.
    """

    generation: int = 0
    position: int = 0
    next_segment: int = 1
    segments: tuple[SegmentEntry, ...] = field(default=())
    metadata: Mapping[str, str] = field(default_factory=dict)


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as the bytes of its file."""
    content = {
        "version": VERSION,
        "generation": manifest.generation,
        "position": manifest.position,
        "next_segment": manifest.next_segment,
        "segments": [entry._asdict() for entry in manifest.segments],
        "metadata": dict(manifest.metadata),
    }
    return _seal(json.dumps(content).encode() + b"\n")


def decode(data: bytes, path: Path) -> Manifest:
    """Return the manifest in `data`; `path` names it in errors.

    Raises:
        IndexCorrupt: it is cut short or changed, or of a version this software doesn't read.
    """
    body = data.partition(b"\n")[2]
    if _seal(body) != data:
        raise IndexCorrupt(path, "is damaged (its checksum does not match)")
    fields: dict[str, Any] = json.loads(body)
    version = fields.pop("version")
    if version != VERSION:
        raise IndexCorrupt(path, f"has manifest format {version}, this software reads {VERSION}")
    entries = tuple(SegmentEntry(**entry) for entry in fields.pop("segments"))
    return Manifest(segments=entries, **fields)


def open_manifest(directory: Path) -> BinaryIO | None:
    """Open the manifest of an index, or return None if there is none."""
    try:
        return (directory / NAME).open("rb")
    except FileNotFoundError:
        return None


def read_manifest(directory: Path) -> Manifest | None:
    """Return the manifest in force, or None if there is none.

    Raises:
        IndexCorrupt: the manifest is damaged.
    """
    file = open_manifest(directory)
    if file is None:
        return None
    with file:
        return decode(file.read(), directory / NAME)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in force; the rename is the commit point.

    The segments it names must be synced. Their names are made durable first, so that no power cut
    can leave a manifest that names a file the folder has forgotten.

    Raises:
        OSError: the disk is full or failing; which manifest is in force must be read back.
    """
    files.sync_directory(directory)
    temporary = directory / TEMPORARY_NAME
    descriptor = files.create(temporary)
    try:
        files.write_at(descriptor, encode(manifest), 0)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    files.replace(temporary, directory / NAME)
    files.sync_directory(directory)


def _seal(body: bytes) -> bytes:
    return f"{_MAGIC} {zlib.crc32(body):08x}\n".encode() + body
