"""A loaded catalogue has the same rows as imported submissions."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from bench import stages
from bench.catalogue.content import BenchCatalogue
from bench.catalogue.load import load
from bench.lookup.queries import QuerySource
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import fingerprints
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.fingerprint.tracks import insert_tracks
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint.words import signed
from pipeline.following.open_index import OpenIndex, open_index
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

CATALOGUE = BenchCatalogue(fingerprints=300)
META = "recordings releasegroups compress"


@pytest.fixture
def loaded(databases: Databases, settings: Settings) -> Databases:
    load(CATALOGUE, settings, lambda _: None)
    return databases


@pytest.fixture
def index(settings: Settings, loaded: Databases) -> Iterator[OpenIndex]:
    del loaded
    with open_index(settings.fingerprint_index) as opened:
        yield opened


def test_rows_are_those_of_an_import(loaded: Databases) -> None:
    with loaded.engine("fingerprint").connect() as connection:
        stored = fingerprints.by_ids(connection, range(1, 301), 1, 32767)
        hashes = dict(connection.execute(sa.select(fingerprint.c.id, fingerprint.c.simhash)).all())
    assert len(stored) == 300
    for number in (0, 150, 299):
        found = stored[number + 1]
        assert found.words.tolist() == CATALOGUE.words(number).tolist()
        assert (found.length, found.track_id) == (
            CATALOGUE.length(number),
            CATALOGUE.track(number) + 1,
        )
        assert hashes[number + 1] == signed(simhash_batch([found.words]))[0]


def test_an_import_gets_unused_ids(loaded: Databases) -> None:
    with loaded.engine("fingerprint").begin() as connection:
        highest = connection.execute(sa.select(sa.func.max(track.c.id))).scalar_one()
        assert insert_tracks(connection, 2) == [highest + 1, highest + 2]


def test_the_index_is_up_to_date(loaded: Databases, index: OpenIndex) -> None:
    with loaded.engine("fingerprint").connect() as connection:
        assert index.position() == newest_position(connection) == 300


def test_queries_find_their_tracks_and_metadata(loaded: Databases, index: OpenIndex) -> None:
    source = QuerySource(CATALOGUE, META)
    batch = stages.make_batch(source, iter(range(100)), 100)
    scored = score_lookups(validate_lookups(batch), index, loaded)
    answers = describe_lookups(scored, loaded).reply.answers
    described = 0
    for number, answer in enumerate(answers):
        query = source.query(number)
        if query.track is None:
            assert answer["results"] == []
        else:
            best = answer["results"][0]
            assert best["id"] == str(query.track)
            assert best["score"] >= query.least_score
            described += bool(best.get("recordings", [{}])[0].get("releasegroups"))
    assert described > 50


def test_stages_are_measured_for_each_batch_size(loaded: Databases, settings: Settings) -> None:
    del loaded
    measured = stages.measure_stages(settings, QuerySource(CATALOGUE))
    assert [each["batch"] for each in measured] == list(stages.SIZES)
    for each in measured:
        assert set(each["us_per_lookup"]) == {"validate", "dedupe", "score", "describe", "message"}
