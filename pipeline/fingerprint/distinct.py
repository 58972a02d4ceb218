"""Counts the distinct words of a fingerprint; one with too few is similar to too many others."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.ragged import Ragged, Rows, sum_rows

MIN_DISTINCT_WORDS = 80
"""The minimum for the import of a submission."""


def count_distinct_batch(batch: Rows) -> NDArray[np.int64]:
    """Count the distinct words of each fingerprint of a batch: int64[rows]."""
    rows = Ragged.of(batch)
    ordered = rows.values.copy()
    for start, end in pairwise(rows.offsets.tolist()):
        ordered[start:end].sort()
    is_new = np.ones(ordered.size, np.bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    starts = rows.offsets[:-1]
    is_new[starts[starts < ordered.size]] = True
    return sum_rows(is_new, rows.offsets)
