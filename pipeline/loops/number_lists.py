"""Reads and writes lists of 32-bit numbers as text, the form of fingerprints in data files."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.loops.compiled import compiled, inlined

LONGEST_NUMBER: Final = len("-2147483648,")
"""Maximum number of characters of a signed number with its comma."""

_COMMA: Final = ord(",")
_MINUS: Final = ord("-")
_SPACE: Final = ord(" ")
_ZERO: Final = ord("0")
_ONE: Final = np.uint32(1)
_TEN: Final = np.uint32(10)  # unsigned: a division by a constant is a multiplication
_MOST_DIGITS: Final = 10
_SIGNED_LEAST: Final = 2**31
_UNSIGNED_END: Final = 2**32


def read_numbers(text: memoryview) -> NDArray[np.uint32] | None:
    """Return the numbers of the inside of a JSON list: integers with commas between them.

    Args:
        text: the characters between the brackets.

    Returns:
        uint32[n], negative numbers as their two's complement. None if the text has something else
        than integers of -2^31 to 2^32 - 1, or no number.
    """
    words = np.empty(len(text) // 2 + 1, np.uint32)
    count = _read(np.frombuffer(text, np.uint8), words) if len(text) else 0
    return words[:count].copy() if count > 0 else None


def write_numbers(words: NDArray[np.uint32]) -> bytes:
    """Return words as signed numbers with commas between them: the inside of a JSON list.

    Args:
        words: uint32[n], of any stride.
    """
    numbers = np.ascontiguousarray(words).view(np.int32)
    numbers.flags.writeable = False  # one compiled variant for all arrays
    text = np.empty(words.size * LONGEST_NUMBER, np.uint8)
    end = _write(numbers, text)
    return text[: max(0, end - 1)].tobytes()


@compiled
def _read(text: NDArray[np.uint8], words: NDArray[np.uint32]) -> int:
    """Return the number of words that were read; -1 if the text has an unexpected form."""
    count, place, end = 0, 0, text.size
    while True:
        place = _after_spaces(text, place)
        is_negative = place < end and text[place] == _MINUS
        if is_negative:
            place += 1
        first, value = place, np.int64(0)
        while place < end and place - first <= _MOST_DIGITS:
            digit = np.int64(text[place]) - _ZERO
            if digit < 0 or digit > 9:
                break
            value = value * 10 + digit
            place += 1
        digits = place - first
        if digits == 0 or digits > _MOST_DIGITS or (digits > 1 and text[first] == _ZERO):
            return -1
        if value > _SIGNED_LEAST if is_negative else value >= _UNSIGNED_END:
            return -1
        words[count] = np.uint32((-value if is_negative else value) & 0xFFFFFFFF)
        count += 1
        place = _after_spaces(text, place)
        if place == end:
            return count
        if text[place] != _COMMA:
            return -1
        place += 1


@inlined
def _after_spaces(text: NDArray[np.uint8], place: int) -> int:
    while place < text.size and text[place] == _SPACE:
        place += 1
    return place


@compiled
def _write(numbers: NDArray[np.int32], text: NDArray[np.uint8]) -> int:
    """Write each number with a comma after it; return the number of characters."""
    digits = np.empty(_MOST_DIGITS, np.uint8)
    end = 0
    for number in numbers:
        value = np.uint32(number)
        if number < 0:
            text[end] = _MINUS
            end += 1
            value = np.uint32(~value + _ONE)
        count = 0
        while True:
            rest = np.uint32(value // _TEN)
            digits[count] = value - rest * _TEN + _ZERO
            count += 1
            value = rest
            if value == 0:
                break
        for place in range(count - 1, -1, -1):
            text[end] = digits[place]
            end += 1
        text[end] = _COMMA
        end += 1
    return end
