"""The fingerprint store: a copy of the fingerprints in files, for scoring without SQL.

Immutable segments, listed in a manifest that is replaced atomically together with the changelog
position. One writer, any number of readers in other processes; see `open_store_writer` and
`open_store`.
"""

from pipeline.fingerprint_store.check import verify_store
from pipeline.fingerprint_store.errors import (
    FingerprintStoreError,
    StoreCorrupt,
    StoreLocked,
    StoreUnusable,
)
from pipeline.fingerprint_store.reader import (
    FingerprintStore,
    Found,
    StoreStats,
    open_store,
)
from pipeline.fingerprint_store.rows import StoreRow
from pipeline.fingerprint_store.writer import StoreWriter, open_store_writer

__all__ = [
    "FingerprintStore",
    "FingerprintStoreError",
    "Found",
    "StoreCorrupt",
    "StoreLocked",
    "StoreRow",
    "StoreStats",
    "StoreUnusable",
    "StoreWriter",
    "open_store",
    "open_store_writer",
    "verify_store",
]
