"""Fingerprints of whole recordings: imports, and lookups by the public algorithm."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import changelog, fingerprints, tables
from pipeline.fingerprint.codec import compress, decode
from pipeline.fingerprint.public_part import PUBLIC_WORDS
from pipeline.fingerprint_store import StoreRow, open_store, open_store_writer
from pipeline.index import open_reader
from pipeline.lookups.score import fetch, score_lookups
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, TrackHit
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.recordings import recordings
from tests.support.catalogue.synthetic import Words, fingerprint, near_copy

HOUR = 3600
HOUR_WORDS = 29_000


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


def find(importer: Importer, lookups: Sequence[tuple[Words, int]]) -> list[list[TrackHit]]:
    """Return the hits of lookups by words and duration."""
    asked = [Lookup(0, duration, fingerprint=compress(words)) for words, duration in lookups]
    batch = validate_lookups(LookupBatch("id", "reply", 0.0, [""], asked))
    with open_reader(importer.index_path) as index:
        scored = score_lookups(batch, index, importer.databases)
    return [lookup.hits for lookup in scored.lookups]


def test_a_stored_fingerprint_has_the_same_answers_when_it_is_whole(importer: Importer) -> None:
    """The rest of a recording changes neither candidates nor scores, whatever it is.

    Each recording is stored twice: its first 120 s, and, with a length of its own, followed by all
    other recordings and by itself. Queries are the first 120 s of copies, and whole copies.
    """
    chosen = recordings()[:10]
    parts = [decode(each.original.fingerprint).words for each in chosen]
    assert {words.size for words in parts} == {PUBLIC_WORDS}
    wholes = [np.concatenate([*parts[at:], *parts[:at], parts[at]]) for at in range(len(parts))]
    short = importer.run(*(importer.receipt(words, length=200) for words in parts))
    long = importer.run(*(importer.receipt(words, length=HOUR) for words in wholes))
    tracks = {str(a.track_gid): str(b.track_gid) for a, b in zip(short, long, strict=True)}
    assert len(set(tracks.values())) == len(chosen)
    copies = [decode(audio.fingerprint).words for r in chosen for audio in r.variants.values()]
    queries = [*copies, *(np.concatenate([copy, *parts[:3]]) for copy in copies)]
    expected = find(importer, [(words, 200) for words in queries])
    assert sum(map(bool, expected)) > 0.9 * len(queries)
    assert find(importer, [(words, 200) for words in copies]) == expected[len(copies) :]
    assert [[(hit.gid, hit.score) for hit in hits] for hits in find_long(importer, queries)] == [
        [(tracks[hit.gid], hit.score) for hit in hits] for hits in expected
    ]


def find_long(importer: Importer, queries: Sequence[Words]) -> list[list[TrackHit]]:
    return find(importer, [(words, HOUR) for words in queries])


@pytest.mark.parametrize("index", [True, False], ids=["indexed", "in the changelog's tail"])
def test_a_whole_recording_joins_the_track_of_its_first_120_s(
    importer: Importer, index: bool
) -> None:
    """It is stored beside them; a copy of either is counted, and adds no fingerprint."""
    whole = fingerprint(1, words=HOUR_WORDS)
    copy = near_copy(whole, 2, 0.02)
    for words in (whole[:PUBLIC_WORDS], whole, copy, copy[:PUBLIC_WORDS], copy[:-70]):
        importer.run(importer.receipt(words, length=HOUR), index=index)
    assert importer.tracks() == 1
    rows = importer.rows(tables.fingerprint)
    assert [len(row.words) // 4 for row in rows] == [PUBLIC_WORDS, HOUR_WORDS]
    assert sum(row.submission_count for row in rows) == 5
    assert rows[1].submission_count == 3


def test_whole_recordings_of_one_request_are_stored_once(importer: Importer) -> None:
    whole = fingerprint(1, words=HOUR_WORDS)
    copies = [whole, near_copy(whole, 2, 0.02), near_copy(whole, 3, 0.02)[:PUBLIC_WORDS]]
    importer.run(*(importer.receipt(words, length=HOUR) for words in copies))
    [stored] = importer.rows(tables.fingerprint)
    assert (len(stored.words), stored.submission_count) == (4 * HOUR_WORDS, 3)


def test_recordings_with_the_same_end_are_two_tracks(importer: Importer) -> None:
    end = fingerprint(1, words=HOUR_WORDS)
    for seed in (2, 3):
        words = np.concatenate([fingerprint(seed), end])
        importer.run(importer.receipt(words, length=HOUR))
    assert importer.tracks() == 2


def test_a_part_or_all_of_a_fingerprint_is_read(importer: Importer, tmp_path: Path) -> None:
    """From the database and from the store; the size is that of all words."""
    whole = fingerprint(1, words=HOUR_WORDS)
    importer.run(importer.receipt(whole, length=HOUR))
    databases = importer.databases
    [stored] = importer.rows(tables.fingerprint)
    with databases.engine("fingerprint").connect() as connection:
        [first] = fingerprints.of_tracks(connection, [stored.track_id])
        [all_words] = fingerprints.by_ids(connection, [stored.id], 1, HOUR).values()
        position = newest_position(connection)
        stamp = changelog.stamp(connection, position)
    assert (first.words.size, repr(first.size)) == (PUBLIC_WORDS, "29000")
    assert np.array_equal(first.words, whole[:PUBLIC_WORDS])
    assert np.array_equal(all_words.words, whole)
    with open_store_writer(tmp_path / "store") as writer:
        row = StoreRow(HOUR, stored.track_id, bytes(16), whole)
        writer.apply({stored.id: row}, position, stamp)
    with closing(TrustedStore(open_store(tmp_path / "store"), databases)) as store:
        assert store.find([stored.id], 0, HOUR).rows
        for source in (store, None):
            found = fetch(databases, source, [stored.id], 0, HOUR)
            assert np.array_equal(found[stored.id].words, whole)
            found = fetch(databases, source, [stored.id], 0, HOUR, most_words=5)
            assert np.array_equal(found[stored.id].words, whole[:5])
