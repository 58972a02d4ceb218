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

    DAMAGED = "damaged"
    """A file is missing, truncated or changed."""

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
        "`acoustid index verify` names the file, `acoustid index rebuild` rebuilds the index",
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
        "`acoustid store check` names the file, `acoustid store rebuild` rebuilds the store",
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
}
"""The line for each fault of the fingerprint store."""
