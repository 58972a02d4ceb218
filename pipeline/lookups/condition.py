"""The condition of the index or of the fingerprint store, as a lookup worker finds it."""

from enum import StrEnum


class Condition(StrEnum):
    """Whether lookups can be answered from the index or the store; if not, the reason."""

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
