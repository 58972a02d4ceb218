"""Compiles every loop by calling it once, so that the first request does not wait for the compiler.

    python -m pipeline.warm_up

The machine code is cached beside the source files, or in the user's cache directory if these are
read-only.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline.fingerprint.codec import compress, decompress
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint_store.locating import locate, store_table
from pipeline.index.warm_up import warm_up as warm_index_up
from pipeline.loops.compiled import is_compiled


def is_warm() -> bool:
    """Return whether another process has nothing to compile for this one: all code is cached."""
    import pipeline.fingerprint.decoding  # noqa: F401, PLC0415 - `is_compiled` counts its loops

    return is_compiled()


@cache
def warm_up(*, index: bool = True) -> None:
    """Call the loops of fingerprints, the store and the index; once in a process and its forks.

    This takes 0.5 s, or half a minute if nothing is compiled yet.

    Args:
        index: whether to call the loops of the index. They are not used with an index server.
    """
    words = decompress(compress(np.arange(100, dtype=np.uint32) << np.uint32(16))).words
    compare2(words, words)
    extract_query(words)
    locate(store_table(()), np.empty(0, np.uint32))
    if index:
        warm_index_up()


if __name__ == "__main__":
    warm_up()
