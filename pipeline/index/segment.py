"""A segment, mapped for reading.

Searching and merging know a segment by `find`, `gather`, `between` and `split_terms` alone, so
the arrangement of its postings can change behind them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import files
from pipeline.index.errors import IndexCorrupt
from pipeline.index.postings import Postings
from pipeline.index.segment_format import (
    FOOTER_BYTES,
    HEADER_BYTES,
    SegmentEntry,
    check_footer,
    check_header,
    file_size,
    section_bounds,
)
from pipeline.index.term_blocks import BLOCK_TERMS, Found, find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PART_POSTINGS = 1 << 20


class Segment:
    """An immutable, memory-mapped segment.

    Attributes:
        path: its file.
        entry: what the manifest says of it.
        data: the whole file.
        ids: sorted ids of the documents it speaks for, tombstones among them.
        tombstones: sorted ids of those that are deleted.
    """

    def __init__(self, directory: Path, entry: SegmentEntry) -> None:
        """Map the file and check its length, header and footer.

        Raises:
            FileNotFoundError: the file is gone.
            IndexCorrupt: it is not the segment that `entry` describes.
        """
        self.path = directory / entry.file_name
        self.entry = entry
        data = self.data = _map(self.path, entry.size)
        if entry.size != file_size(entry):
            raise IndexCorrupt(self.path, "has counts that don't add up to its length")
        check_header(bytes(data[:HEADER_BYTES]), entry, self.path)
        self._checksums = check_footer(bytes(data[-FOOTER_BYTES:]), entry, self.path)
        self._sections = {
            name: np.frombuffer(data[start:end], dtype=np.uint32)
            for name, (start, end) in section_bounds(entry).items()
        }
        self.ids = self._sections["ids"]
        self.tombstones = self._sections["tombstones"]
        self._blocks = self._sections["terms"].reshape(-1, BLOCK_TERMS)
        self._heads = self._sections["heads"]
        self._terms = self._sections["terms"][: entry.postings]
        self._documents = self._sections["documents"]

    def find(self, terms: NDArray[np.uint32]) -> Found:
        """Find the postings of many terms at once.

        Args:
            terms: uint32; sorted terms are found faster, since neighbours share cache lines.
        """
        return find(self._blocks, self._heads, self.entry.postings, terms)

    def gather(self, found: Found) -> NDArray[np.uint32]:
        """Return the documents of what `find` found, one term's after the other's.

        Returns:
            uint32, shape (found.lengths.sum(),).
        """
        ends = np.cumsum(found.lengths)
        total = int(ends[-1]) if ends.size else 0
        shifts = np.repeat(found.starts - (ends - found.lengths), found.lengths)
        return self._documents[shifts + np.arange(total)]

    def between(self, low: int, high: int | None) -> Postings:
        """Return the postings with low <= term < high, or to the end if `high` is None."""
        start = int(np.searchsorted(self._terms, np.uint32(low)))
        end = None if high is None else int(np.searchsorted(self._terms, np.uint32(high)))
        return Postings(self._terms[start:end], self._documents[start:end])

    def split_terms(self, step: int) -> NDArray[np.uint32]:
        """Return the term of every `step`-th posting, for cutting a merge into equal parts."""
        return self._terms[::step].copy()

    def heads_agree(self) -> bool:
        """Tell whether the heads are the first terms of the blocks; reads all of them."""
        return np.array_equal(self._heads, self._blocks[:, 0])

    def parts(self) -> Iterator[Postings]:
        """Return all postings as they lie in the file, some at a time, sorted or not."""
        for start in range(0, self.entry.postings, PART_POSTINGS):
            part = slice(start, start + PART_POSTINGS)
            yield Postings(self._terms[part], self._documents[part])

    def check(self) -> None:
        """Read the whole segment.

        Raises:
            IndexCorrupt: a section's CRC-32 is not the one in the footer.
        """
        for (name, words), expected in zip(self._sections.items(), self._checksums, strict=True):
            if zlib.crc32(words.data) != expected:
                raise IndexCorrupt(self.path, f"has damaged {name} (CRC-32 does not match)")


def _map(path: Path, size: int) -> memoryview:
    try:
        data = memoryview(files.map_read_only(path))
    except ValueError as error:  # an empty file cannot be mapped
        raise IndexCorrupt(path, f"has 0 bytes, the manifest says {size}") from error
    if data.nbytes != size:
        raise IndexCorrupt(path, f"has {data.nbytes} bytes, the manifest says {size}")
    return data
