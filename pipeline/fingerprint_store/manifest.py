"""The manifest: the one file that says what the store holds, and up to which position.

A checksum line, then JSON. It is replaced whole (write aside, sync, rename, sync the folder), so a
crash at any instruction leaves the old one or the new one.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.fingerprint_store.errors import StoreCorrupt
from pipeline.fingerprint_store.segment_format import SegmentEntry
from pipeline.storage import files

VERSION: Final = 2
NAME: Final = "manifest"
TEMPORARY_NAME: Final = "manifest.tmp"
_MAGIC: Final = "acoustid-fingerprint-store"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One committed state of the store.

    Attributes:
        position: the changelog position that this state has reached.
        stamp: when the database wrote that entry of its changelog, in µs since the epoch; tells
            its own store from that of another database which got as far. 0 at position 0.
        next_segment: the lowest segment number never used.
        segments: oldest first; what a later one says of an id replaces what earlier ones say.
    """

    position: int = 0
    stamp: int = 0
    next_segment: int = 1
    segments: tuple[SegmentEntry, ...] = ()


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as the bytes of its file."""
    return _seal(json.dumps({"version": VERSION, **asdict(manifest)}, indent=1).encode() + b"\n")


def decode(data: bytes, path: Path) -> Manifest:
    """Return the manifest in `data`; `path` names it in errors.

    Raises:
        StoreCorrupt: it is cut short or changed, or of a version this software doesn't read.
    """
    body = data.partition(b"\n")[2]
    if _seal(body) != data:
        raise StoreCorrupt(path, "is damaged (its checksum does not match)")
    fields: dict[str, Any] = json.loads(body)
    version = fields.pop("version")
    if version != VERSION:
        raise StoreCorrupt(path, f"has format {version}, this software reads {VERSION}")
    entries = tuple(SegmentEntry(**entry) for entry in fields.pop("segments"))
    return Manifest(segments=entries, **fields)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in force; the rename is the commit point.

    The content of the segments it names must be synced; their names are, before it counts.

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
