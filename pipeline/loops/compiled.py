"""Compiles the loops that NumPy can't vectorise.

Numba compiles a function at its first call and caches the machine code beside its source, so only
the first process of an installation compiles (`make install` does, see `warm_up`). Compiled loops
run without the interpreter's lock: merges and searches run in parallel.

Compiled loops do not check bounds. A caller checks its arrays, or reads them from a segment. Loops
that read segments limit every position to its section.
"""

# ruff: noqa: SLF001 - `njit(cache=True)` has no option for other modules that code depends on

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

FOLDERS: Final = ("fingerprint", "fingerprint_store", "index", "loops")
"""Folders of `pipeline` whose modules have loops or define their arguments."""


_caches: Final[list[_KeptCode]] = []
"""The files of all compiled functions that this process has imported."""


def is_compiled() -> bool:
    """Return whether no loop that this process has imported needs to be compiled.

    A loop without a file for its machine code is not counted: no other process could compile it for
    this one.
    """
    return all(cache.has_code() for cache in _caches)


def can_keep_code() -> bool:
    """Return whether Numba finds a folder for machine code: it tries to write to each.

    These are ``NUMBA_CACHE_DIR``, the folder of the source and the user's cache directory.
    """
    try:
        FunctionCache(is_compiled)
    except RuntimeError:
        return False
    return True


def compiled(function: Function) -> Function:
    """Compile `function` when it is first called; for arrays and numbers only."""
    return _compiled(function, inline=False)


def inlined(function: Function) -> Function:
    """Compile `function` into each compiled function that calls it.

    For small functions in the innermost loops: otherwise every call counts references of its array
    arguments, which takes longer than a small function itself.
    """
    return _compiled(function, inline=True)


class _KeptCode(IndexDataCacheFile):
    """The machine code of a function on the disk."""

    def _load_index(self) -> dict[Any, Any]:
        """Return the list of cached variants, empty if it can't be read.

        The list contains types of arguments. It can't be read if one of them was renamed.
        """
        try:
            kept: dict[Any, Any] = super()._load_index()  # type: ignore[no-untyped-call]
        except (AttributeError, ImportError):
            return {}
        return kept

    def has_code(self) -> bool:
        """Return whether the disk has machine code for the current source."""
        return bool(self._load_index())


def _compiled(function: Function, *, inline: bool) -> Function:
    dispatcher: Any = numba.njit(function, nogil=True, forceinline=inline)
    # If neither the source's folder nor the user's cache is writable, nothing is cached.
    with suppress(RuntimeError):
        dispatcher._cache = _code_cache(function)
        if not inline:
            _caches.append(dispatcher._cache._cache_file)
    return cast("Function", dispatcher)


def _code_cache(function: Callable[..., Any]) -> FunctionCache:
    """Return a cache for the machine code of a function, valid until any module with loops changes.

    Numba's own cache checks only the function's module. But the functions that it calls are
    compiled into it, and would be outdated after an upgrade.
    """
    cache = FunctionCache(function)
    cache._cache_file = _KeptCode(  # type: ignore[no-untyped-call]
        cache_path=cache.cache_path,
        filename_base=cache._impl.filename_base,
        source_stamp=_sources(),
    )
    return cache


@lru_cache(maxsize=1)
def _sources() -> str:
    """Return a digest of all modules from which machine code may be compiled."""
    digest = sha256()
    pipeline = Path(__file__).parents[1]
    for folder in FOLDERS:
        for path in sorted(pipeline.joinpath(folder).rglob("*.py")):
            name = path.relative_to(pipeline).as_posix()
            digest.update(b"%s\0%s\0" % (name.encode(), path.read_bytes()))
    return digest.hexdigest()
