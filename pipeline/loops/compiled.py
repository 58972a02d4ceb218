"""Compiles the loops that NumPy can't vectorise.

Numba compiles a function when it is first called and keeps the machine code beside its source, so
only the first process of an installation pays for it (`make install` does, see `warm_up`).
Compiled loops run without the interpreter's lock: merges and searches go on side by side.

They do not check bounds. Whoever calls one has checked its arrays, or reads them from a segment,
whose loops hold every position within the section it points into.
"""

# ruff: noqa: SLF001 - `njit(cache=True)` can't be told what else machine code depends on

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])

ROOMS: Final = ("fingerprint", "fingerprint_store", "index", "loops")
"""Folders beside this one whose modules have loops, or say what those are given."""


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
    dispatcher: Any = numba.njit(function, nogil=True, forceinline=inline)
    # Where neither the source's folder nor the user's cache can be written nothing is kept.
    with suppress(RuntimeError):
        dispatcher._cache = _kept_code(function)
    return cast("Function", dispatcher)


def _kept_code(function: Callable[..., Any]) -> FunctionCache:
    """Return what keeps the machine code of a function until any module with loops changes.

    Numba's own asks for the function's module alone. But what a function calls is compiled into it,
    and would stay as it was before an upgrade.
    """
    cache = FunctionCache(function)
    cache._cache_file = IndexDataCacheFile(
        cache_path=cache.cache_path,
        filename_base=cache._impl.filename_base,
        source_stamp=_sources(),
    )
    return cache


@lru_cache(maxsize=1)
def _sources() -> str:
    """Return a digest of all modules that machine code may come from."""
    digest = sha256()
    pipeline = Path(__file__).parents[1]
    for room in ROOMS:
        for path in sorted(pipeline.joinpath(room).rglob("*.py")):
            name = path.relative_to(pipeline).as_posix()
            digest.update(b"%s\0%s\0" % (name.encode(), path.read_bytes()))
    return digest.hexdigest()
