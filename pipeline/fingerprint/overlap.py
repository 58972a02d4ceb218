"""What two aligned fingerprints have in common, and where they differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.alignment import Pairs
from pipeline.fingerprint.profiles import Profiles
from pipeline.fingerprint.ragged import bounds_of, sum_rows


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Both sides of each pair without the words before their alignment; int64[n] each.

    Attributes:
        dropped_a: words cut off the front of the left side.
        dropped_b: words cut off the front of the right side; one of the two is 0.
        starts_a: where the left side goes on in its batch's values.
        starts_b: where the right side goes on in its batch's values.
        lengths_a: words left on the left side.
        lengths_b: words left on the right side.
        sizes: words that face each other, rounded down to an even number.
        shorter: words of the shorter side as it was, rounded down to an even number.
    """

    dropped_a: NDArray[np.int64]
    dropped_b: NDArray[np.int64]
    starts_a: NDArray[np.int64]
    starts_b: NDArray[np.int64]
    lengths_a: NDArray[np.int64]
    lengths_b: NDArray[np.int64]
    sizes: NDArray[np.int64]
    shorter: NDArray[np.int64]


def find_overlaps(a: Profiles, b: Profiles, pairs: Pairs, offsets: NDArray[np.int64]) -> Overlaps:
    """Trim the pairs to their alignments; `offsets` as in `Alignments`."""
    dropped_a, dropped_b = np.maximum(offsets, 0), np.maximum(-offsets, 0)
    whole_a, whole_b = a.words.lengths[pairs.left], b.words.lengths[pairs.right]
    lengths_a, lengths_b = np.maximum(whole_a - dropped_a, 0), np.maximum(whole_b - dropped_b, 0)
    return Overlaps(
        dropped_a=dropped_a,
        dropped_b=dropped_b,
        starts_a=a.words.offsets[pairs.left] + dropped_a,
        starts_b=b.words.offsets[pairs.right] + dropped_b,
        lengths_a=lengths_a,
        lengths_b=lengths_b,
        sizes=np.minimum(lengths_a, lengths_b) & ~1,
        shorter=np.minimum(whole_a, whole_b) & ~1,
    )


def count_unique(
    a: Profiles, b: Profiles, pairs: Pairs, overlaps: Overlaps
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the different keys of each trimmed side, int64[n] each.

    As in the reference implementation, `TOP_KEY` isn't counted where `Profiles.shadowed`
    says so, nor on the right side where the left side had it too.
    """
    shadowed = a.shadowed[pairs.left]
    top_a = a.last_top[pairs.left] >= overlaps.dropped_a
    top_b = b.last_top[pairs.right] >= overlaps.dropped_b
    unique_a = a.unique_after(pairs.left, overlaps.dropped_a) - (top_a & shadowed)
    unique_b = b.unique_after(pairs.right, overlaps.dropped_b) - (top_b & (top_a | shadowed))
    return unique_a, unique_b


def bit_errors(
    a: Profiles, b: Profiles, overlaps: Overlaps, rows: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Count the bits that differ between the facing words of the given pairs, int64[len(rows)]."""
    bounds = bounds_of(overlaps.sizes[rows])
    differences = np.empty(bounds[-1], np.uint32)
    left, right = a.words.values, b.words.values
    starts_a, starts_b = overlaps.starts_a[rows].tolist(), overlaps.starts_b[rows].tolist()
    places = bounds.tolist()
    for i, j, low, high in zip(starts_a, starts_b, places, places[1:], strict=False):
        size = high - low
        np.bitwise_xor(left[i : i + size], right[j : j + size], out=differences[low:high])
    # Sizes are even, so two words can be counted at a time.
    return sum_rows(np.bitwise_count(differences.view(np.uint64)), bounds // 2)
