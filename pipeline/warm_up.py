"""Compiles every loop by calling it once, so that the first request does not wait for the compiler.

    python -m pipeline.warm_up

The machine code is cached beside the source files, or in the user's cache directory if these are
read-only.
"""

from __future__ import annotations

import sys
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from pipeline.excerpts.alignment import align_batch
from pipeline.fingerprint.codec import compress, decompress
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint.sketch import sketch_query_batch, sketch_terms
from pipeline.fingerprint_store.locating import locate, store_table
from pipeline.index.warm_up import warm_up as warm_index_up
from pipeline.loops.compiled import forget_code, is_compiled
from pipeline.loops.number_lists import read_numbers, write_numbers

if TYPE_CHECKING:
    from collections.abc import Callable


def is_warm() -> bool:
    """Return whether the machine code of all loops is cached, so that none must be compiled."""
    # `is_compiled` counts the loops of imported modules.
    import pipeline.fingerprint.decoding  # noqa: PLC0415
    import pipeline.index.segments.radix_sort  # noqa: F401, PLC0415

    return is_compiled()


@cache
def warm_up(*, index: bool = True) -> None:
    """Call the loops of fingerprints, the store and the index; once in a process and its forks.

    This takes 0.5 s, or half a minute if nothing is compiled yet.

    Args:
        index: whether to call the loops of the index. They are not used with an index server.
    """
    for _, call in _steps(index=index):
        call()


def _steps(*, index: bool) -> list[tuple[str, Callable[[], None]]]:
    """Return functions that call the loops, each with the name of what it calls."""
    steps: list[tuple[str, Callable[[], None]]] = [
        ("fingerprints", _call_loops_of_fingerprints),
        ("the fingerprint store", _call_loops_of_the_store),
        ("excerpts", _call_loops_of_excerpts),
    ]
    return [*steps, ("the index", warm_index_up)] if index else steps


def _call_loops_of_fingerprints() -> None:
    words = decompress(compress(np.arange(100, dtype=np.uint32) << np.uint32(16))).words
    compare2(words, words)
    extract_query(words)
    sketch_terms(words, 1)
    sketch_query_batch([words], 1)
    read_numbers(memoryview(write_numbers(words)))


def _call_loops_of_excerpts() -> None:
    words = np.arange(100, dtype=np.uint32) << np.uint32(16)
    align_batch([words], [words], ([0], [0]))


def _call_loops_of_the_store() -> None:
    locate(store_table(()), np.empty(0, np.uint32))


def _compile_in_parallel() -> None:
    """Call all loops, each step in a process of its own, because the compiler uses one processor.

    Raises:
        SystemExit: a step failed; its process has printed why.
    """
    context = get_context("fork")
    processes = []
    for what, call in reversed(_steps(index=True)):
        print(f"compiling the loops of {what}", flush=True)  # noqa: T201
        processes.append(context.Process(target=call))
        processes[-1].start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit(1)


if __name__ == "__main__":
    if not is_warm():
        forget_code()
    _compile_in_parallel()
