"""Writes a segment file; the postings are added in any number of parts."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.segments.postings import BLOCK_BITS, TERM_SHIFT, WORD_BITS, Sections
from pipeline.index.segments.segment_format import (
    BIT_SECTIONS,
    FOOTER_BYTES,
    SECTIONS,
    IndexSegmentEntry,
    directory_entries,
    encode_footer,
    encode_header,
    file_size,
    footer_checksum,
    section_bounds,
)
from pipeline.index.segments.term_codes import common_shift, encode
from pipeline.storage import files
from pipeline.storage.segment_files import uncommitted

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index.changes import FoldedChanges
    from pipeline.index.segments.postings import Keys
    from pipeline.index.segments.sorted_ids import Ids


class SegmentWriter:
    """Writes one segment; a context manager that deletes the file unless `finish` was called.

    The file has the name of an uncommitted segment. The commit renames it.
    """

    def __init__(
        self, directory: Path, entry: IndexSegmentEntry, documents: Ids, tombstones: Ids
    ) -> None:
        """Create the file and write everything except the postings.

        Args:
            directory: the folder of the index.
            entry: the content of the segment; `finish` returns it with size and checksum.
            documents: sorted ids of the documents, numbered by their places.
            tombstones: sorted ids of deleted documents.
        """
        self._entry = entry
        self._layout = entry.layout
        bounds = section_bounds(entry)
        self._starts = {name: start for name, (start, _) in bounds.items()}
        self._next = dict(self._starts)
        self._ends = {name: end for name, (_, end) in bounds.items()}
        self._checksums = dict.fromkeys(bounds, 0)
        self._added = 0
        self._block = 0
        self._partial = dict.fromkeys(BIT_SECTIONS, np.zeros(1, dtype=np.uint64))
        self._finished = False
        self._path = uncommitted(directory / entry.file_name)
        self._descriptor = files.create(self._path)
        try:
            files.write_at(self._descriptor, encode_header(entry), 0)
            self._append("documents", documents)
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

    def add(self, keys: Keys) -> None:
        """Add postings, which must be higher than all previous ones.

        Args:
            keys: term << 32 | document number, sorted, uint64.

        Raises:
            ValueError: there are more postings than `entry` has.
        """
        if self._added + keys.size > self._entry.postings:
            raise ValueError(f"{self._path}: more postings than were announced")
        if not keys.size:
            return
        layout = self._layout
        high = int(keys[-1]) >> (32 + layout.shift + layout.low_bits)
        # The first bit after these postings in each section.
        last = self._added + keys.size
        bits = (last + high, last * layout.low_bits, last * layout.document_bits)
        origins = [(self._next[name] - self._starts[name]) * 8 for name in BIT_SECTIONS]
        parts = Sections(
            np.empty((high >> BLOCK_BITS) + 1 - self._block, dtype=np.uint32),
            *map(self._words, BIT_SECTIONS, origins, bits),
        )
        places = np.array(origins, dtype=np.int64)
        self._block = encode(keys, self._added, layout, parts, places, self._block)
        self._added = last
        self._append("directory", parts.directory)
        for name, origin, bit, each in zip(BIT_SECTIONS, origins, bits, parts[1:], strict=True):
            whole = (bit - origin) // WORD_BITS
            self._partial[name] = each[whole : whole + 1]
            self._append(name, each[:whole])

    def begin_sync(self) -> None:
        """Start writing the added postings to the disk."""
        files.begin_sync(self._descriptor)

    def finish(self) -> IndexSegmentEntry:
        """Write the footer, sync the file, and return the segment's entry.

        Raises:
            ValueError: fewer postings were added than `entry` has.
        """
        if self._added != self._entry.postings:
            raise ValueError(
                f"{self._path}: {self._added} postings added, {self._entry.postings} announced"
            )
        missing = directory_entries(self._layout) - self._block
        self._append("directory", np.full(missing, self._added, dtype=np.uint32))
        for name in BIT_SECTIONS:
            self._append(name, self._partial[name])
        for name in SECTIONS:
            self._append(name, np.zeros(self._ends[name] - self._next[name], dtype=np.uint8))
        size = file_size(self._entry)
        footer = encode_footer(tuple(self._checksums.values()), size)
        files.write_at(self._descriptor, footer, size - FOOTER_BYTES)
        files.sync(self._descriptor)
        files.close(self._descriptor)
        self._finished = True
        return self._entry._replace(size=size, checksum=footer_checksum(footer))

    def _words(self, section: str, origin: int, last: int) -> NDArray[np.uint64]:
        """Return zeroed words for a section's bits up to `last`; the first has its known bits."""
        words = np.zeros((last - origin) // WORD_BITS + 2, dtype=np.uint64)
        words[:1] = self._partial[section]
        return words

    def _append(self, section: str, values: NDArray[np.uint64 | np.uint32 | np.uint8]) -> None:
        if not values.size:
            return
        data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).data
        if self._next[section] + data.nbytes > self._ends[section]:
            raise ValueError(f"{self._path}: more {section} than were announced")
        files.write_at(self._descriptor, data, self._next[section])
        self._next[section] += data.nbytes
        self._checksums[section] = zlib.crc32(data, self._checksums[section])

    def _abandon(self) -> None:
        # An error here must not hide the original one; the next sweep deletes the file.
        with suppress(OSError):
            files.close(self._descriptor)
        with suppress(OSError):
            files.remove(self._path)


def write_changes(
    directory: Path, number: int, changes: FoldedChanges, tombstones: Ids, position: int
) -> IndexSegmentEntry:
    """Write a batch of changes as a segment.

    Args:
        directory: the folder of the index.
        number: the number of the new segment.
        changes: the changes.
        tombstones: ids of the deleted documents that older segments have.
        position: the position after the changes.

    Returns:
        The new segment, written and synced.

    Raises:
        OSError: the disk is full or failing; no file is left.
    """
    keys = changes.keys
    entry = IndexSegmentEntry(
        number,
        documents=changes.inserted.size,
        tombstones=tombstones.size,
        postings=keys.size,
        top_term=int(keys[-1] >> TERM_SHIFT) if keys.size else 0,
        shift=common_shift(keys),
        position=position,
    )
    with SegmentWriter(directory, entry, changes.inserted, tombstones) as writer:
        writer.add(keys)
        return writer.finish()
