"""Counts how often each document was gathered, in a hash table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index.search.keys import make_key
from pipeline.loops.clock import is_past
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]

_SLOTS: Final = 2
"""Slots of the hash table for each posting, so that few documents collide."""

_AT_ONCE: Final = 1 << 16
"""Documents that are counted between two checks of the deadline."""
_COUNT: Final = np.uint64(0xFFFFFFFF)
"""The bits of an entry that are its count."""


class Counts(NamedTuple):
    """How often each document was gathered.

    Attributes:
        table: document << 32 | count of each document, 0 in empty slots, uint64.
        histogram: number of documents that were gathered 0, 1, 2... times, int64.
        in_time: whether all were counted before the deadline.
    """

    table: NDArray[np.uint64]
    histogram: NDArray[np.int64]
    in_time: bool


@compiled
def count_gathered(gathered: Numbers, terms: int, deadline: int) -> Counts:
    """Count the documents that were gathered for one query.

    Args:
        gathered: the documents, uint32, any order.
        terms: the number of terms for which they were gathered.
        deadline: the time to stop.
    """
    size = 64
    while size < _SLOTS * gathered.size:
        size *= 2
    mask = np.uint64(size - 1)
    table = np.zeros(size, dtype=np.uint64)
    in_time = True
    for first in range(0, gathered.size, _AT_ONCE):
        for number in gathered[first : first + _AT_ONCE]:
            document = np.uint64(number)
            slot = ((document * np.uint64(0x9E3779B1)) >> np.uint64(7)) & mask
            while table[slot] and (table[slot] >> np.uint64(32)) != document:
                slot = (slot + np.uint64(1)) & mask
            if not table[slot]:
                table[slot] = document << np.uint64(32)
            table[slot] += np.uint64(1)
        in_time = in_time and not is_past(deadline)
    histogram = np.zeros(terms + 1, dtype=np.int64)
    for slot in range(size):
        if table[slot]:
            # In a damaged segment a term may have a document twice.
            count = min(np.int64(table[slot] & _COUNT), terms)
            table[slot] = (table[slot] & ~_COUNT) | np.uint64(count)
            histogram[count] += 1
    return Counts(table, histogram, in_time)


@compiled
def best_count(histogram: Places) -> int:
    """Return the highest count of a document, 0 without documents."""
    return count_reached(histogram, np.int64(1))


@compiled
def count_reached(histogram: Places, documents: int) -> int:
    """Return the highest count that at least so many documents reach, 0 if fewer were gathered."""
    count = histogram.size - 1
    while count > 0:
        documents -= histogram[count]
        if documents <= 0:
            break
        count -= 1
    return count


@compiled
def with_count(counts: Counts, lowest: int) -> Keys:
    """Return the keys of the documents with at least this count, the highest count first.

    Args:
        counts: the counts.
        lowest: the lowest count, at least 1.
    """
    histogram = counts.histogram
    ends = np.zeros(histogram.size, dtype=np.int64)
    total = 0
    for count in range(histogram.size - 1, lowest - 1, -1):
        ends[count] = total
        total += histogram[count]
    keys = np.empty(total, dtype=np.uint64)
    for entry in counts.table:
        count = np.int64(entry & _COUNT)
        if count >= lowest:
            keys[ends[count]] = make_key(count, np.int64(entry >> np.uint64(32)))
            ends[count] += 1
    return keys
