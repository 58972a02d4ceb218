"""The segment file, byte by byte (version 2, little-endian); `docs/index-format.md` explains it.

| part | content |
|---|---|
| header, 64 bytes | magic, version, header length, number, counts, top term, CRC-32 |
| documents | u32, sorted: ids of the documents; their places are the document numbers |
| tombstones | u32, sorted: ids of deleted documents |
| directory | u32: postings before every 128th upper part |
| unary | bits: the upper parts of the terms, in unary |
| low | bits: the lower parts, a fixed width each |
| postings | bits: the document number of each posting, a fixed width each |
| footer, 48 bytes | CRC-32 of each section, file length, magic, CRC-32 of the footer |

Sections begin at multiples of eight bytes, and those of bits end with a spare word. A CRC covers
every byte.
"""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from pipeline.index.errors import IndexCorrupt
from pipeline.index.segments.postings import BLOCK_BITS, BitLayout, words_for
from pipeline.storage.format import INDEX_SUFFIX, segment_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSION = 2
SUFFIX = INDEX_SUFFIX
MAGIC = b"AcoustSg"
BIT_SECTIONS = ("unary", "low", "postings")
SECTIONS = ("documents", "tombstones", "directory", *BIT_SECTIONS)
MAX_POSTINGS = 2**32 - 1  # the directory counts them in 32 bits
_HEADER = struct.Struct("<8sIIQQQQII4x")
_FOOTER = struct.Struct("<6I4xQ8s")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
FOOTER_BYTES = _FOOTER.size + _CRC.size
_WORD = 8


class IndexSegmentEntry(NamedTuple):
    """The entry of a segment in the manifest.

    Attributes:
        number: its number, which no other segment of the index ever has.
        documents: number of documents.
        tombstones: number of documents that it marks as deleted.
        postings: number of postings.
        top_term: the highest term.
        shift: number of low bits that are 0 in every term.
        position: the highest changelog position of its content.
        size: length of the file in bytes.
        checksum: CRC-32 of the footer, which contains those of all sections.
    """

    number: int
    documents: int
    tombstones: int
    postings: int
    top_term: int = 0
    shift: int = 0
    position: int = 0
    size: int = 0
    checksum: int = 0

    @property
    def file_name(self) -> str:
        """The name of the segment's file."""
        return segment_name(self.number, SUFFIX)

    @property
    def layout(self) -> BitLayout:
        """The widths of terms and documents in its bits.

        The width of the lower parts is that of the smallest Elias-Fano code.
        """
        universe = (self.top_term >> self.shift) + 1
        low_bits = max(0, (universe // max(1, self.postings)).bit_length() - 1)
        highs = ((universe - 1) >> low_bits) + 1
        document_bits = max(1, (self.documents - 1).bit_length())
        return BitLayout(self.shift, low_bits, highs, document_bits, self.postings)


def section_bounds(entry: IndexSegmentEntry) -> dict[str, tuple[int, int]]:
    """Return the first byte of each section, and the end, in bytes."""
    layout = entry.layout
    words = (
        -(-entry.documents // 2),
        -(-entry.tombstones // 2),
        -(-directory_entries(layout) // 2),
        words_for(entry.postings + layout.highs),
        words_for(entry.postings * layout.low_bits),
        words_for(entry.postings * layout.document_bits),
    )
    ends = [HEADER_BYTES + _WORD * end for end in accumulate(words)]
    return dict(zip(SECTIONS, zip([HEADER_BYTES, *ends], ends, strict=False), strict=True))


def directory_entries(layout: BitLayout) -> int:
    """Return the number of entries of the directory; the last one counts all postings."""
    return ((layout.highs - 1) >> BLOCK_BITS) + 2


def file_size(entry: IndexSegmentEntry) -> int:
    """Return the length of the whole file in bytes."""
    return section_bounds(entry)[SECTIONS[-1]][1] + FOOTER_BYTES


def encode_header(entry: IndexSegmentEntry) -> bytes:
    """Return the header of a segment."""
    counts = entry.documents, entry.tombstones, entry.postings
    return _seal(
        _HEADER.pack(
            MAGIC, VERSION, HEADER_BYTES, entry.number, *counts, entry.top_term, entry.shift
        )
    )


def encode_footer(checksums: Sequence[int], size: int) -> bytes:
    """Return the footer, given the CRC-32 of each section and the length of the file."""
    return _seal(_FOOTER.pack(*checksums, size, MAGIC[::-1]))


def footer_checksum(footer: bytes) -> int:
    """Return the CRC-32 that a footer ends with."""
    return int(_CRC.unpack(footer[-_CRC.size :])[0])


def check_header(header: bytes, entry: IndexSegmentEntry, path: Path) -> None:
    """Raise `IndexCorrupt` unless the header is undamaged and matches `entry`."""
    magic, version, *_ = _HEADER.unpack(_unseal(header, path, "header"))
    if magic != MAGIC:
        raise IndexCorrupt(path, "is not a segment")
    if version != VERSION:
        raise IndexCorrupt(path, f"has segment format {version}, but this version reads {VERSION}")
    if header != encode_header(entry):
        raise IndexCorrupt(path, "is not the segment in the manifest")


def check_footer(footer: bytes, entry: IndexSegmentEntry, path: Path) -> tuple[int, ...]:
    """Return the CRC-32 of each section.

    Raises:
        IndexCorrupt: the footer is damaged or does not match `entry`.
    """
    *checksums, size, magic = _FOOTER.unpack(_unseal(footer, path, "footer"))
    if magic != MAGIC[::-1] or size != entry.size or footer_checksum(footer) != entry.checksum:
        raise IndexCorrupt(path, "is not the segment in the manifest")
    return tuple(checksums)


def _seal(content: bytes) -> bytes:
    return content + _CRC.pack(zlib.crc32(content))


def _unseal(sealed: bytes, path: Path, part: str) -> bytes:
    content = sealed[: -_CRC.size]
    if _seal(content) != sealed:
        raise IndexCorrupt(path, f"has a damaged {part}")
    return content
