"""The errors of the fingerprint store."""

from pipeline.storage.errors import StorageCorrupt, StorageLocked, StorageUnusable


class FingerprintStoreError(Exception):
    """The base of all errors that the store raises."""


class StoreLocked(StorageLocked, FingerprintStoreError):  # noqa: N818 - named for the state it reports
    """Another writer has the store open."""

    noun = "store"


class StoreCorrupt(StorageCorrupt, FingerprintStoreError):  # noqa: N818 - named for the state it reports
    """A file of the store is missing, truncated or changed."""

    usual_remedy = "run `acoustid store rebuild`"


class StoreUnusable(StorageUnusable, FingerprintStoreError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a failed commit could not be undone."""
