"""Encodes words to code areas, the body of a compressed fingerprint.

The body is an area of 3-bit codes, then one of 5-bit codes. The codes of a word are the distances
from one set bit to the next, ended by a 0. The code 7 stands for 7 plus the next 5-bit code. A word
is stored as the XOR with its predecessor. Code k of an area occupies the bits width * k to
width * k + width - 1, where bit 0 is the least significant bit of the first byte.
"""

from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.words import Words

Bytes: TypeAlias = bytes | memoryview
"""Binary data from a client or the database driver."""

Codes: TypeAlias = NDArray[np.uint8]

NORMAL_BITS: Final = 3
EXCEPTION_BITS: Final = 5
ESCAPE: Final = 7
"""The normal code that stands for 7 plus the next exception code."""

_GROUP: Final = 8  # `width` bytes have exactly 8 codes


def encode_areas(words: Words) -> bytes:
    """Return the normal and the exception codes of the words, each area from a byte boundary.

    Args:
        words: uint32[n].
    """
    changes = words.astype("<u4")
    changes[1:] ^= words[:-1]
    bits = np.unpackbits(changes.view(np.uint8), bitorder="little")
    places = np.flatnonzero(bits.view(np.bool))
    owners = places >> 5
    previous = np.concatenate(([-1], places[:-1]))
    distances = (places - np.maximum(previous, (owners << 5) - 1)).astype(np.uint8)
    # Before a bit there is one terminator for each word that ended before it.
    codes = np.zeros(places.size + words.size, np.uint8)
    codes[np.arange(places.size) + owners] = np.minimum(distances, np.uint8(ESCAPE))
    exceptions = distances[distances >= ESCAPE] - np.uint8(ESCAPE)
    return _pack_area(codes, NORMAL_BITS) + _pack_area(exceptions, EXCEPTION_BITS)


def _pack_area(codes: Codes, width: int) -> bytes:
    """Pack codes into one area; code k takes the bits from width * k on.

    A group of 8 codes is packed within one uint64, by three steps that move the upper half of each
    part next to its lower half. The steps are the same for all groups. The bytes of a uint64 are
    read in place, lowest first: this requires a little-endian machine.
    """
    lanes = np.zeros(-(-codes.size // _GROUP), np.uint64)
    lanes.view(np.uint8)[: codes.size] = codes
    _gather(lanes, width)
    groups = lanes.view(np.uint8).reshape(-1, _GROUP)[:, :width]
    return groups.tobytes()[: (codes.size * width + 7) // 8]


def _gather(lanes: NDArray[np.uint64], width: int) -> None:
    high = np.empty_like(lanes)
    for mask, distance in reversed(_halvings(width)):
        np.bitwise_and(lanes, mask << distance, out=high)
        lanes ^= high
        high >>= distance
        lanes |= high


@cache
def _halvings(width: int) -> tuple[tuple[np.uint64, np.uint64], ...]:
    """Return for each step the bits of the upper halves and the distance to move them."""
    return tuple(_halving(width, lane) for lane in (32, 16, 8))


def _halving(width: int, lane: int) -> tuple[np.uint64, np.uint64]:
    half = width * lane // _GROUP
    mask = sum(((1 << half) - 1) << (low + half) for low in range(0, 64, 2 * lane))
    return np.uint64(mask), np.uint64(lane - half)
