"""From code areas to words, for a whole batch at once.

The codes of a fingerprint are distances from one set bit to the next. So the bit that a code sets
is a running sum that starts again at each word's terminator (code 0), and a word is the XOR of
all bits up to its terminator, since it was stored as the XOR with its predecessor. Both run over
the whole batch without a look at single words. The running sums stay in bytes: eight of them
are one multiplication of a uint64 by 0x0101010101010101.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.bitpack import Bytes, Codes, area_bytes, unpack_areas
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.words import Words

NORMAL_BITS = 3
EXCEPTION_BITS = 5
ESCAPE = 7
"""The normal code that stands for "7 and what the next exception code says"."""

_WORD_BITS = 32
_ONES = np.uint64(0x0101010101010101)
_TO_LAST_BYTE = np.uint64(56)
_BYTE = np.uint64(0xFF)


def decode_areas(bodies: Sequence[Bytes], counts: Sequence[int]) -> list[Words]:
    """Decode what follows the headers of a few fingerprints.

    Args:
        bodies: normal codes, exception codes, and any bytes after them.
        counts: how many words each header promises, at least 1.

    Returns:
        Each fingerprint's words, uint32[count], all views of one array.

    Raises:
        InvalidFingerprint: one of them, not said which, is truncated or malformed.
    """
    codes, starts = unpack_areas(bodies, NORMAL_BITS)
    runs = _terminators(codes, starts, [len(body) * 8 // NORMAL_BITS for body in bodies], counts)
    lengths = [int(run[-1]) + 1 - start for run, start in zip(runs, starts, strict=False)]
    _add_exceptions(codes, starts, bodies, lengths)
    terminators = np.concatenate(runs)
    _sum_distances(codes, terminators)
    words = _collect(codes, terminators, counts)
    return [words[start:end] for start, end in pairwise(accumulate(counts, initial=0))]


def _terminators(
    codes: Codes, starts: Sequence[int], available: Sequence[int], counts: Sequence[int]
) -> list[NDArray[np.intp]]:
    """Return where the terminators of each fingerprint are, and clear all codes after its last."""
    zeros = np.flatnonzero(codes == 0)
    lows = zeros.searchsorted(starts)
    highs = zeros.searchsorted([s + n for s, n in zip(starts, available, strict=False)])
    runs = []
    for low, high, count, end in zip(
        lows.tolist(), highs.tolist(), counts, starts[1:], strict=False
    ):
        if high - low < count:
            raise InvalidFingerprint(
                Reason.TRUNCATED,
                f"the fingerprint says it has {count} words, but ends after {high - low}",
            )
        run = zeros[low : low + count]
        codes[run[-1] + 1 : end] = 0
        runs.append(run)
    return runs


def _add_exceptions(
    codes: Codes, starts: Sequence[int], bodies: Sequence[Bytes], lengths: Sequence[int]
) -> None:
    """Add to each code 7 its exception code, from the area behind the normal codes."""
    escapes = np.flatnonzero(codes == ESCAPE)
    wanted = [high - low for low, high in pairwise(escapes.searchsorted(starts).tolist())]
    areas = [
        _exception_area(body, area_bytes(length, NORMAL_BITS), count)
        for body, length, count in zip(bodies, lengths, wanted, strict=True)
    ]
    values, firsts = unpack_areas(areas, EXCEPTION_BITS)
    rows = [values[first : first + count] for first, count in zip(firsts, wanted, strict=False)]
    codes[escapes] = np.concatenate(rows) + np.uint8(ESCAPE)


def _exception_area(body: Bytes, start: int, count: int) -> Bytes:
    size = area_bytes(count, EXCEPTION_BITS)
    area = body[start : start + size]
    if len(area) < size:
        raise InvalidFingerprint(
            Reason.TRUNCATED,
            f"the fingerprint needs {size} bytes of exception codes, but only {len(area)} follow",
        )
    return area


def _sum_distances(codes: Codes, terminators: NDArray[np.intp]) -> None:
    """Turn distances into bit numbers in place: 1 to 32, and 0 at terminators.

    The number is the sum of all distances so far less the sums of the words that ended. A group
    of 8 distances from well-formed words, or up to the first bit above 32, adds up to less than
    256, so no sum carries over into its neighbour before that bit is seen.
    """
    sums = codes.view(np.uint64)
    sums *= _ONES
    totals = sums >> _TO_LAST_BYTE
    before = np.add.accumulate(totals)
    before -= totals
    at_ends = codes[terminators] + before.astype(np.uint8)[terminators >> 3]
    ended_sums = np.zeros_like(sums)
    ended = ended_sums.view(np.uint8)
    ended[terminators] = at_ends
    ended[terminators[1:]] -= at_ends[:-1]
    ended_sums *= _ONES
    totals -= ended_sums >> _TO_LAST_BYTE
    np.add.accumulate(totals, out=before)
    before -= totals
    before &= _BYTE
    before *= _ONES
    sums += before
    sums -= ended_sums
    if codes.max() > _WORD_BITS:
        raise InvalidFingerprint(
            Reason.MALFORMED, "a word of the fingerprint has a bit above the 32nd"
        )


def _collect(bit_numbers: Codes, terminators: NDArray[np.intp], counts: Sequence[int]) -> Words:
    """XOR the numbered bits into words; the numbers are overwritten."""
    bit_numbers -= np.uint8(1)  # a terminator's becomes 255: shifted out, it sets no bit
    bits = np.left_shift(np.uint32(1), bit_numbers, dtype=np.uint32)
    np.bitwise_xor.accumulate(bits, out=bits)
    words: Words = bits[terminators]
    if len(counts) > 1:
        # The sum runs on from one fingerprint to the next: take out what was there before.
        ends = np.cumsum(counts)[:-1]
        words[ends[0] :] ^= np.repeat(words[ends - 1], counts[1:])
    return words
