"""The inverted index: the fingerprints that contain each query term.

Immutable, memory-mapped segments, listed in a manifest that is replaced atomically. One writer, any
number of readers in other processes; see `open_writer` and `open_reader`. The writer is imported at
its first use: its loops load Numba, which processes that only read positions and sizes don't need.
"""

from typing import TYPE_CHECKING

from pipeline.index.changelog_state import ChangelogState, changelog_metadata
from pipeline.index.changes import Change, ChangeBatch, Delete, Insert
from pipeline.index.check import verify
from pipeline.index.errors import (
    FingerprintIndexError,
    IndexCorrupt,
    IndexLocked,
    SearchTimeout,
    StalePosition,
    StateRefused,
    WriterUnusable,
)
from pipeline.index.interface import FingerprintIndex, Hits, IndexStats
from pipeline.index.reader import IndexReader, open_reader
from pipeline.index.sample_check import index_contains

if TYPE_CHECKING:
    from pipeline.index.writer import IndexWriter, open_writer

__all__ = [
    "Change",
    "ChangeBatch",
    "ChangelogState",
    "Delete",
    "FingerprintIndex",
    "FingerprintIndexError",
    "Hits",
    "IndexCorrupt",
    "IndexLocked",
    "IndexReader",
    "IndexStats",
    "IndexWriter",
    "Insert",
    "SearchTimeout",
    "StalePosition",
    "StateRefused",
    "WriterUnusable",
    "changelog_metadata",
    "index_contains",
    "open_reader",
    "open_writer",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import the writer at its first use."""
    if name in {"IndexWriter", "open_writer"}:
        from pipeline.index import writer  # noqa: PLC0415 - see above

        return getattr(writer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
