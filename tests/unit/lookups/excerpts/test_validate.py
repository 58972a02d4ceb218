"""The first stage of lookups of excerpts: decoding, and the content that a search needs."""

import numpy as np
import pytest

from pipeline.excerpts.content import MIN_DISTINCT_WORDS
from pipeline.fingerprint.codec import compress
from pipeline.fingerprint.words import SILENCE
from pipeline.lookups.excerpts.validate import validate_excerpts
from pipeline.messages import Lookup, LookupBatch
from tests.support.catalogue.sketches import excerpt
from tests.support.catalogue.synthetic import Words

TRACK = "0a1b2c3d-0000-4000-8000-000000000001"


def validated(*lookups: Lookup) -> list[Lookup]:
    return validate_excerpts(LookupBatch("id", "reply", 0.0, [""], list(lookups))).lookups


def asked(words: Words) -> Lookup:
    return Lookup(0, fingerprint=compress(words), excerpt=True)


def repeated(distinct: int) -> Words:
    return np.resize(excerpt(0, 10.0)[:distinct], 100)


@pytest.mark.parametrize(
    ("words", "lacking"),
    [
        (repeated(5), "5 distinct words"),
        (repeated(1), "1 distinct word;"),
        (np.full(300, SILENCE, np.uint32), "0 distinct words"),
    ],
)
def test_a_fingerprint_without_enough_content_is_refused_with_what_it_lacks(
    words: Words, lacking: str
) -> None:
    [lookup] = validated(asked(words))
    assert lookup.error.startswith(f"it has {lacking}")
    assert f"needs {MIN_DISTINCT_WORDS}" in lookup.error
    assert lookup.words == b""


def test_an_excerpt_of_five_seconds_is_accepted() -> None:
    words = excerpt(1, 30.0, length=5.0)
    [lookup] = validated(asked(words))
    assert (lookup.error, lookup.fingerprint) == ("", b"")
    assert np.array_equal(np.frombuffer(lookup.words, "<u4"), words)


def test_invalid_fingerprints_and_track_ids_are_handled_as_in_other_lookups() -> None:
    cut = Lookup(0, fingerprint=compress(excerpt(0, 0.0))[:50], excerpt=True)
    empty = Lookup(0, fingerprint=b"\x01\x00\x00\x00", excerpt=True)
    track = Lookup(0, track_gid=TRACK)
    assert [each.error for each in validated(cut, empty, track)] == ["truncated", "empty", ""]
