"""Segments as an argument of compiled loops: a row of addresses and numbers for each.

The caller of a loop keeps the `SegmentSet` of the table alive, and with it the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.index.segments.postings import BitLayout, Sections
from pipeline.loops.compiled import compiled
from pipeline.loops.intrinsics import address_of, array_at, pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.index.segments.segment import IndexSegment

    Table = NDArray[np.int64]
    Mask = NDArray[np.bool_]

ARRAYS: Final = 6  # each with its address and its size; the base follows, then the layout
_BASE: Final = 2 * ARRAYS
_LAYOUT: Final = _BASE + 1
COLUMNS: Final = _LAYOUT + len(BitLayout._fields)


def segment_table(
    segments: Sequence[IndexSegment], bases: Sequence[int], outdated: Sequence[Mask]
) -> Table:
    """Return the table of some segments, int64, shape (segments, `COLUMNS`).

    Args:
        segments: the segments.
        bases: number of documents in the segments before each one.
        outdated: whether each document of a segment is outdated; empty if none is.
    """
    table = np.zeros((len(segments), COLUMNS), dtype=np.int64)
    for row, segment, base, mask in zip(table, segments, bases, outdated, strict=True):
        arrays = (*segment.code, segment.documents, mask)
        row[:_BASE:2] = [address_of(array) for array in arrays]
        row[1:_BASE:2] = [array.size for array in arrays]
        row[_BASE] = base
        row[_LAYOUT:] = segment.layout
    return table


@compiled
def code_of(row: Table) -> Sections:
    """Return the postings of a segment, given its row."""
    return Sections(
        array_at(pointer(row[0]), (row[1],), np.uint32),
        array_at(pointer(row[2]), (row[3],), np.uint64),
        array_at(pointer(row[4]), (row[5],), np.uint64),
        array_at(pointer(row[6]), (row[7],), np.uint64),
    )


@compiled
def ids_of(row: Table) -> NDArray[np.uint32]:
    """Return the ids of a segment's documents by their numbers."""
    return array_at(pointer(row[8]), (row[9],), np.uint32)


@compiled
def outdated_of(row: Table) -> NDArray[np.uint8]:
    """Return whether each document of a segment is outdated; empty if none is."""
    return array_at(pointer(row[10]), (row[11],), np.uint8)


@compiled
def base_of(row: Table) -> int:
    """Return the number of documents in the segments before one."""
    return row[12]


@compiled
def layout_of(row: Table) -> BitLayout:
    """Return the layout of the bits of a segment."""
    return BitLayout(row[13], row[14], row[15], row[16], row[17])
