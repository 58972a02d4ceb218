"""Areas of 3-bit or 5-bit codes, the two halves of a compressed fingerprint.

Code k of an area occupies the bits width * k ... width * k + width - 1, where bit 0 is the least
significant bit of the first byte. So `width` bytes hold exactly 8 codes: such a group is gathered
from the 8 bytes of one uint64 by three halvings that are the same for all groups. The bytes of a
uint64 are looked at in place, lowest first: as in all of this room, on a little-endian machine.
"""

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = bytes | memoryview
"""Binary data as a client or the database driver hands it over."""

Codes: TypeAlias = NDArray[np.uint8]

GROUP = 8
"""Codes in a group, the unit on which the areas of a batch are aligned."""


def area_bytes(codes: int, width: int) -> int:
    """Return how many bytes an area of so many codes takes."""
    return (codes * width + 7) // 8


def pack_area(codes: Codes, width: int) -> bytes:
    """Pack codes into one area, in which code k takes the bits from width * k on."""
    lanes = np.zeros(-(-codes.size // GROUP), np.uint64)
    lanes.view(np.uint8)[: codes.size] = codes
    _gather(lanes, width)
    groups = lanes.view(np.uint8).reshape(-1, GROUP)[:, :width]
    return groups.tobytes()[: area_bytes(codes.size, width)]


def _gather(lanes: NDArray[np.uint64], width: int) -> None:
    high = np.empty_like(lanes)
    for mask, distance in reversed(_halvings(width)):
        np.bitwise_and(lanes, mask << distance, out=high)
        lanes ^= high
        high >>= distance
        lanes |= high


@cache
def _halvings(width: int) -> tuple[tuple[np.uint64, np.uint64], ...]:
    """Return for each halving which bits are the upper halves, and how far up they go."""
    return tuple(_halving(width, lane) for lane in (32, 16, 8))


def _halving(width: int, lane: int) -> tuple[np.uint64, np.uint64]:
    half = width * lane // GROUP
    mask = sum(((1 << half) - 1) << (low + half) for low in range(0, 64, 2 * lane))
    return np.uint64(mask), np.uint64(lane - half)
