"""From code areas to words, one fingerprint after the other, in compiled loops.

A fingerprint's body is an area of 3-bit codes, then one of 5-bit codes. The codes of a word are
the distances from one set bit to the next, ended by a 0; the code 7 stands for "7 and what the next
5-bit code says". A word is stored as the XOR with its predecessor. Code k of an area occupies the
bits width * k to width * k + width - 1, where bit 0 is the least significant of the first byte.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.bitpack import Bytes
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.ragged import bounds_of
from pipeline.fingerprint.words import Words
from pipeline.loops.bit_counts import count_ones
from pipeline.loops.compiled import compiled

NORMAL_BITS: Final = 3
EXCEPTION_BITS: Final = 5
ESCAPE: Final = 7
"""The normal code that stands for "7 and what the next exception code says"."""

_WORD_BITS: Final = 32
_LOWEST: Final = np.uint64(0o11111111)  # of each code in a group
_CODE: Final = np.uint64(0o7)
_ONE: Final = np.uint64(1)
_TWO: Final = np.uint64(2)
_SOUND: Final = 0
_FEW_WORDS: Final = 1
_FEW_EXCEPTIONS: Final = 2
_HIGH_BIT: Final = 3


def decode_areas(
    bodies: Sequence[Bytes], counts: Sequence[int]
) -> list[Words | InvalidFingerprint]:
    """Decode what follows the headers of fingerprints; a bad one doesn't spoil the others.

    Args:
        bodies: normal codes, exception codes, and any bytes after them.
        counts: how many words each header promises; no more than a body has normal codes.

    Returns:
        Each fingerprint's words, uint32[count], all views of one array, or what is wrong with it.
    """
    data = np.frombuffer(b"".join(bodies), np.uint8)
    ends = bounds_of(counts)
    words = np.empty(ends[-1], np.uint32)
    outcomes = np.empty((len(bodies), 3), np.int64)
    _decode_all(data, bounds_of([len(body) for body in bodies]), ends, words, outcomes)
    places = pairwise(accumulate(counts, initial=0))
    return [
        words[start:end] if state == _SOUND else _error(state, end - start, wanted, found)
        for (start, end), (state, wanted, found) in zip(places, outcomes.tolist(), strict=True)
    ]


def _error(state: int, count: int, wanted: int, found: int) -> InvalidFingerprint:
    if state == _FEW_WORDS:
        return InvalidFingerprint(
            Reason.TRUNCATED,
            f"the fingerprint says it has {count} words, but ends after {found}",
        )
    if state == _FEW_EXCEPTIONS:
        return InvalidFingerprint(
            Reason.TRUNCATED,
            f"the fingerprint needs {wanted} bytes of exception codes, but only {found} follow",
        )
    return InvalidFingerprint(
        Reason.MALFORMED, "a word of the fingerprint has a bit above the 32nd"
    )


@compiled
def _decode_all(
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    ends: NDArray[np.int64],
    words: Words,
    outcomes: NDArray[np.int64],
) -> None:
    """Decode one body after the other.

    Args:
        data: all bodies.
        bounds: where each begins, and where the last one ends.
        ends: where each one's words begin, and where the last one's end.
        words: receives them.
        outcomes: receives for each what came of it, and two numbers for the message.
    """
    for row in range(bounds.size - 1):
        body = data[bounds[row] : bounds[row + 1]]
        own = words[ends[row] : ends[row + 1]]
        length, escapes, found = _measure(body, own.size)
        start = (length * NORMAL_BITS + 7) // 8
        wanted = (escapes * EXCEPTION_BITS + 7) // 8
        outcomes[row, 1] = wanted
        if found < own.size:
            outcomes[row, 0], outcomes[row, 2] = _FEW_WORDS, found
        elif body.size - start < wanted:
            outcomes[row, 0], outcomes[row, 2] = _FEW_EXCEPTIONS, max(0, body.size - start)
        else:
            outcomes[row, 0] = _fill(body, length, body[start:], own)


@compiled
def _measure(body: NDArray[np.uint8], count: int) -> tuple[int, int, int]:
    """Return how many normal codes so many words take, how many of them escape, words found.

    Eight codes are counted at a time: a code is 0 where none of its bits is set, and escapes
    where all are.
    """
    escapes = 0
    found = 0
    length = 0
    available = body.size * 8 // NORMAL_BITS
    while length + 8 <= available:
        group = _group(body, length // 8)
        zeros = count_ones(~(group | group >> _ONE | group >> _TWO) & _LOWEST)
        if found + zeros >= count:
            break
        found += zeros
        escapes += count_ones(group & group >> _ONE & group >> _TWO & _LOWEST)
        length += 8
    while found < count and length < available:
        code = _code(body, length, NORMAL_BITS)
        found += code == 0
        escapes += code == ESCAPE
        length += 1
    return length, escapes, found


@compiled
def _fill(body: NDArray[np.uint8], length: int, exceptions: NDArray[np.uint8], words: Words) -> int:
    """Decode the words of one body; return `_SOUND`, or `_HIGH_BIT`.

    What a code does is calculated, not branched upon: which code comes next cannot be guessed,
    and a wrong guess costs more than the rest.
    """
    word = np.uint32(0)  # the XOR of all bits so far, and so of all words so far
    bit = np.uint64(0)
    highest = np.uint64(0)
    place = np.uint64(0)
    exception = 0
    group = np.uint64(0)
    for at in range(length):
        if at & 7 == 0:
            group = _group(body, at >> 3)
        code = group & _CODE
        group >>= np.uint64(NORMAL_BITS)
        bit += code
        if code == _CODE:
            bit += np.uint64(_code(exceptions, exception, EXCEPTION_BITS))
            exception += 1
        highest = max(highest, bit)
        is_bit = np.uint64(code != np.uint64(0))
        word ^= np.uint32(is_bit << ((bit - np.uint64(1)) & np.uint64(31)))
        words[min(place, np.uint64(words.size - 1))] = word
        place += np.uint64(1) - is_bit
        bit *= is_bit
    return _SOUND if highest <= np.uint64(_WORD_BITS) else _HIGH_BIT


@compiled
def _group(body: NDArray[np.uint8], number: int) -> np.uint64:
    """Return eight normal codes, the first one lowest; the bytes behind the body count as 0."""
    at = np.uint64(3 * number)
    group = np.uint64(0)
    for place in range(np.uint64(3)):
        if at + np.uint64(place) < np.uint64(body.size):
            group |= np.uint64(body[at + np.uint64(place)]) << np.uint64(8 * place)
    return group


@compiled
def _code(area: NDArray[np.uint8], number: int, width: int) -> int:
    """Return a code; the bytes behind the area count as 0."""
    bit = np.uint64(number * width)
    at = bit >> np.uint64(3)
    value = np.uint64(area[at])
    if at + np.uint64(1) < np.uint64(area.size):
        value |= np.uint64(area[at + np.uint64(1)]) << np.uint64(8)
    return np.int64((value >> (bit & np.uint64(7))) & np.uint64((1 << width) - 1))
