"""Fingerprints for the store that a number tells apart, and a dict as the model of a store."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from pipeline.fingerprint_store import StoreRow, open_store

Model: TypeAlias = dict[int, tuple[int, int, bytes, bytes]]
"""Length, track id, track gid and the words' bytes by id."""


def row(number: int) -> StoreRow:
    """Return a fingerprint of up to 50 words; the same for the same number."""
    draw = np.random.default_rng(number)
    words = draw.integers(0, 1 << 32, draw.integers(0, 50), np.uint32)
    length, track_id = (int(draw.integers(1, most)) for most in (32767, 1 << 31))
    return StoreRow(length, track_id, draw.bytes(16), words)


def applied(model: Model, changes: Mapping[int, StoreRow | None]) -> Model:
    """Return the model after changes."""
    after = {key: value for key, value in model.items() if key not in changes}
    return after | {key: plain(each) for key, each in changes.items() if each is not None}


def plain(each: StoreRow) -> tuple[int, int, bytes, bytes]:
    """Return a row as values that can be compared."""
    return each.length, each.track_id, each.track_gid, each.words.tobytes()


def contents(path: Path, ids: range = range(1, 100)) -> Model:
    """Return the documents of some ids as a new reader finds them."""
    store = open_store(path)
    found = store.find(ids)
    store.close()
    assert sorted([*found.rows, *found.missing]) == list(ids)
    return {key: plain(each) for key, each in found.rows.items()}
