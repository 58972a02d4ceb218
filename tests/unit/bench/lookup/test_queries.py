"""The file of queries and the positions of the windows in it."""

from urllib.parse import parse_qs

import pytest

from bench.catalogue.content import BenchCatalogue
from bench.lookup.queries import KNOWN_SHARE, QueryFile, QuerySource
from pipeline.fingerprint.codec import decode

CATALOGUE = BenchCatalogue(fingerprints=300)


@pytest.fixture
def queries(tmp_path):
    return QueryFile(QuerySource(CATALOGUE), tmp_path / "queries.txt")


def lines(queries, span):
    return queries.path.read_bytes()[span[0] : span[1]].decode().splitlines()


def test_each_window_gets_the_next_queries(queries):
    sample = queries.sample(3)
    first = lines(queries, queries.provide(5))
    queries.used(2)
    assert lines(queries, queries.provide(1)) == first[2:3]
    assert [line[1:] for line in lines(queries, (0, 1 << 20))[:3]] == [each.body for each in sample]


def test_a_rewind_returns_the_same_queries(queries):
    first = lines(queries, queries.provide(5))
    queries.used(5)
    queries.rewind()
    assert lines(queries, queries.provide(7))[:5] == first
    assert len(set(first)) == 5


def test_a_line_starts_with_1_for_a_known_query(queries):
    sample = queries.sample(30)
    marks = [line[0] for line in lines(queries, (0, 1 << 20))]
    assert marks == ["0" if each.track is None else "1" for each in sample]


def test_80_percent_of_the_queries_are_known():
    source = QuerySource(CATALOGUE)
    known = sum(source.query(number).track is not None for number in range(500))
    assert known / 500 == pytest.approx(KNOWN_SHARE, abs=0.06)


def test_queries_repeat_only_with_distinct():
    different = {QuerySource(CATALOGUE).request(number).body for number in range(50)}
    repeated = {QuerySource(CATALOGUE, distinct=7).request(number).body for number in range(50)}
    assert (len(different), len(repeated)) == (50, 7)


def test_a_body_is_a_lookup_of_the_unlimited_application():
    source = QuerySource(CATALOGUE, meta="recordings compress")
    form = parse_qs(source.request(1).body)
    assert set(form) == {"client", "duration", "fingerprint", "meta"}
    assert form["meta"] == ["recordings compress"]
    assert decode(form["fingerprint"][0]).words.tolist() == source.query(1).words.tolist()


def test_every_real_recording_has_a_request():
    requests = list(QuerySource(CATALOGUE).real())
    assert [each.track for each in requests] == [
        CATALOGUE.track_gid(number) for number in range(CATALOGUE.real)
    ]
