"""Tests of the stages of a lookup that need no database: validate and dedupe."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.fingerprint.codec import compress
from pipeline.fingerprint.public_part import PUBLIC_WORDS
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, from_message, to_message
from tests.support.catalogue.synthetic import fingerprint

EXCERPT = {"excerpt": True}
CHANCE = {"second_chance": True}
TRACK = "0a1b2c3d-0000-4000-8000-000000000001"


def batch(*lookups: Lookup) -> LookupBatch:
    return LookupBatch("id", "reply", 0.0, [""], list(lookups))


def asked(seed: int, duration: int = 200, difference: int = 7) -> Lookup:
    return Lookup(0, duration, difference, fingerprint=compress(fingerprint(seed)))


def test_validate_replaces_compressed_fingerprints_by_words() -> None:
    done = validate_lookups(batch(asked(1), asked(2)))
    for lookup, seed in zip(done.lookups, (1, 2), strict=True):
        assert np.array_equal(np.frombuffer(lookup.words, "<u4"), fingerprint(seed))
        assert (lookup.fingerprint, lookup.error) == (b"", "")


def test_validate_refuses_an_invalid_fingerprint() -> None:
    broken = Lookup(0, 200, fingerprint=compress(fingerprint(1))[:90])
    empty = Lookup(0, 200, fingerprint=b"\x01\x00\x00\x00")
    done = validate_lookups(batch(broken, empty, asked(3)))
    assert [lookup.error for lookup in done.lookups] == ["truncated", "empty", ""]
    assert [bool(lookup.words) for lookup in done.lookups] == [False, False, True]


def test_validate_does_not_change_lookups_by_track_id() -> None:
    done = validate_lookups(batch(Lookup(0, track_gid=TRACK)))
    assert done.lookups == [Lookup(0, track_gid=TRACK)]


def test_dedupe_marks_only_equal_lookups() -> None:
    lookups = [asked(1), asked(2), asked(1), asked(1, 201), asked(1, 200, 8), asked(1)]
    done = dedupe_lookups(validate_lookups(batch(*lookups)))
    assert [lookup.same_as for lookup in done.lookups] == [-1, -1, 0, -1, -1, 0]
    assert [bool(lookup.words) for lookup in done.lookups] == [True, True, False, True, True, False]


def test_dedupe_compares_what_is_searched() -> None:
    """The same fingerprint has other hits as an excerpt, and with a second chance."""
    lookups = [replace(asked(1), **each) for each in ({}, EXCERPT, CHANCE, EXCERPT, CHANCE)]
    done = dedupe_lookups(validate_lookups(batch(*lookups)))
    assert [lookup.same_as for lookup in done.lookups] == [-1, -1, -1, 1, 2]


def test_dedupe_distinguishes_track_ids_and_skips_refused_lookups() -> None:
    refused = [Lookup(0, error="empty"), Lookup(0, error="empty")]
    tracks = [Lookup(0, track_gid=TRACK), Lookup(0, track_gid=TRACK)]
    done = dedupe_lookups(batch(*refused, *tracks))
    assert [lookup.same_as for lookup in done.lookups] == [-1, -1, -1, 2]


def test_a_batch_is_unchanged_by_a_message() -> None:
    original = validate_lookups(batch(asked(1), Lookup(0, track_gid=TRACK)))
    assert from_message(LookupBatch, to_message(original)) == original


@pytest.mark.parametrize(
    ("flags", "kept"),
    [({}, PUBLIC_WORDS), ({"second_chance": True}, 5_000), ({"excerpt": True}, 5_000)],
)
def test_validate_keeps_the_words_that_a_search_uses(flags: dict[str, bool], kept: int) -> None:
    """The public algorithm needs the first 120 s, the sketch index all words."""
    words = fingerprint(1, words=5_000)
    lookup = Lookup(0, 200, fingerprint=compress(words), **flags)
    [found] = validate_lookups(LookupBatch("id", "reply", 0.0, [""], [lookup])).lookups
    assert np.array_equal(np.frombuffer(found.words, "<u4"), words[:kept])
