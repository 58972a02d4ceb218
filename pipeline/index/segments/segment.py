"""A segment, mapped for reading.

Methods that run loops import them. So a process that only asks for positions and sizes loads no
Numba.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.index.errors import IndexCorrupt
from pipeline.index.segments.postings import BLOCK_BITS, Renumbering, Sections
from pipeline.index.segments.segment_format import (
    BIT_SECTIONS,
    FOOTER_BYTES,
    HEADER_BYTES,
    IndexSegmentEntry,
    check_footer,
    check_header,
    directory_entries,
    file_size,
    section_bounds,
)
from pipeline.index.segments.sorted_ids import Ids, no_ids, union
from pipeline.storage import files
from pipeline.storage.checked_files import TABLES, check_once
from pipeline.storage.checksums import damage_in, mismatch
from pipeline.storage.format import CheckedPart
from pipeline.storage.segment_files import with_either_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.index.segments.postings import Keys

PART_POSTINGS = 1 << 20
UNCHANGED = Renumbering(no_ids())


class IndexSegment:
    """An immutable, memory-mapped segment.

    Attributes:
        path: its file.
        entry: its entry in the manifest.
        layout: the layout of its bits.
        data: the whole file.
        documents: sorted ids of its documents; their places are the document numbers.
        tombstones: sorted ids of documents that it marks as deleted.
        code: its postings.
    """

    def __init__(self, directory: Path, entry: IndexSegmentEntry) -> None:
        """Map the file and check its length, header, footer and tables.

        The tables are the sections but those of bits. Compiled loops and NumPy rely on their order.
        Damaged bits may only hide postings or add some.

        Raises:
            FileNotFoundError: there is no such file.
            IndexCorrupt: it is not the segment that `entry` describes.
        """
        self.path = directory / entry.file_name
        self.entry = entry
        self.layout = entry.layout
        data = self.data = _map(self.path, entry.size)
        if entry.size != file_size(entry):
            raise IndexCorrupt(self.path, "has counts that do not match its length")
        check_header(bytes(data[:HEADER_BYTES]), entry, self.path)
        self._checksums = check_footer(bytes(data[-FOOTER_BYTES:]), entry, self.path)
        self._sections = {
            name: data[start:end] for name, (start, end) in section_bounds(entry).items()
        }
        check_once(self.path, entry, TABLES, self._check_tables)
        self.documents = self._words("documents", np.uint32)[: entry.documents]
        self.tombstones = self._words("tombstones", np.uint32)[: entry.tombstones]
        self.code = Sections(
            self._words("directory", np.uint32)[: directory_entries(self.layout)],
            *(self._words(name, np.uint64) for name in BIT_SECTIONS),
        )

    @cached_property
    def ids(self) -> Ids:
        """Sorted ids of its documents and tombstones."""
        return union([self.documents, self.tombstones]) if self.tombstones.size else self.documents

    def seek(self, term: int) -> int:
        """Return the first posting whose term is not below `term`."""
        from pipeline.index.segments import term_codes  # noqa: PLC0415 - loops

        return term_codes.seek(term, self.layout, self.code)

    def keys(self, first: int, last: int, numbers: Renumbering = UNCHANGED) -> Keys:
        """Return postings as sortable numbers.

        Args:
            first: the first posting.
            last: the posting to stop before.
            numbers: numbers to use instead of the document numbers.
        """
        from pipeline.index.segments import term_codes  # noqa: PLC0415 - loops

        keys = np.empty(max(0, last - first), dtype=np.uint64)
        count = term_codes.decode(first, last, self.layout, self.code, numbers, keys)
        return keys[:count]

    def split_terms(self, step: int) -> NDArray[np.uint32]:
        """Return terms with about `step` postings between them, to split a merge into parts."""
        wanted = np.arange(0, self.entry.postings, step, dtype=np.uint32)
        blocks = np.searchsorted(self.code.directory, wanted, side="right") - 1
        width = BLOCK_BITS + self.layout.low_bits + self.layout.shift
        split: NDArray[np.uint32] = np.minimum(blocks << width, self.entry.top_term).astype(
            np.uint32
        )
        return split

    def parts(self) -> Iterator[Keys]:
        """Return all postings in the order of the file, in parts."""
        for start in range(0, self.entry.postings, PART_POSTINGS):
            yield self.keys(start, min(start + PART_POSTINGS, self.entry.postings))

    def directory_agrees(self) -> bool:
        """Return whether the directory agrees with the terms; reads all of them."""
        from pipeline.index.segments import term_codes  # noqa: PLC0415 - loops

        counted = np.empty_like(self.code.directory)
        counted[-1] = self.entry.postings
        found = term_codes.count_blocks(self.code.unary, self.layout.highs, counted)
        return found == self.entry.postings and np.array_equal(counted, self.code.directory)

    def check(self) -> None:
        """Read the whole segment.

        Raises:
            IndexCorrupt: a section's CRC-32 is not the one in the footer, or cannot be read.
        """
        if problem := damage_in(self.path, self.entry.size, self.checked_parts()):
            raise IndexCorrupt(self.path, problem)

    def checked_parts(self) -> list[CheckedPart]:
        """Return the parts of the file that have a checksum each."""
        bounds = section_bounds(self.entry)
        return [
            CheckedPart(name, *bounds[name], checksum)
            for name, checksum in zip(bounds, self._checksums, strict=True)
        ]

    def _check_tables(self) -> None:
        for part in self.checked_parts():
            if part.name not in BIT_SECTIONS and (
                problem := mismatch(part, zlib.crc32(self._sections[part.name]))
            ):
                raise IndexCorrupt(self.path, problem)

    def _words(self, section: str, kind: type) -> NDArray[Any]:
        return np.frombuffer(self._sections[section], dtype=kind)


def _map(path: Path, size: int) -> memoryview:
    try:
        data = memoryview(with_either_name(path, files.map_read_only))
    except ValueError as error:  # an empty file cannot be mapped
        raise IndexCorrupt(path, f"has 0 bytes, but {size} in the manifest") from error
    if data.nbytes != size:
        raise IndexCorrupt(path, f"has {data.nbytes} bytes, but {size} in the manifest")
    return data
