"""Compiles every loop by using it once, so that no first request waits for the compiler.

    python -m pipeline.warm_up

The machine code is kept beside the sources, or in the user's cache if they can't be written.
"""

from __future__ import annotations

import numpy as np

from pipeline.fingerprint.codec import compress, decompress
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint_store.locating import locate, store_table
from pipeline.index.warm_up import warm_up as warm_index_up


def warm_up(*, index: bool = True) -> None:
    """Use a fingerprint as lookups do, and an index: 0.5 s, or half a minute at first.

    Args:
        index: whether the index is used too; a worker whose index is on a server does not need it.
    """
    words = decompress(compress(np.arange(100, dtype=np.uint32) << np.uint32(16))).words
    compare2(words, words)
    extract_query(words)
    locate(store_table(()), np.empty(0, np.uint32))
    if index:
        warm_index_up()


if __name__ == "__main__":
    warm_up()
