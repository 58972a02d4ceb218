"""A segment of the store: tables as arrays in the mapped file, words read on demand."""

import os
import weakref
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint_store.errors import StoreCorrupt
from pipeline.fingerprint_store.rows import Columns, StoreRow
from pipeline.fingerprint_store.segment_format import HEADER_SIZE, StoreSegmentEntry, header
from pipeline.storage import files
from pipeline.storage.checked_files import TABLES, check_once
from pipeline.storage.checksums import damage_in, mismatch
from pipeline.storage.format import CheckedPart
from pipeline.storage.segment_files import with_either_name

GID_SIZE: Final = 16  # bytes


class StoreSegment:
    """An immutable file of fingerprints.

    The arrays are views of the mapped file, which stays mapped as long as they exist.

    Attributes:
        path: the file.
        entry: its entry in the manifest.
        ids: uint32[n], ascending.
        lengths: uint32[n], seconds.
        track_ids: uint32[n].
        track_gids: V16[n].
        tombstones: uint32[m], ascending.
        starts: uint64[n + 1], the start of each fingerprint in `words`.
        words: uint32[total].
    """

    def __init__(self, directory: Path, entry: StoreSegmentEntry) -> None:
        """Map a segment and check its tables; the words are read on demand.

        Raises:
            FileNotFoundError: there is no such file.
            StoreCorrupt: its size, header or checksum does not match the entry.
        """
        self.path = directory / entry.file_name
        self.entry = entry
        if with_either_name(self.path, Path.stat).st_size != entry.size:
            raise StoreCorrupt(self.path, f"does not have the expected {entry.size} bytes")
        self._data = memoryview(with_either_name(self.path, files.map_read_only))
        self._file = with_either_name(self.path, _open)
        weakref.finalize(self, os.close, self._file)
        self._place = HEADER_SIZE
        if self._data[:HEADER_SIZE] != header(entry.number):
            raise StoreCorrupt(self.path, "does not have the header of this segment")
        check_once(self.path, entry, TABLES, self._check_tables)
        count = entry.fingerprints
        self.starts: NDArray[np.uint64] = self._column("<u8", count + 1)
        # This is several times as fast as `bytes` of an element of `track_gids`.
        self._gids = self._data[self._place : self._place + GID_SIZE * count]
        self.track_gids: NDArray[np.void] = self._column("V16", count)
        self.ids: NDArray[np.uint32] = self._column("<u4", count)
        self.lengths: NDArray[np.uint32] = self._column("<u4", count)
        self.track_ids: NDArray[np.uint32] = self._column("<u4", count)
        self.tombstones: NDArray[np.uint32] = self._column("<u4", entry.tombstones)
        self.words: NDArray[np.uint32] = self._column("<u4", entry.words)
        self._words_start = entry.words_start

    def _column(self, kind: str, count: int) -> NDArray[Any]:
        column: NDArray[Any] = np.frombuffer(self._data, kind, count, self._place)
        self._place += column.nbytes
        return column

    def _check_tables(self) -> None:
        tables, _ = self.checked_parts()
        if problem := mismatch(tables, zlib.crc32(self._data[tables.start : tables.end])):
            raise StoreCorrupt(self.path, problem)

    def check(self) -> None:
        """Read the whole segment.

        Raises:
            StoreCorrupt: a checksum does not match, or a part cannot be read.
        """
        if problem := damage_in(self.path, self.entry.size, self.checked_parts()):
            raise StoreCorrupt(self.path, problem)

    def checked_parts(self) -> list[CheckedPart]:
        """Return the parts of the file that have a checksum each."""
        entry = self.entry
        return [
            CheckedPart("tables", HEADER_SIZE, entry.words_start, entry.table_crc),
            CheckedPart("words", entry.words_start, entry.size, entry.words_crc),
        ]

    def row(self, place: int, length: int, track_id: int, start: int, end: int) -> StoreRow:
        """Return the fingerprint at a place; `locate` returns the arguments.

        Its words are read instead of mapped. With a mapping, the memory use of the process would
        seem to grow to the size of the store, and a truncated file would kill the process.

        Raises:
            StoreCorrupt: the file ends before its words, or was changed since it was opened.
        """
        if not 0 <= start <= end <= self.entry.words:
            raise StoreCorrupt(self.path, "has damaged tables")
        size = 4 * (end - start)
        data = os.pread(self._file, size, self._words_start + 4 * start)
        if len(data) != size:
            raise StoreCorrupt(self.path, "is truncated")
        gid = bytes(self._gids[GID_SIZE * place : GID_SIZE * (place + 1)])
        return StoreRow(length, track_id, gid, np.frombuffer(data, "<u4"))

    def columns(self, rows: NDArray[np.intp]) -> Columns:
        """Return some of its fingerprints, by ascending row."""
        bounds = zip(self.starts[rows].tolist(), self.starts[rows + 1].tolist(), strict=True)
        return Columns(
            ids=self.ids[rows],
            lengths=self.lengths[rows],
            track_ids=self.track_ids[rows],
            track_gids=self.track_gids[rows],
            words=[self.words[start:end] for start, end in bounds],
        )


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def places(column: NDArray[np.uint32], keys: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return the place of each key in an ascending column, -1 for keys that are not in it."""
    if not column.size:
        return np.full(keys.size, -1, np.intp)
    found = np.minimum(column.searchsorted(keys), column.size - 1)
    return np.where(column[found] == keys, found, -1)
