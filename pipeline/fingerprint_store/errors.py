"""What can go wrong with the fingerprint store, as exceptions."""

from pathlib import Path


class FingerprintStoreError(Exception):
    """Every error that the store raises of its own accord."""


class StoreLocked(FingerprintStoreError):  # noqa: N818 - named for the state it reports
    """Another writer holds the store."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: another writer holds this store; wait for it")


class StoreCorrupt(FingerprintStoreError):  # noqa: N818 - named for the state it reports
    """A file of the store is missing, cut short or changed.

    Attributes:
        path: the file at fault.
        problem: what is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; run `acoustid store rebuild`")
        self.path = path
        self.problem = problem


class StoreUnusable(FingerprintStoreError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a commit failed: open the store again."""
