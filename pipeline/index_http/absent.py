"""Which ids of an index were not among the documents it should hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class AbsentDocuments:
    """The ids of a range that were not seen, in a byte for each id of the range."""

    def __init__(self, lowest: int, highest: int) -> None:
        """Begin with none seen.

        Args:
            lowest: first id of the range.
            highest: last id of the range; 0 for an empty one.
        """
        self._lowest = lowest
        self._seen = np.zeros(highest - lowest + 1 if highest else 0, dtype=np.bool_)

    def see(self, ids: Sequence[int]) -> None:
        """Note ids, in the range or not."""
        places = np.array(ids, dtype=np.int64) - self._lowest
        self._seen[places[(places >= 0) & (places < self._seen.size)]] = True

    def chunks(self, size: int) -> Iterator[list[int]]:
        """Yield the ids that were not seen, ascending, at most `size` at a time."""
        for start in range(0, self._seen.size, size):
            places = np.flatnonzero(~self._seen[start : start + size])
            if places.size:
                yield (places + (start + self._lowest)).tolist()
