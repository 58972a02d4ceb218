"""Reading ahead in compiled loops."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_TO_READ, _TO_KEEP, _DATA = 0, 3, 1  # see "llvm.prefetch" in LLVM's language reference
WORDS_OF_LINE: Final = 8
"""Words of 64 bits that are read from memory together."""


def _generate(_typing: Any, array: Any, _place: Any) -> Any:  # noqa: ANN401 - the compiler's types
    """Ask the processor for the line of an array's element, to be read and kept: any place may be.

    It waits for nothing and never fails, so the place may lie outside the array.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(held.data, [arguments[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        builder.call(prefetch, [address, number(_TO_READ), number(_TO_KEEP), number(_DATA)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


read_ahead: Any = intrinsic(_generate)
