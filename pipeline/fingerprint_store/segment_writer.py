"""Writes a segment's file."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.words import Words
from pipeline.fingerprint_store.rows import Columns
from pipeline.fingerprint_store.segment_format import StoreSegmentEntry, header
from pipeline.storage import files
from pipeline.storage.segment_files import uncommitted

_CHUNK: Final = 1 << 20  # words written at once


def write_segment(
    directory: Path, number: int, columns: Columns, tombstones: NDArray[np.uint32]
) -> StoreSegmentEntry:
    """Write an uncommitted segment and sync its content; the name is not yet durable.

    Args:
        directory: the folder of the store.
        number: a number that was never used before.
        columns: the fingerprints.
        tombstones: uint32[m], ascending: ids to mark as deleted.

    Raises:
        OSError: the disk is full or failing; a part of the file may remain.
    """
    starts = np.zeros(len(columns.words) + 1, "<u8")
    np.add.accumulate([words.size for words in columns.words], out=starts[1:])
    table = b"".join(
        (
            starts.tobytes(),
            columns.track_gids.tobytes(),
            columns.ids.astype("<u4", copy=False).tobytes(),
            columns.lengths.astype("<u4", copy=False).tobytes(),
            columns.track_ids.astype("<u4", copy=False).tobytes(),
            tombstones.astype("<u4", copy=False).tobytes(),
        )
    )
    entry = StoreSegmentEntry(
        number,
        fingerprints=columns.ids.size,
        tombstones=tombstones.size,
        words=int(starts[-1]),
        table_crc=zlib.crc32(table),
        words_crc=0,
    )
    descriptor = files.create(uncommitted(directory / entry.file_name))
    try:
        files.write_at(descriptor, header(number) + table, 0)
        place, crc = entry.words_start, 0
        for part in _parts(columns.words):
            files.write_at(descriptor, part, place)
            place += len(part)
            crc = zlib.crc32(part, crc)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    return StoreSegmentEntry(
        number, entry.fingerprints, entry.tombstones, entry.words, entry.table_crc, words_crc=crc
    )


def _parts(words: Sequence[Words]) -> Iterator[bytes]:
    waiting: list[Words] = []
    size = 0
    for each in words:
        waiting.append(each)
        size += each.size
        if size >= _CHUNK:
            yield _joined(waiting)
            waiting, size = [], 0
    if size:
        yield _joined(waiting)


def _joined(words: Sequence[Words]) -> bytes:
    return np.concatenate(words).astype("<u4", copy=False).tobytes()
