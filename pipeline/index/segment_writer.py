"""Writes a segment file, its postings in as many parts as the caller likes."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import files
from pipeline.index.segment_format import (
    FOOTER_BYTES,
    SegmentEntry,
    encode_footer,
    encode_header,
    file_size,
    footer_checksum,
    section_bounds,
)
from pipeline.index.term_blocks import BLOCK_TERMS, PADDING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index.postings import Postings
    from pipeline.index.sorted_ids import Ids


class SegmentWriter:
    """Writes one segment; a context manager that deletes the file if it isn't finished.

    The file has its final name from the start: it counts only once a manifest names it.
    """

    def __init__(
        self,
        directory: Path,
        entry: SegmentEntry,
        ids: Ids,
        tombstones: Ids,
    ) -> None:
        """Create the file and write all but the postings.

        Args:
            directory: the folder of the index.
            entry: what the segment will hold; its size and checksum are found here.
            ids: sorted ids, tombstones among them.
            tombstones: sorted ids.
        """
        self._entry = entry
        bounds = section_bounds(self._entry)
        self._next = {name: start for name, (start, _) in bounds.items()}
        self._ends = {name: end for name, (_, end) in bounds.items()}
        self._checksums = dict.fromkeys(bounds, 0)
        self._added = 0
        self._finished = False
        self._path = directory / self._entry.file_name
        self._descriptor = files.create(self._path)
        try:
            files.write_at(self._descriptor, encode_header(self._entry), 0)
            self._append("ids", ids)
            self._append("tombstones", tombstones)
        except BaseException:
            self._abandon()
            raise

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._finished:
            self._abandon()

    def add(self, postings: Postings) -> None:
        """Add postings that follow all that were added before."""
        self._append("heads", postings.terms[-self._added % BLOCK_TERMS :: BLOCK_TERMS])
        self._append("terms", postings.terms)
        self._append("documents", postings.documents)
        self._added += postings.terms.size

    def finish(self) -> SegmentEntry:
        """Write the footer, wait for the disk, and describe the segment.

        Raises:
            ValueError: not as many postings were added as were announced.
        """
        if self._added != self._entry.postings:
            raise ValueError(
                f"{self._path}: {self._added} postings added, {self._entry.postings} announced"
            )
        self._append("terms", np.full(-self._added % BLOCK_TERMS, PADDING))
        size = file_size(self._entry)
        footer = encode_footer(tuple(self._checksums.values()), size)
        files.write_at(self._descriptor, footer, size - FOOTER_BYTES)
        files.sync(self._descriptor)
        files.close(self._descriptor)
        self._finished = True
        return replace(self._entry, size=size, checksum=footer_checksum(footer))

    def _append(self, section: str, words: NDArray[np.uint32]) -> None:
        if not words.size:
            return
        data = np.ascontiguousarray(words, dtype="<u4").data
        if self._next[section] + data.nbytes > self._ends[section]:
            raise ValueError(f"{self._path}: more {section} than were announced")
        files.write_at(self._descriptor, data, self._next[section])
        self._next[section] += data.nbytes
        self._checksums[section] = zlib.crc32(data, self._checksums[section])

    def _abandon(self) -> None:
        # Cleaning up must not hide the failure that made it necessary; the next sweep tries again.
        with suppress(OSError):
            files.close(self._descriptor)
        with suppress(OSError):
            files.remove(self._path)
