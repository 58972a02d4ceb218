"""Arrays by their addresses, in compiled loops.

A compiled function takes no list of arrays, and each array that it is passed costs as much as a
hundred steps of a loop. So whoever has many hands over a table of addresses and sizes, and keeps
the memory alive meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
from numba.core import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def address_of(array: NDArray[np.generic]) -> int:
    """Return where a contiguous array's first element lies."""
    address: int = array.__array_interface__["data"][0]
    return address


def _generate_pointer(_typing: Any, _address: Any) -> Any:  # noqa: ANN401 - the compiler's types
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(types.int64), generate


pointer: Any = intrinsic(_generate_pointer)
"""Turns an address (int64) into what `array_at` takes, in compiled code alone."""

array_at: Any = numba.carray  # type: ignore[attr-defined]
"""Returns the array at a pointer, given its shape and the type of its elements."""
