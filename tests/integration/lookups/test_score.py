"""Lookups on a real index and database: candidates, lengths, order, track ids."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.fingerprint.codec import compress
from pipeline.fingerprint.compare import compare2
from pipeline.index import SearchTimeout, open_reader
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, TrackHit, from_message, to_message
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.limited_reader import LimitedReader
from tests.support.catalogue.synthetic import Words, fingerprint, near_copy


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


def asked(words: Words, duration: int = 200, difference: int = 7) -> Lookup:
    return Lookup(0, duration, difference, fingerprint=compress(words))


def find(importer: Importer, *lookups: Lookup) -> list[list[TrackHit]]:
    batch = validate_lookups(LookupBatch("id", "reply", 0.0, [""], list(lookups)))
    with open_reader(importer.index_path) as index:
        scored = score_lookups(batch, index, importer.databases)
    arrived = from_message(LookupBatch, to_message(scored))
    assert not any(lookup.words for lookup in arrived.lookups)
    return [lookup.hits for lookup in arrived.lookups]


def test_a_copy_finds_its_track_with_the_score_that_sql_would_show(importer: Importer) -> None:
    [status] = importer.run(importer.receipt(fingerprint(1)))
    copy = near_copy(fingerprint(1), 2, 0.03)
    [[hit]] = find(importer, asked(copy))
    assert hit.gid == str(status.track_gid)
    assert hit.score == pytest.approx(compare2(fingerprint(1), copy), abs=1e-6)
    assert len(str(hit.score)) <= len("0.123456789")


@pytest.mark.parametrize(
    ("duration", "difference", "found"),
    [(207, 7, 1), (208, 7, 0), (193, 7, 1), (192, 7, 0), (230, 30, 1), (201, 1, 1), (202, 1, 0)],
)
def test_the_length_may_differ_by_what_the_lookup_allows(
    importer: Importer, duration: int, difference: int, found: int
) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    [hits] = find(importer, asked(fingerprint(1), duration, difference))
    assert len(hits) == found


def test_lookups_of_a_batch_get_their_own_hits(importer: Importer) -> None:
    statuses = importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2, 3)))
    answers = find(importer, *(asked(fingerprint(seed)) for seed in (3, 9, 1, 2)))
    gids = [[hit.gid for hit in hits] for hits in answers]
    one, two, three = (str(status.track_gid) for status in statuses)
    assert gids == [[three], [], [one], [two]]


def test_the_best_track_comes_first_and_each_track_once(importer: Importer) -> None:
    close, far = near_copy(fingerprint(1), 5, 0.01), near_copy(fingerprint(1), 6, 0.06)
    importer.run(*(importer.receipt(words) for words in (fingerprint(1), far, close)))
    importer.run(importer.receipt(near_copy(fingerprint(1), 7, 0.02), length=208))
    [hits] = find(importer, asked(fingerprint(1), 204))
    assert len(hits) == 2
    assert hits[0].score == 1.0
    assert hits[0].score > hits[1].score


def test_a_hit_must_exceed_the_threshold(importer: Importer) -> None:
    """A copy that shares query terms, but of which too many bits differ, is no hit."""
    importer.run(importer.receipt(fingerprint(1)))
    mixed = fingerprint(1).copy()
    mixed[300:] = fingerprint(2)[300:]
    assert 0 < compare2(fingerprint(1), mixed) < 0.4
    assert find(importer, asked(mixed)) == [[]]


def test_a_lookup_by_track_id_returns_the_id_as_the_client_wrote_it(importer: Importer) -> None:
    [status] = importer.run(importer.receipt(fingerprint(1)))
    spelled = str(status.track_gid).upper()
    unknown = str(UUID(int=7))
    [[hit], nothing] = find(importer, Lookup(0, track_gid=spelled), Lookup(0, track_gid=unknown))
    assert (hit.gid, hit.score) == (spelled, 1.0)
    assert nothing == []


def test_a_lookup_by_a_merged_track_id_finds_the_current_track(importer: Importer) -> None:
    old, new = importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2)))
    ids = {row.gid: row.id for row in importer.rows(tables.track)}
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.update(tables.track)
            .where(tables.track.c.gid == old.track_gid)
            .values(new_id=ids[new.track_gid])
        )
    [[hit]] = find(importer, Lookup(0, track_gid=str(old.track_gid)))
    assert (hit.gid, hit.track_id) == (str(old.track_gid), ids[new.track_gid])


def test_a_deleted_fingerprint_that_the_index_still_has_is_no_hit(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint))
    assert find(importer, asked(fingerprint(1))) == [[]]


def test_a_search_is_exact_and_without_a_limit_by_default(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    asked_for: list[dict[str, Any]] = []
    with LimitedReader(importer.index_path, asked_for) as index:
        for options in ({}, {"max_postings": 500, "timeout": 2.5}):
            batch = validate_lookups(
                LookupBatch(
                    "id", "reply", 0.0, [""], [asked(fingerprint(1)), asked(fingerprint(2))]
                )
            )
            scored = score_lookups(batch, index, importer.databases, **options)
            arrived = from_message(LookupBatch, to_message(scored))
            is_limited = "max_postings" in options
            assert [each.partial for each in arrived.lookups] == [is_limited] * 2
            answers = describe_lookups(arrived, importer.databases).reply.answers
            assert [each.get("partial") for each in answers] == [is_limited or None] * 2
    assert [(each["max_postings"], each["timeout"]) for each in asked_for] == [
        (None, None),
        (500, 2.5),
    ]


def test_a_search_that_takes_too_long_gives_no_short_answer(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    batch = validate_lookups(LookupBatch("id", "reply", 0.0, [""], [asked(fingerprint(1))]))
    with open_reader(importer.index_path) as index, pytest.raises(SearchTimeout):
        score_lookups(batch, index, importer.databases, timeout=1e-9)
    assert batch.lookups[0].hits == []
    with open_reader(importer.index_path) as index:
        score_lookups(batch, index, importer.databases, timeout=60)
    assert len(batch.lookups[0].hits) == 1


def test_an_empty_index_finds_nothing(importer: Importer) -> None:
    assert find(importer, asked(fingerprint(1))) == [[]]
