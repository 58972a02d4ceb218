"""The system's monotonic clock in compiled loops, so that a long loop ends at its deadline."""

from __future__ import annotations

import time
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from pipeline.loops.compiled import compiled

NEVER: Final = -1
"""The deadline of a loop without a time limit."""

_CLOCK: Final = time.CLOCK_MONOTONIC
_WORD: Final = ir.IntType(64)  # time_t and long on the supported 64-bit systems


def _generate_clock(_typing: Any) -> Any:  # noqa: ANN401 - the compiler's types
    """Generate a call of the C library's ``clock_gettime``; see its manual page."""

    def generate(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:  # noqa: ANN401
        span = ir.ArrayType(_WORD, 2)  # seconds, nanoseconds
        place = cgutils.alloca_once(builder, span)
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32), span.as_pointer()])
        clock = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(clock, [ir.IntType(32)(_CLOCK), place])
        seconds = builder.extract_value(builder.load(place), 0)
        nanoseconds = builder.extract_value(builder.load(place), 1)
        return builder.add(builder.mul(seconds, _WORD(10**9)), nanoseconds)

    return types.int64(), generate


_clock: Any = intrinsic(_generate_clock)


def deadline_in(seconds: float | None) -> int:
    """Return the deadline of a loop that begins now; `NEVER` without a time limit.

    It reads the clock without a compiled function: that would release the interpreter's lock, and
    another thread could take it.
    """
    if seconds is None:
        return NEVER
    return time.clock_gettime_ns(_CLOCK) + round(1e9 * seconds)


@compiled
def is_past(deadline: int) -> bool:
    """Return whether a deadline, in nanoseconds of this clock, is over; `NEVER` never is."""
    return deadline != NEVER and _clock() > deadline
