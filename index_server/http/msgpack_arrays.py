"""Reads lists of numbers in MessagePack without a Python object for each number."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# The first byte of a value, see the specification of MessagePack.
_SHORT_LIST, _END_OF_SHORT_LISTS = 0x90, 0x9F
_LIST_16, _LIST_32 = 0xDC, 0xDD
_UNSIGNED_32: Final = 0xCE

_NUMBER: Final = np.dtype([("kind", "u1"), ("value", ">u4")])


def read_numbers(body: bytes, start: int) -> tuple[NDArray[np.uint32], int] | None:
    """Return a list of numbers, uint32, shape (n,), and the position of the byte after it.

    An encoder gives a number below 65,536 fewer than 32 bits, unlike nearly all hashes.

    Args:
        body: a message in MessagePack.
        start: the position of the first byte of the list.

    Returns:
        None for any other value, an empty list, or a list with numbers that are not encoded as
        unsigned numbers of 32 bits.
    """
    kind = body[start] if start < len(body) else 0
    if _SHORT_LIST < kind <= _END_OF_SHORT_LISTS:
        size, first = kind - _SHORT_LIST, start + 1
    elif kind in (_LIST_16, _LIST_32):
        first = start + (3 if kind == _LIST_16 else 5)
        size = int.from_bytes(body[start + 1 : first], "big")
    else:
        return None
    end = first + size * _NUMBER.itemsize
    if not size or end > len(body):
        return None
    numbers = np.frombuffer(body, _NUMBER, size, first)
    if not (numbers["kind"] == _UNSIGNED_32).all():
        return None
    return numbers["value"].astype(np.uint32), end
