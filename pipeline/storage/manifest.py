"""The manifest: the file with the list of current segments.

A line with a CRC-32, then JSON. The file is replaced as a whole (write a temporary file, sync it,
rename it, sync the folder), so a crash at any moment leaves the old manifest or the new one.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pipeline.storage import files
from pipeline.storage.errors import damage_as
from pipeline.storage.format import MANIFEST_NAME, TEMPORARY_NAME, ManifestT

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from pipeline.storage.format import StorageFormat


def encode_manifest(format_: StorageFormat[ManifestT, Any], manifest: ManifestT) -> bytes:
    """Return the bytes of a manifest's file."""
    content = {field.name: getattr(manifest, field.name) for field in fields(manifest)}
    content["segments"] = [entry._asdict() for entry in manifest.segments]
    text = json.dumps({"version": format_.version, **content}, indent=format_.indent)
    return _seal(format_.magic, text.encode() + b"\n")


def decode_manifest(format_: StorageFormat[ManifestT, Any], data: bytes, path: Path) -> ManifestT:
    """Return the manifest in the bytes of its file.

    Args:
        format_: the format of the folder.
        data: the bytes.
        path: the file, for messages.

    Raises:
        StorageCorrupt: the file is truncated or changed, or has another version or unknown fields.
    """
    body = data.partition(b"\n")[2]
    if _seal(format_.magic, body) != data:
        raise format_.corrupt(path, "is damaged (its checksum does not match)")
    content: dict[str, Any] = json.loads(body)
    version = content.pop("version")
    if version != format_.version:
        raise format_.corrupt(
            path, f"has manifest format {version}, but this version reads {format_.version}"
        )
    try:
        entries = tuple(format_.entry_type(**entry) for entry in content.pop("segments"))
        return replace(format_.no_manifest, segments=entries, **content)
    except TypeError as error:
        raise format_.corrupt(
            path, f"has fields that this version does not read, of a newer version ({error})"
        ) from error


def open_manifest(format_: StorageFormat[Any, Any], directory: Path) -> BinaryIO | None:
    """Open the manifest of a folder, or return None if there is none.

    Raises:
        StorageCorrupt: something else has its name, or it cannot be read.
    """
    path = directory / MANIFEST_NAME
    try:
        with damage_as(format_, path):
            return path.open("rb")
    except FileNotFoundError:
        return None


def read_manifest(format_: StorageFormat[ManifestT, Any], directory: Path) -> ManifestT | None:
    """Return the current manifest, or None if there is none.

    Raises:
        StorageCorrupt: the manifest is damaged.
    """
    file = open_manifest(format_, directory)
    if file is None:
        return None
    with file:
        return decode_manifest(format_, file.read(), directory / MANIFEST_NAME)


def write_manifest(
    format_: StorageFormat[ManifestT, Any], directory: Path, manifest: ManifestT
) -> None:
    """Make a manifest current; the rename is the commit point.

    Its segments must be synced. Their names are made durable first: otherwise, after a power cut
    the manifest could list a file that does not exist.

    Raises:
        OSError: the disk is full or failing; read the manifest to see which one is current.
    """
    files.sync_directory(directory)
    data = encode_manifest(format_, manifest)
    files.replace_content(directory / MANIFEST_NAME, directory / TEMPORARY_NAME, data)


def _seal(magic: str, body: bytes) -> bytes:
    return f"{magic} {zlib.crc32(body):08x}\n".encode() + body
