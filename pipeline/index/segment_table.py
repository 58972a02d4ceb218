"""Segments as compiled loops see them: a row of addresses and numbers for each.

A compiled function takes no list of segments, and each array that it is passed costs as much as
counting a hundred postings. So the arrays of all segments are handed over as one, of addresses.
Whoever passes a table on keeps the `SegmentSet` that it belongs to, and so the memory, alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from pipeline.index.sections import Layout, Sections
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.index.segment import Segment

    Table = NDArray[np.int64]
    Mask = NDArray[np.bool_]

ARRAYS: Final = 6  # each with its address and its size; the base follows, then the layout
_BASE: Final = 2 * ARRAYS
_LAYOUT: Final = _BASE + 1
COLUMNS: Final = _LAYOUT + len(Layout._fields)


def segment_table(segments: Sequence[Segment], bases: Sequence[int], dead: Sequence[Mask]) -> Table:
    """Return the table of some segments, int64, shape (segments, `COLUMNS`).

    Args:
        segments: the segments.
        bases: for each, how many documents are in those before it.
        dead: for each, which of its documents are out of date; empty if none is.
    """
    table = np.zeros((len(segments), COLUMNS), dtype=np.int64)
    for row, segment, base, out_of_date in zip(table, segments, bases, dead, strict=True):
        arrays = (*segment.code, segment.documents, out_of_date)
        row[:_BASE:2] = [array.__array_interface__["data"][0] for array in arrays]
        row[1:_BASE:2] = [array.size for array in arrays]
        row[_BASE] = base
        row[_LAYOUT:] = segment.layout
    return table


def _generate_pointer(_typing: Any, _address: Any) -> Any:  # noqa: ANN401 - the compiler's types
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(types.int64), generate


_pointer: Any = intrinsic(_generate_pointer)
_array: Any = numba.carray  # type: ignore[attr-defined]


@compiled
def code_of(row: Table) -> Sections:
    """Return the postings of a segment, given its row."""
    return Sections(
        _array(_pointer(row[0]), (row[1],), np.uint32),
        _array(_pointer(row[2]), (row[3],), np.uint64),
        _array(_pointer(row[4]), (row[5],), np.uint64),
        _array(_pointer(row[6]), (row[7],), np.uint64),
    )


@compiled
def ids_of(row: Table) -> NDArray[np.uint32]:
    """Return the ids of a segment's documents by their numbers."""
    return _array(_pointer(row[8]), (row[9],), np.uint32)


@compiled
def dead_of(row: Table) -> NDArray[np.uint8]:
    """Return which of a segment's documents are out of date; empty if none is."""
    return _array(_pointer(row[10]), (row[11],), np.uint8)


@compiled
def base_of(row: Table) -> int:
    """Return how many documents are in the segments before one."""
    return row[12]


@compiled
def layout_of(row: Table) -> Layout:
    """Return how the bits of a segment are arranged."""
    return Layout(row[13], row[14], row[15], row[16], row[17])
