"""Decodes code areas to words, in compiled loops; `encoding` explains the areas."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.encoding import ESCAPE, EXCEPTION_BITS, NORMAL_BITS, Bytes
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.ragged import bounds_of
from pipeline.fingerprint.words import Words
from pipeline.loops.compiled import compiled
from pipeline.loops.intrinsics import count_ones

_WORD_BITS: Final = 32
_LOWEST: Final = np.uint64(0o11111111)  # the lowest bit of each code in a group
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
    """Decode the bodies of fingerprints; an invalid one does not affect the others.

    Args:
        bodies: normal codes, exception codes, and any bytes after them.
        counts: number of words in each header; at most the number of normal codes of the body.

    Returns:
        For each fingerprint its words, uint32[count], all views of one array, or an error.
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
        bounds: the start of each body, and the end of the last one; int64[bodies + 1].
        ends: the start of the words of each body, and the end of the last ones; int64[bodies + 1].
        words: receives the words.
        outcomes: receives a status for each body and two numbers for the message; int64[bodies, 3].
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
    """Return the number of normal codes of `count` words, of escapes in them, and of words found.

    Eight codes are counted at a time: a code is 0 if none of its bits is set, and an escape if
    all are.
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

    The effect of a code is computed without branches: the processor can't predict the next code,
    and a misprediction costs more than the rest.
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
    """Return eight normal codes, the first one lowest; bytes after the body count as 0."""
    at = np.uint64(3 * number)
    group = np.uint64(0)
    for place in range(np.uint64(3)):
        if at + np.uint64(place) < np.uint64(body.size):
            group |= np.uint64(body[at + np.uint64(place)]) << np.uint64(8 * place)
    return group


@compiled
def _code(area: NDArray[np.uint8], number: int, width: int) -> int:
    """Return a code; bytes after the area count as 0."""
    bit = np.uint64(number * width)
    at = bit >> np.uint64(3)
    value = np.uint64(area[at])
    if at + np.uint64(1) < np.uint64(area.size):
        value |= np.uint64(area[at + np.uint64(1)]) << np.uint64(8)
    return np.int64((value >> (bit & np.uint64(7))) & np.uint64((1 << width) - 1))
