"""The thresholds of matching and import: one constant for each rule, grouped by where it applies.

Rules with equal values have a constant each, so that one can be changed without the others. A score
is that of `pipeline.fingerprint.compare.compare2`, 0…1. "Public service" names the constant of the
public AcoustID server that the value comes from; values without it are this project's.
"""

from typing import Final
from uuid import UUID

# Lookups (pipeline/lookups/score.py).

LOOKUP_MATCH_THRESHOLD: Final = 0.4
"""A fingerprint is a result when its score exceeds this.

Public service: track group merge threshold.
"""

LOOKUP_LENGTH_DIFF: Final = 7
"""Seconds that a result's length may differ without `maxdurationdiff`.

Public service: max length diff.
"""

LOOKUP_MAX_RESULTS: Final = 10
"""Tracks in the answer to a lookup. Public service: results per lookup query."""

LOOKUP_MAX_COMPARED: Final = 20
"""Candidates of the index, with a fitting length, that are compared word by word."""

LOOKUP_INDEX_LIMIT: Final = 40
"""Candidates that the index returns. More than are compared: the index holds no lengths."""

LOOKUP_INDEX_MIN_SCORE: Final = 2
"""Query terms that a candidate shares at least. Real copies share dozens."""

LOOKUP_INDEX_SCORE_PCT: Final = 10
"""Percent of the best candidate's shared terms that a candidate shares at least."""

LOOKUP_MAX_POSTINGS: Final = 10_000
"""Postings that may add candidates; reached from half a million fingerprints on.

The terms beyond are the commonest ones. They count for the candidates that rarer terms add.
"""

# Imports (pipeline/imports/).

IMPORT_MATCH_THRESHOLD: Final = 0.75
"""A fingerprint is a match, and its track one to join, when its score exceeds this.

Public service: track merge threshold.
"""

IMPORT_JOIN_THRESHOLD: Final = 0.4
"""A submission joins a track whose fingerprints all score at least this.

Public service: track group merge threshold, in can-add.
"""

IMPORT_MAX_LENGTH_DIFF: Final = 7
"""Seconds by which matches and the fingerprints of a joined track may differ in length.

Public service: max length diff, in can-add.
"""

IMPORT_SAME_FINGERPRINT_THRESHOLD: Final = 0.9
"""A match with a score above this is the same fingerprint: only its submissions are counted.

Public service: fingerprint merge threshold.
"""

IMPORT_INDEX_LIMIT: Final = 40
"""Candidates that the index returns, all of which are compared if their length fits."""

IMPORT_INDEX_MIN_SCORE: Final = 1
"""Query terms that a candidate shares at least."""

IMPORT_INDEX_SCORE_PCT: Final = 10
"""Percent of the best candidate's shared terms that a candidate shares at least."""

IMPORT_MAX_POSTINGS: Final = 10_000
"""Postings that may add candidates, as for lookups."""

IMPORT_MAX_UNINDEXED: Final = 10_000
"""Changelog entries that an import compares one by one because the index lacks them.

With more of them the index does not keep up, and comparing them all would delay it further.
"""

# Search for duplicate tracks (pipeline/upkeep/duplicate_tracks.py).

DUPLICATE_TRACK_THRESHOLD: Final = 0.4
"""Two tracks are duplicates when each pair of their fingerprints scores at least this.

Public service: track group merge threshold, in its track merging.
"""

DUPLICATE_MAX_LENGTH_DIFF: Final = 7
"""Seconds by which the fingerprints of two duplicate tracks may differ in length.

Public service: max length diff, in its track merging.
"""

# The index server (index_server/served_index.py).

SERVED_MAX_POSTINGS: Final = 10_000
"""Postings that may add candidates to a search. fpindex's protocol has no parameter for it."""

# Lookups and imports.

NIL_UUID: Final = UUID(int=0)
"""The UUID that clients send for no MBID or PUID."""


def identifier(value: UUID | None) -> UUID | None:
    """Return an MBID or PUID; None for the all-zero one, which identifies nothing."""
    return None if value == NIL_UUID else value
