"""The conditions of the index and of the fingerprint store, with the operator's action."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Condition(StrEnum):
    """The state of the index or of the store. Except in `OK`, lookups do not use it."""

    OK = "ok"
    """It belongs to the fingerprint database and is complete."""

    MISSING = "missing"
    """The directory has no manifest, or no server has the index."""

    FOREIGN = "foreign"
    """It belongs to another database, or to a state of this one before a restore."""

    FILLING = "filling"
    """It is filled from the beginning and is not complete yet."""

    LAGGING = "lagging"
    """It lacks changes that were committed more than `[cluster] max_lag` seconds ago."""

    DAMAGED = "damaged"
    """A file is missing, truncated or changed."""

    UNREADABLE = "unreadable"
    """The files may be intact, but the process cannot read them."""

    UNREACHABLE = "unreachable"
    """No index server answers, or the fingerprint database can't be queried."""


class Advice(NamedTuple):
    """A fault in one line for logs and health checks.

    Attributes:
        fault: the fault.
        action: the operator's action.
    """

    fault: str
    action: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.action}"


INDEX_ADVICE: Final[Mapping[Condition, Advice]] = {
    Condition.FOREIGN: Advice(
        "the index belongs to another database, or to a later state of this one",
        "check [fingerprint_index] and [database_fingerprint]; if they are right, run "
        "`acoustid index rebuild`",
    ),
    Condition.DAMAGED: Advice(
        "the index is damaged",
        "the worker of the queue index moves the files aside and fills it again; if it does not "
        "run, start it, or run `acoustid index rebuild`",
    ),
    Condition.UNREADABLE: Advice(
        "the index cannot be read",
        "check the permissions of its directory and files, the limit of open files, the free "
        "memory and the disk of the workers; the log has the error",
    ),
    Condition.MISSING: Advice(
        "the index is missing",
        "check [fingerprint_index] of the workers; the worker of the queue index fills a new one",
    ),
    Condition.UNREACHABLE: Advice(
        "the index cannot be used",
        "check that the servers of [fingerprint_index] and the database fingerprint reply",
    ),
    Condition.FILLING: Advice(
        "the index is not complete", "the worker of the queue index fills it"
    ),
    Condition.LAGGING: Advice(
        "the index is behind the database by more than [cluster] max_lag seconds",
        "check the log and the disk of the worker of the queue index",
    ),
}
"""The line for each fault of the index."""

STORE_ADVICE: Final[Mapping[Condition, Advice]] = {
    Condition.FOREIGN: Advice(
        "the fingerprint store belongs to another database, or to a later state of this one",
        "check [fingerprint_store] and [database_fingerprint]; if they are right, run "
        "`acoustid store rebuild`",
    ),
    Condition.DAMAGED: Advice(
        "the fingerprint store is damaged",
        "the worker of the queue index moves the files aside and fills it again; if it does not "
        "run, start it, or run `acoustid store rebuild`",
    ),
    Condition.UNREADABLE: Advice(
        "the fingerprint store cannot be read",
        "check the permissions of its directory and files, the limit of open files, the free "
        "memory and the disk of the workers; the log has the error",
    ),
    Condition.MISSING: Advice(
        "the fingerprint store is missing",
        "check [fingerprint_store] of the workers; the worker of the queue index fills a new one",
    ),
    Condition.UNREACHABLE: Advice(
        "the fingerprint store cannot be compared with the database fingerprint",
        "check that the database replies",
    ),
    Condition.FILLING: Advice(
        "the fingerprint store is not complete", "the worker of the queue index fills it"
    ),
    Condition.LAGGING: Advice(
        "the fingerprint store is behind the database by more than [cluster] max_lag seconds",
        "check the log and the disk of the worker of the queue index",
    ),
}
"""The line for each fault of the fingerprint store."""
