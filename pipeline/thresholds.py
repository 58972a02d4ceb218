"""The thresholds of matching and import: one constant for each rule, grouped by area.

Rules with equal values have separate constants, so that each can be changed alone. A score
is that of `pipeline.fingerprint.compare.compare2`, 0…1. "Public service" is the constant of the
public AcoustID server with this value; values without it are this project's.
"""

from typing import Final
from uuid import UUID

# Lookups (pipeline/lookups/score.py).

LOOKUP_MATCH_THRESHOLD: Final = 0.4
"""A fingerprint is a result if its score exceeds this.

Public service: track group merge threshold.
"""

LOOKUP_LENGTH_DIFF: Final = 7
"""Maximum difference in length of a result, in seconds, for a request without `maxdurationdiff`.

Public service: max length diff.
"""

LOOKUP_MAX_RESULTS: Final = 10
"""Maximum number of tracks in an answer. Public service: results per lookup query."""

LOOKUP_MAX_COMPARED: Final = 20
"""Maximum number of candidates, with an accepted length, that are compared word by word."""

LOOKUP_INDEX_LIMIT: Final = 40
"""Maximum number of candidates from the index; more than are compared, as it has no lengths."""

LOOKUP_INDEX_MIN_SCORE: Final = 2
"""Minimum number of query terms that a candidate shares. Copies of a recording share dozens."""

LOOKUP_INDEX_SCORE_PCT: Final = 10
"""Minimum number of shared terms, in percent of those of the best candidate."""

# Imports (pipeline/imports/).

IMPORT_MATCH_THRESHOLD: Final = 0.75
"""A fingerprint is a match, and its track may be joined, if its score exceeds this.

Public service: track merge threshold.
"""

IMPORT_JOIN_THRESHOLD: Final = 0.4
"""A submission may join a track if all its fingerprints have at least this score.

Public service: track group merge threshold, in can-add.
"""

IMPORT_MAX_LENGTH_DIFF: Final = 7
"""Maximum difference in length, in seconds, of matches and of the fingerprints of a joined track.

Public service: max length diff, in can-add.
"""

IMPORT_SAME_FINGERPRINT_THRESHOLD: Final = 0.9
"""A match with a score above this is the same fingerprint; only its submission count changes.

Public service: fingerprint merge threshold.
"""

IMPORT_LONGER_WORDS: Final = 80
"""A submission with more words than this beyond a match is a longer fingerprint of the recording.

It is stored beside the match, since excerpts are found in all its words. This applies only to
submissions with more than `pipeline.fingerprint.public_part.PUBLIC_WORDS` words. 80 words are
9.9 s, more than two copies of one recording may differ in length.
"""

IMPORT_INDEX_LIMIT: Final = 40
"""Maximum number of candidates from the index; those with an accepted length are compared."""

IMPORT_INDEX_MIN_SCORE: Final = 1
"""Minimum number of query terms that a candidate shares."""

IMPORT_INDEX_SCORE_PCT: Final = 10
"""Minimum number of shared terms, in percent of those of the best candidate."""

IMPORT_SEARCH_TIMEOUT: Final = 5.0
"""Maximum seconds of the search for the candidates of a batch.

The stage `persist` may repeat it twice, within the time limit of a task (`celeryconfig.py`).
"""

IMPORT_MAX_UNINDEXED: Final = 10_000
"""Maximum number of changelog entries that an import compares because the index does not have them.

With more entries the index is too far behind, and comparing them all would delay it further.
"""

# Search for duplicate tracks (pipeline/upkeep/duplicate_tracks.py).

DUPLICATE_TRACK_THRESHOLD: Final = 0.4
"""Two tracks are duplicates if each pair of their fingerprints has at least this score.

Public service: track group merge threshold, in its track merging.
"""

DUPLICATE_MAX_LENGTH_DIFF: Final = 7
"""Maximum difference in length, in seconds, of the fingerprints of two duplicate tracks.

Public service: max length diff, in its track merging.
"""

# Lookups and imports.

NIL_UUID: Final = UUID(int=0)
"""The UUID that clients send in place of a missing MBID or PUID."""


def identifier(value: UUID | None) -> UUID | None:
    """Return an MBID or PUID; None for the nil UUID."""
    return None if value == NIL_UUID else value
