"""Compiles the loops that NumPy can't vectorise.

Numba compiles a function when it is first called and keeps the machine code beside its source, so
only the first process of an installation pays for it (`make install` does, see `warm_up`).
Compiled loops run without the interpreter's lock: merges and searches go on side by side.

They do not check bounds. Whoever calls one has checked its arrays, or reads them from a segment,
whose loops hold every position within the section it points into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` when it is first called; for arrays and numbers only."""
    return _compiled(function, inline=False)


def inlined(function: Function) -> Function:
    """Compile `function` into each compiled function that calls it.

    For small ones in the inmost loops: otherwise each array among the arguments is counted as used,
    and no longer used, by every call, which takes longer than what many of them do.
    """
    return _compiled(function, inline=True)


def _compiled(function: Function, *, inline: bool) -> Function:
    try:
        return cast("Function", numba.njit(function, cache=True, nogil=True, forceinline=inline))
    except RuntimeError:
        # Neither the source's folder nor the user's cache can be written: compile in each process.
        return cast("Function", numba.njit(function, nogil=True, forceinline=inline))
