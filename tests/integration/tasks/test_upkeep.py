"""Lookups store MBIDs that MusicBrainz does not have, and periodic tasks handle them."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa

from pipeline.fingerprint.codec import compress
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from pipeline.upkeep.missing_mbids import unknown_key
from tasks.periodic.mbid_upkeep import POSITION_KEY, follow_mbid_redirects, merge_missing_mbids
from tasks.redis_state import lookup_replies, missing_mbid_set
from tasks.redis_state.missing_mbid_set import add_missing_mbids
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.mbids import ELSEWHERE, NEW, NEWER, OLD, Links, MusicBrainz
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.lookup_front_end import ask
from tests.support.polling import eventually
from tests.support.processes.scratch_redis import scratch_redis
from tests.support.processes.workers import point_celery_at, running_workers, write_config


@pytest.fixture(scope="module")
def workers(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("workers")
    config = write_config(settings, folder / "acoustid.conf")
    point_celery_at(config, settings)
    with running_workers(config, folder, settings):
        yield


@pytest.fixture
def shared(workers: None, settings: Settings) -> Iterator[redis.Redis]:
    """The Redis of the workers, without keys of earlier tests."""
    del workers
    with connect(settings.redis, blocking=True) as connection:
        connection.delete(missing_mbid_set.KEY, POSITION_KEY, unknown_key(OLD))
        yield connection


@pytest.fixture
def importer(databases: Databases, settings: Settings) -> Importer:
    path = settings.fingerprint_index.path
    for file in path.glob("*") if path.exists() else ():
        if file.name != "lock":
            file.unlink()
    return Importer(databases, path)


@pytest.fixture
def musicbrainz(databases: Databases) -> MusicBrainz:
    """A copy of MusicBrainz that redirects another MBID."""
    made = MusicBrainz(databases)
    made.add(NEW, NEWER)
    made.redirect(ELSEWHERE, NEWER)
    return made


def look_up(connection: redis.Redis) -> LookupReply:
    key = lookup_replies.reply_key()
    lookup = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
    batch = LookupBatch(uuid4().hex, key, time.time() + 30, ["recordings"], [lookup])
    return ask(connection, batch)


def test_an_mbid_missed_by_a_lookup_is_merged(
    importer: Importer, shared: redis.Redis, musicbrainz: MusicBrainz
) -> None:
    importer.run(importer.receipt(fingerprint(1), mbid=OLD))
    musicbrainz.redirect(OLD, NEW)
    look_up(shared)
    assert eventually(lambda: shared.smembers(missing_mbid_set.KEY)) == {str(OLD).encode()}
    merge_missing_mbids.delay()
    eventually(lambda: len(importer_links(importer).rows()) == 2)
    assert [row[:3] for row in importer_links(importer).rows().values()] == [
        (OLD, 0, True),
        (NEW, 1, False),
    ]
    eventually(lambda: shared.exists(missing_mbid_set.KEY) == 0)
    [result] = look_up(shared).answers[0]["results"]
    assert [recording["id"] for recording in result["recordings"]] == [str(NEW)]


def test_an_unknown_mbid_is_removed_from_the_set_and_remembered(
    importer: Importer, shared: redis.Redis, musicbrainz: MusicBrainz
) -> None:
    del musicbrainz
    importer.run(importer.receipt(fingerprint(1), mbid=OLD))
    look_up(shared)
    eventually(lambda: shared.exists(missing_mbid_set.KEY))
    merge_missing_mbids.delay()
    eventually(lambda: shared.exists(unknown_key(OLD)))
    assert eventually(lambda: shared.exists(missing_mbid_set.KEY) == 0)


def test_without_recordings_nothing_is_remembered(importer: Importer, shared: redis.Redis) -> None:
    importer.run(importer.receipt(fingerprint(1), mbid=OLD))
    look_up(shared)
    eventually(lambda: shared.exists(missing_mbid_set.KEY))
    merge_missing_mbids.delay()
    eventually(lambda: not shared.exists(missing_mbid_set.KEY))
    assert [row[2] for row in importer_links(importer).rows().values()] == [False]
    assert not shared.exists(unknown_key(OLD))


def test_while_musicbrainz_is_busy_mbids_go_back_into_the_set(
    databases: Databases, shared: redis.Redis, musicbrainz: MusicBrainz
) -> None:
    """As during the load of a dump: the table is locked until the task gives up."""
    musicbrainz.redirect(OLD, NEW)
    links = Links(databases)
    track = links.track()
    links.link(track, OLD)
    add_missing_mbids(shared, [str(OLD)])
    with databases.engine("musicbrainz").begin() as connection:
        connection.execute(sa.text("LOCK musicbrainz.recording"))
        merge_missing_mbids.delay()
        eventually(lambda: not shared.exists(missing_mbid_set.KEY))
        eventually(lambda: shared.smembers(missing_mbid_set.KEY) == {str(OLD).encode()})
    merge_missing_mbids.delay()
    eventually(lambda: links.of(track, OLD).disabled)


def test_the_hourly_beat_goes_on_from_its_position(
    databases: Databases, shared: redis.Redis, musicbrainz: MusicBrainz
) -> None:
    links = Links(databases)
    musicbrainz.redirect(OLD, NEW)
    before, after = links.track(), links.track()
    shared.set(POSITION_KEY, links.link(before, OLD))
    links.link(after, ELSEWHERE)
    follow_mbid_redirects.delay()
    eventually(lambda: shared.get(POSITION_KEY) == b"0")
    assert links.of(after, NEWER).submission_count == 1
    assert links.of(before, OLD).submission_count == 1
    follow_mbid_redirects.delay()
    eventually(lambda: links.of(before, OLD).submission_count == 0)
    assert links.of(before, NEW).submission_count == 1


def test_the_set_of_missing_mbids_has_a_limit(settings: Settings) -> None:
    with scratch_redis(settings) as connection:
        add_missing_mbids(connection, [str(number) for number in range(missing_mbid_set.LIMIT + 5)])
        add_missing_mbids(connection, ["one more"])
        assert connection.scard(missing_mbid_set.KEY) == missing_mbid_set.LIMIT


def importer_links(importer: Importer) -> Links:
    return Links(importer.databases)
