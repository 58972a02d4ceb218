"""Documents with scores as sortable numbers: higher scores first, then lower documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.loops.compiled import inlined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]


@inlined
def make_key(score: int, document: int) -> np.uint64:
    """Return ~score << 32 | document; the score and the document have 32 bits."""
    return (np.uint64(~np.uint32(score)) << np.uint64(32)) | np.uint64(document)


@inlined
def score_of(key: np.uint64) -> int:
    """Return the score of a key."""
    return np.int64(np.uint32(~np.uint32(key >> np.uint64(32))))


@inlined
def document_of(key: np.uint64) -> int:
    """Return the document of a key."""
    return np.int64(key & np.uint64(0xFFFFFFFF))


def split(keys: Keys) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Return documents and scores of some keys.

    NumPy does this without releasing the interpreter's lock, which another thread could take.
    """
    return keys.astype(np.uint32), (~keys >> np.uint64(32)).astype(np.int32)
