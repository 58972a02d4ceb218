"""The conditions of index, fingerprint store and sketch index, with the operator's action."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Condition(StrEnum):
    """The state of index, store or sketch index. Except in `OK`, lookups do not use it."""

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


def _advice(
    noun: str, section: str, command: str, unreachable: Advice
) -> Mapping[Condition, Advice]:
    """Return the line for each fault of a copy.

    Args:
        noun: its name.
        section: the section of its options.
        command: the command that rebuilds it.
        unreachable: the line of `Condition.UNREACHABLE`.
    """
    return {
        Condition.FOREIGN: Advice(
            f"the {noun} belongs to another database, or to a later state of this one",
            f"check [{section}] and [database_fingerprint]; if they are right, run `{command}`",
        ),
        Condition.DAMAGED: Advice(
            f"the {noun} is damaged",
            "the worker of the queue index moves the files aside and fills it again; if it does "
            f"not run, start it, or run `{command}`",
        ),
        Condition.UNREADABLE: Advice(
            f"the {noun} cannot be read",
            "check the permissions of its directory and files, the limit of open files, the free "
            "memory and the disk of the workers; the log has the error",
        ),
        Condition.MISSING: Advice(
            f"the {noun} is missing",
            f"check [{section}] of the workers; the worker of the queue index fills a new one",
        ),
        Condition.UNREACHABLE: unreachable,
        Condition.FILLING: Advice(
            f"the {noun} is not complete", "the worker of the queue index fills it"
        ),
        Condition.LAGGING: Advice(
            f"the {noun} is behind the database by more than [cluster] max_lag seconds",
            "check the log and the disk of the worker of the queue index",
        ),
    }


def _not_compared(noun: str) -> Advice:
    return Advice(
        f"the {noun} cannot be compared with the database fingerprint",
        "check that the database replies",
    )


INDEX_ADVICE: Final = _advice(
    "index",
    "fingerprint_index",
    "acoustid index rebuild",
    Advice(
        "the index cannot be used",
        "check that the servers of [fingerprint_index] and the database fingerprint reply",
    ),
)
"""The line for each fault of the index."""

STORE_ADVICE: Final = _advice(
    "fingerprint store",
    "fingerprint_store",
    "acoustid store rebuild",
    _not_compared("fingerprint store"),
)
"""The line for each fault of the fingerprint store."""

SKETCH_ADVICE: Final = _advice(
    "sketch index",
    "fingerprint_index",
    "acoustid index rebuild --sketch",
    _not_compared("sketch index"),
)
"""The line for each fault of the sketch index."""
