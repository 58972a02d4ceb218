"""Building blocks of compiled loops: arrays by address, prefetching, counting bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS_OF_LINE: Final = 8
"""64-bit words in a cache line."""

_TO_READ, _TO_KEEP, _DATA = 0, 3, 1  # see "llvm.prefetch" in LLVM's language reference


def address_of(array: NDArray[np.generic]) -> int:
    """Return the memory address of a contiguous array.

    A compiled function takes no list of arrays, and each array argument takes as much time as a
    hundred steps of a loop. So many arrays are passed as a table of addresses and sizes. The caller
    keeps the arrays alive until the function returns.
    """
    address: int = array.__array_interface__["data"][0]
    return address


def _generate_pointer(_typing: Any, _address: Any) -> Any:  # noqa: ANN401 - the compiler's types
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(types.int64), generate


pointer: Any = intrinsic(_generate_pointer)
"""Turns an address (int64) into the pointer that `array_at` takes; in compiled code only."""

array_at: Any = numba.carray  # type: ignore[attr-defined]
"""Returns the array at a pointer, given its shape and the type of its elements."""


def _generate_read_ahead(_typing: Any, array: Any, _place: Any) -> Any:  # noqa: ANN401 - the compiler's types
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(held.data, [arguments[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        builder.call(prefetch, [address, number(_TO_READ), number(_TO_KEEP), number(_DATA)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


read_ahead: Any = intrinsic(_generate_read_ahead)
"""Prefetches the cache line of an array's element, given array and place; in compiled code only.

It does not wait and never fails, so the place may be outside the array.
"""


def _generate_word_at(_typing: Any, array: Any, _byte: Any) -> Any:  # noqa: ANN401 - the compiler's types
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte = builder.gep(builder.bitcast(held.data, cgutils.voidptr_t), [arguments[1]])
        word = builder.load(builder.bitcast(byte, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(array, types.uint64), generate


word_at: Any = intrinsic(_generate_word_at)
"""Returns the eight bytes of an array from a byte on, as uint64; in compiled code only.

They must be inside the array; nothing checks it.
"""


@compiled
def count_ones(word: np.uint64) -> int:
    """Return the number of set bits of a word; one instruction if the processor has it."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56))
