"""The tracks whose lengths are read to find mismatches of length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch
from pipeline.catalog.fingerprint.track_links import RecordingLink
from pipeline.catalog.musicbrainz.metadata import Recording
from pipeline.lookups.metadata.doubtful_lengths import doubtful_tracks
from pipeline.lookups.metadata.reading import plan_requests
from pipeline.messages import Lookup, LookupBatch, TrackHit

TRACK = 7
HIT = TrackHit(TRACK, "gid", 1.0)


def doubtful(milliseconds: int | None, *lookups: Lookup, meta: str = "recordings") -> bool:
    """Return whether the lengths of the track are read, given the length of its recording."""
    batch = LookupBatch("batch", "replies", 0.0, [meta], list(lookups))
    recordings = {"mbid": Recording(1, "mbid", "x", milliseconds, 1, None)}
    links = {TRACK: [RecordingLink("mbid", 1)]}
    return TRACK in doubtful_tracks(batch, plan_requests(batch), links, recordings)


def lookup(duration: int = 200, difference: int = 7, gid: str = "") -> Lookup:
    return Lookup(0, duration, difference, track_gid=gid, hits=[HIT])


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(177_000, False), (176_999, True), (223_000, False), (223_001, True), (None, False)],
)
def test_a_recording_near_the_duration_is_not_in_doubt(milliseconds, expected) -> None:
    assert doubtful(milliseconds, lookup()) is expected


def test_a_lookup_by_track_id_has_no_duration() -> None:
    assert doubtful(10_000, lookup(0, gid="gid"))
    assert not doubtful(None, lookup(0, gid="gid"))


def test_words_for_which_nothing_is_compared() -> None:
    assert not doubtful(10_000, lookup(), meta="recordingids")
    assert not doubtful(10_000, lookup(), meta="releases")
    assert doubtful(10_000, lookup(), meta="recordingids hide_duration_mismatches")


def test_an_equal_lookup_has_the_hits_and_the_duration_of_the_first() -> None:
    first, equal = lookup(), Lookup(0, 200, same_as=0)
    assert not doubtful(200_000, first, equal)
    assert doubtful(100_000, first, equal)


@given(
    found=st.integers(1, 600),
    others=st.lists(st.integers(1, 600), max_size=3),
    difference=st.integers(1, 30),
    offset=st.integers(-30, 30),
    milliseconds=st.integers(1, 700_000),
)
def test_each_mismatch_is_in_doubt(found, others, difference, offset, milliseconds) -> None:
    """The lookup found one of the fingerprints, so its duration is near that one's length."""
    if abs(offset) > difference:
        return
    lengths = LengthRange(min(found, *others, found), max(found, *others, found))
    if is_mismatch(milliseconds, lengths):
        assert doubtful(milliseconds, lookup(found + offset, difference))
