"""Checks of the values of decoded bodies."""

from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index_server.errors import BadRequestError

MAX_U32: Final = 2**32 - 1
MAX_U64: Final = 2**64 - 1


def hashes(value: object) -> NDArray[np.uint32]:
    """Return a list of hashes as an array.

    Raises:
        BadRequestError: the value is not a list of numbers of 32 bits.
    """
    # The conversion accepts booleans.
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise BadRequestError
    try:
        # The conversion of a list by NumPy takes three times as long.
        return np.asarray(array("I", value), dtype=np.uint32)
    except OverflowError:
        raise BadRequestError from None


def u32(value: object) -> int:
    """Return a number of 32 bits, unsigned.

    Raises:
        BadRequestError: it is not one.
    """
    return integer(value, MAX_U32)


def integer(value: object, maximum: int) -> int:
    """Return a number from 0 to `maximum`.

    Raises:
        BadRequestError: it is not one.
    """
    if type(value) is not int or not 0 <= value <= maximum:
        raise BadRequestError
    return value


def boolean(value: object) -> bool:
    """Return a boolean.

    Raises:
        BadRequestError: it is not one.
    """
    if not isinstance(value, bool):
        raise BadRequestError
    return value


def as_list(value: object) -> list[Any]:
    """Return a list.

    Raises:
        BadRequestError: it is not one.
    """
    if not isinstance(value, list):
        raise BadRequestError
    return value


def strings(value: object) -> dict[str, str]:
    """Return a map of texts.

    Raises:
        BadRequestError: it is not one, or a text cannot be encoded in UTF-8.
    """
    if not isinstance(value, dict):
        raise BadRequestError
    try:
        for text in (*value, *value.values()):
            str.encode(text)  # JSON allows lone surrogates, UTF-8 does not
    except (TypeError, UnicodeEncodeError):
        raise BadRequestError from None
    return value
