"""Compares the length of a recording at MusicBrainz with the fingerprints of a linked track.

A link with a mismatch is probably wrong: the MBID of another version, or of another recording.

The fingerprints of a track have similar lengths, since only similar ones become one track. A
recording is compared with the range of these lengths, not with their median: a link is then a
mismatch only if it fits no fingerprint of the track.
"""

from typing import Final, NamedTuple

MAX_DIFFERENCE: Final = 30
"""Seconds by which a recording may be longer or shorter than the fingerprints of its track."""


class LengthRange(NamedTuple):
    """The lengths of the fingerprints of a track, in seconds."""

    shortest: int
    longest: int


def is_mismatch(milliseconds: int | None, lengths: LengthRange | None) -> bool:
    """Return whether a recording is too long or too short for a track.

    Args:
        milliseconds: the length of the recording at MusicBrainz; None or 0 if it is unknown.
        lengths: the lengths of the track's fingerprints; None if it has none. If one of the two
            lengths is unknown, there is no mismatch.
    """
    if not milliseconds or lengths is None:
        return False
    too_short = milliseconds < 1000 * (lengths.shortest - MAX_DIFFERENCE)
    return too_short or milliseconds > 1000 * (lengths.longest + MAX_DIFFERENCE)
