"""Many rows of words, of any lengths, in one flat array."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.fingerprint.words import Words


@dataclass(frozen=True, slots=True, eq=False)
class Ragged(Sequence[Words]):
    """Concatenated rows of words or of query terms.

    Attributes:
        values: uint32[total], all rows' words.
        offsets: int64[rows + 1], ascending from 0 to total; row i is
            `values[offsets[i]:offsets[i + 1]]`.
    """

    values: Words
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: "Rows") -> "Ragged":
        """Concatenate rows; a Ragged is returned unchanged.

        Raises:
            TypeError: a row is not uint32 (`words.as_words` converts it).
        """
        if isinstance(rows, cls):
            return rows
        for row in rows:
            if row.dtype != np.uint32 or row.ndim != 1:
                raise TypeError(
                    f"a row must be uint32[n], not {row.dtype}{list(row.shape)}: use as_words"
                )
        values = np.concatenate(rows) if len(rows) else np.empty(0, np.uint32)
        return cls(values, bounds_of([len(row) for row in rows]))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of words in each row: int64[rows]."""
        return self.offsets[1:] - self.offsets[:-1]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Words: ...
    @overload
    def __getitem__(self, index: slice) -> "Ragged": ...
    def __getitem__(self, index: int | slice) -> "Words | Ragged":
        """Return one row, or a run of adjacent rows, as a view."""
        if isinstance(index, slice):
            return self._run(index)
        row = range(len(self))[index]
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[Words]:
        bounds = self.offsets.tolist()
        return (self.values[start:end] for start, end in pairwise(bounds))

    def _run(self, index: slice) -> "Ragged":
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError("only adjacent rows can be a view")
        offsets = self.offsets[start : max(start, stop) + 1]
        return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])


Rows: TypeAlias = Ragged | Sequence[Words]


def sum_rows(numbers: NDArray[np.generic], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add up each row of a flat array of numbers or flags.

    Args:
        numbers: [total], any integer or boolean dtype.
        offsets: int64[rows + 1] as in `Ragged`; rows may be empty.

    Returns:
        int64[rows].
    """
    sums = np.zeros(len(offsets) - 1, np.int64)
    filled = np.flatnonzero(np.diff(offsets))
    if filled.size:
        sums[filled] = np.add.reduceat(numbers, offsets[filled], dtype=np.int64)
    return sums


def bounds_of(lengths: ArrayLike) -> NDArray[np.int64]:
    """Return the offsets of rows of the given lengths, int64[rows + 1]."""
    sizes = np.asarray(lengths, np.int64)
    bounds = np.zeros(sizes.size + 1, np.int64)
    np.add.accumulate(sizes, out=bounds[1:])
    return bounds
