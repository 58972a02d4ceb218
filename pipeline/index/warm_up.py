"""Compiles the loops of the index by calling each once; see `pipeline.warm_up`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from pipeline.index.changes import Delete, Insert
from pipeline.index.check import verify
from pipeline.index.merging.merge_policy import MAX_SEGMENTS
from pipeline.index.packed_changes import read_changes
from pipeline.index.reader import open_reader
from pipeline.index.search.many_terms import MANY_TERMS
from pipeline.index.writer import open_writer

TIMEOUT: Final = 60.0
"""Seconds; a search with a timeout reads the clock."""


def warm_up() -> None:
    """Write, merge, search and check an index of a few documents; read an update.

    This takes 0.3 s, or several seconds if nothing is compiled yet.
    """
    read_changes(b"\x81\xa1c\x91\x81\xa1d\x81\xa1i\x01", 1)  # {"c": [{"d": {"i": 1}}]}
    terms = np.arange(0, 1 << 20, 1 << 12, dtype=np.uint32)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        with open_writer(path, merge_in_background=False) as writer:
            for document in range(1, MAX_SEGMENTS + 2):
                writer.apply([Insert(document, terms), Delete(document - 1 or 1)], document)
        with open_reader(path) as reader:
            for max_postings in (None, 1):
                reader.search([terms], max_postings=max_postings, timeout=TIMEOUT)
            reader.search([np.arange(MANY_TERMS + 1, dtype=np.uint32)], timeout=TIMEOUT)
        verify(path)
