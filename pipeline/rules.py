"""The public service's constants and rules of matching and import (one place for all stages)."""

from typing import Final
from uuid import UUID

TRACK_MERGE_THRESHOLD: Final = 0.75  # a match above it makes its track a candidate to join
TRACK_GROUP_THRESHOLD: Final = 0.4  # every fingerprint of a track reaches it, each hit exceeds it
FINGERPRINT_MERGE_THRESHOLD: Final = 0.9  # a match above it is the same fingerprint
MAX_LENGTH_DIFF: Final = 7  # seconds
MAX_RESULTS: Final = 10  # tracks in the answer to a lookup
# Postings that may bring in candidates; reached from half a million fingerprints on. The terms
# beyond are the commonest: they still count for the candidates that rarer ones bring in.
INDEX_MAX_POSTINGS: Final = 10_000

NIL_UUID: Final = UUID(int=0)


def identifier(value: UUID | None) -> UUID | None:
    """Return an MBID or PUID, or None for the all-zero one, which names nothing."""
    return None if value == NIL_UUID else value
