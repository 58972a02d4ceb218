"""The segment file, byte by byte (version 1, little-endian).

| part | content |
|---|---|
| header, 64 bytes | magic, version, header length, segment number, counts, CRC-32 of the header |
| ids | u32, sorted: every document the segment speaks for, tombstones among them |
| tombstones | u32, sorted: those of `ids` that are deleted |
| heads | u32: every 64th of the terms that follow |
| terms | u32, sorted: one for each posting, the last block of 64 filled with 2**32 - 1 |
| documents | u32, ascending within a term: one for each posting |
| footer, 40 bytes | CRC-32 of each section, file length, magic, CRC-32 of the footer |

A CRC covers every byte.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from pipeline.index.errors import IndexCorrupt
from pipeline.index.term_blocks import BLOCK_TERMS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSION = 1
SUFFIX = ".segment"
MAGIC = b"AcoustSg"
SECTIONS = ("ids", "tombstones", "heads", "terms", "documents")
_HEADER = struct.Struct("<8sIIQQQQ12x")
_FOOTER = struct.Struct("<5IQ8s")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
FOOTER_BYTES = _FOOTER.size + _CRC.size
_WORD = 4


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment as the manifest names it.

    Attributes:
        number: its number, never given twice in the life of an index.
        ids: documents it speaks for, tombstones among them.
        tombstones: how many of those are deleted.
        postings: how many postings it holds.
        position: the highest changelog position that its documents come from.
        size: length of the file in bytes.
        checksum: CRC-32 of the footer, and through it of every section.
    """

    number: int
    ids: int
    tombstones: int
    postings: int
    position: int = 0
    size: int = 0
    checksum: int = 0

    @property
    def file_name(self) -> str:
        """The name of the segment's file."""
        return f"{self.number:016x}{SUFFIX}"


def section_bounds(entry: SegmentEntry) -> dict[str, tuple[int, int]]:
    """Return where each section begins and ends, in bytes."""
    blocks = -(-entry.postings // BLOCK_TERMS)
    words = (entry.ids, entry.tombstones, blocks, blocks * BLOCK_TERMS, entry.postings)
    ends = [HEADER_BYTES + _WORD * end for end in accumulate(words)]
    return dict(zip(SECTIONS, zip([HEADER_BYTES, *ends], ends, strict=False), strict=True))


def file_size(entry: SegmentEntry) -> int:
    """Return the length of the whole file in bytes."""
    return section_bounds(entry)[SECTIONS[-1]][1] + FOOTER_BYTES


def encode_header(entry: SegmentEntry) -> bytes:
    """Return the header of a segment."""
    counts = entry.ids, entry.tombstones, entry.postings
    return _seal(_HEADER.pack(MAGIC, VERSION, HEADER_BYTES, entry.number, *counts))


def encode_footer(checksums: Sequence[int], size: int) -> bytes:
    """Return the footer, given the CRC-32 of each section and the length of the file."""
    return _seal(_FOOTER.pack(*checksums, size, MAGIC[::-1]))


def footer_checksum(footer: bytes) -> int:
    """Return the CRC-32 that a footer ends with."""
    return int(_CRC.unpack(footer[-_CRC.size :])[0])


def check_header(header: bytes, entry: SegmentEntry, path: Path) -> None:
    """Raise `IndexCorrupt` unless the header is whole and is the one `entry` describes."""
    magic, version, *_ = _HEADER.unpack(_unseal(header, path, "header"))
    if magic != MAGIC:
        raise IndexCorrupt(path, "is not a segment")
    if version != VERSION:
        raise IndexCorrupt(path, f"has segment format {version}, this software reads {VERSION}")
    if header != encode_header(entry):
        raise IndexCorrupt(path, "is not the segment that the manifest names")


def check_footer(footer: bytes, entry: SegmentEntry, path: Path) -> tuple[int, ...]:
    """Return the CRC-32 of each section.

    Raises:
        IndexCorrupt: the footer is damaged or is not the one `entry` describes.
    """
    *checksums, size, magic = _FOOTER.unpack(_unseal(footer, path, "footer"))
    if magic != MAGIC[::-1] or size != entry.size or footer_checksum(footer) != entry.checksum:
        raise IndexCorrupt(path, "is not the segment that the manifest names")
    return tuple(checksums)


def _seal(content: bytes) -> bytes:
    return content + _CRC.pack(zlib.crc32(content))


def _unseal(sealed: bytes, path: Path, part: str) -> bytes:
    content = sealed[: -_CRC.size]
    if _seal(content) != sealed:
        raise IndexCorrupt(path, f"has a damaged {part}")
    return content
