"""Compiles the loops that NumPy can't vectorise.

Numba compiles a function at its first call and caches the machine code beside its source, so only
the first process of an installation compiles (`make install` does, see `warm_up`). Compiled loops
run without the interpreter's lock: merges and searches run in parallel.

Compiled loops do not check bounds. A caller checks its arrays, or reads them from a segment. Loops
that read segments limit every position to its section.
"""

# ruff: noqa: SLF001 - `njit(cache=True)` has no option for other modules that code depends on

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.registry import cpu_target

Function = TypeVar("Function", bound=Callable[..., Any])

FOLDERS: Final = ("excerpts", "fingerprint", "fingerprint_store", "index", "loops")
"""Folders of `pipeline` whose modules have loops or define their arguments."""


_caches: Final[list[_KeptCode]] = []
"""The files of all compiled functions that this process has imported."""


def is_compiled() -> bool:
    """Return whether no loop that this process has imported needs to be compiled.

    A loop without a file for its machine code is not counted: no other process could compile it for
    this one.
    """
    return all(cache.has_code() for cache in _caches)


def forget_code() -> None:
    """Forget the machine code for this processor of all loops that this process has imported.

    A loop that other loops call is compiled into them. If only its own file is lost, no call of the
    others replaces it.
    """
    for cache in _caches:
        cache.forget()


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
    """The machine code of a function on the disk. Damaged files count as missing."""

    def has_code(self) -> bool:
        """Return whether the disk has machine code for the current source and this processor."""
        names = [name for key, name in self._load_index().items() if _is_for_this_processor(key)]
        return bool(names) and all(self._load_data(name) is not None for name in names)

    def forget(self) -> None:
        """Remove the code for this processor from the list, and keep that for others."""
        kept = self._load_index().items()
        others = {key: name for key, name in kept if not _is_for_this_processor(key)}
        with suppress(OSError):
            self._save_index(others)  # type: ignore[no-untyped-call]

    def load(self, key: Any) -> Any:  # noqa: ANN401 - Numba's
        """Return the machine code of a variant; None if it is missing or damaged."""
        name = self._load_index().get(key)
        code = None if name is None else self._load_data(name)
        return None if code is None else pickle.loads(code)  # noqa: S301 - the digest is correct

    def save(self, key: Any, data: Any) -> None:  # noqa: ANN401 - Numba's
        """Keep the machine code of a variant. On a full disk it is not kept."""
        with suppress(OSError):
            super().save(key, data)  # type: ignore[no-untyped-call]

    def _load_index(self) -> dict[Any, Any]:
        """Return the list of cached variants, empty if it can't be read.

        The list contains types of arguments. It can't be read if one of them was renamed.
        """
        try:
            kept: dict[Any, Any] = super()._load_index()  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - damaged pickles raise any exception
            return {}
        return kept

    def _save_data(self, name: str, data: Any) -> None:  # noqa: ANN401 - Numba's
        """Write the code with its digest: LLVM does not check machine code that it loads."""
        code: bytes = self._dump(data)  # type: ignore[no-untyped-call]
        super()._save_data(name, (_digest(code), code))  # type: ignore[no-untyped-call]

    def _load_data(self, name: str) -> bytes | None:
        """Return what `_save_data` wrote, in bytes; None if it is missing or damaged."""
        try:
            digest, code = super()._load_data(name)  # type: ignore[no-untyped-call]
            return code if digest == _digest(code) else None
        except Exception:  # noqa: BLE001 - damaged pickles raise any exception
            return None


def _is_for_this_processor(key: Any) -> bool:  # noqa: ANN401 - Numba's
    """Return whether the key of a variant names the processor of this machine."""
    _, processor, _ = key
    return bool(processor == cpu_target.target_context.codegen().magic_tuple())


def _digest(code: bytes) -> bytes:
    return sha256(code).digest()


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
