"""MBIDs that lookups did not find in MusicBrainz are merged, kept or disabled."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import redis
import sqlalchemy as sa

from pipeline.catalog.app import tables as app_tables
from pipeline.catalog.app.accounts import BOT_NAME, ensure_bot_account
from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.edits.link_edits import link_mbid
from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.musicbrainz.recording_redirects import read_recordings
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.upkeep.missing_mbids import (
    UNKNOWN_NOTE,
    MissingMbidOutcome,
    merge_missing_mbid,
    unknown_key,
)
from tests.support.catalogue.mbids import ELSEWHERE, NEW, NEWER, OLD, Links, MusicBrainz
from tests.support.processes.scratch_redis import scratch_redis

DAY = timedelta(days=1)


@pytest.fixture
def links(databases: Databases) -> Links:
    return Links(databases)


@pytest.fixture
def musicbrainz(databases: Databases) -> MusicBrainz:
    """A copy with two recordings and one redirect."""
    made = MusicBrainz(databases)
    made.add(NEW, NEWER)
    made.redirect(ELSEWHERE, NEWER)
    return made


@pytest.fixture
def remembered(settings: Settings) -> Iterator[redis.Redis]:
    """Redis without data."""
    with scratch_redis(settings) as connection:
        yield connection


@pytest.fixture
def settle(databases: Databases, remembered: redis.Redis) -> Callable[[], MissingMbidOutcome]:
    """Return a function that merges or disables the old MBID, by the current copy."""

    def settle() -> MissingMbidOutcome:
        recordings = read_recordings(databases, [OLD])
        assert recordings is not None
        return merge_missing_mbid(OLD, recordings, databases, remembered)

    return settle


def now() -> datetime:
    return datetime.now(UTC)


def test_an_mbid_that_musicbrainz_merged_is_merged(links, musicbrainz, settle, remembered) -> None:
    links.link(links.track(), OLD, 2)
    assert settle() is MissingMbidOutcome.WAITING
    musicbrainz.redirect(OLD, NEW)
    assert settle() is MissingMbidOutcome.MERGED
    assert [row[0:3] for row in links.rows().values()] == [(OLD, 0, True), (NEW, 2, False)]
    assert not remembered.exists(unknown_key(OLD))


def test_a_recording_that_appeared_is_kept(links, musicbrainz, settle, remembered) -> None:
    link = links.link(links.track(), OLD)
    assert settle() is MissingMbidOutcome.WAITING
    musicbrainz.add(OLD)
    assert settle() is MissingMbidOutcome.KNOWN
    assert links.rows() == {link: (OLD, 1, False, None)}
    assert not remembered.exists(unknown_key(OLD))


def test_an_unknown_mbid_is_not_disabled_at_once(links, musicbrainz, settle, remembered) -> None:
    link = links.link(links.track(), OLD)
    musicbrainz.replicated(now())
    assert {settle() for _ in range(3)} == {MissingMbidOutcome.WAITING}
    assert links.rows()[link] == (OLD, 1, False, None)
    assert datetime.fromisoformat(remembered.get(unknown_key(OLD)).decode()) <= now()
    assert 0 < remembered.ttl(unknown_key(OLD)) <= 90 * DAY.total_seconds()


def test_after_a_week_of_replication_every_link_is_disabled(
    links, musicbrainz, settle, remembered
) -> None:
    found = [links.link(links.track(), OLD) for _ in range(2)]
    other = links.link(links.track(), NEW)
    musicbrainz.replicated(now())
    settle()
    musicbrainz.replicated(now() + 7 * DAY - timedelta(minutes=1))
    assert settle() is MissingMbidOutcome.WAITING
    musicbrainz.replicated(now() + 7 * DAY)
    assert settle() is MissingMbidOutcome.DISABLED
    assert {link for link, row in links.rows().items() if row[2]} == set(found)
    assert links.rows()[other] == (NEW, 1, False, None)
    assert [(each.track_mbid_id, each.disabled, each.note) for each in links.changes()] == [
        (link, True, UNKNOWN_NOTE) for link in found
    ]
    assert not remembered.exists(unknown_key(OLD))


def test_a_copy_that_is_older_than_the_mbid_disables_nothing(links, musicbrainz, settle) -> None:
    """A dump that was made before the first miss is loaded a month later."""
    link = links.link(links.track(), OLD)
    musicbrainz.replicated(now() - 60 * DAY)
    settle()
    musicbrainz.replicated(now() - 1 * DAY)
    assert settle() is MissingMbidOutcome.WAITING
    assert links.rows()[link] == (OLD, 1, False, None)


@pytest.mark.usefixtures("musicbrainz")
def test_a_copy_without_a_date_disables_nothing(links, settle, remembered) -> None:
    link = links.link(links.track(), OLD)
    assert settle() is MissingMbidOutcome.WAITING
    remembered.set(unknown_key(OLD), (now() - 365 * DAY).isoformat())
    assert settle() is MissingMbidOutcome.WAITING
    assert links.rows()[link] == (OLD, 1, False, None)


@pytest.mark.parametrize("recordings", [True, False], ids=["no redirects", "nothing at all"])
def test_a_copy_without_recordings_or_redirects_disables_nothing(
    links, databases, settle, remembered, recordings: bool
) -> None:
    link = links.link(links.track(), OLD)
    if recordings:
        MusicBrainz(databases).add(NEW)
    remembered.set(unknown_key(OLD), (now() - 365 * DAY).isoformat())
    assert settle() is MissingMbidOutcome.WAITING
    assert links.rows()[link] == (OLD, 1, False, None)


def test_a_repeated_disabling_is_recorded_once(links: Links) -> None:
    links.link(links.track(), OLD)
    assert disable_mbid(links.databases, OLD, "gone") == 1
    assert disable_mbid(links.databases, OLD, "gone") == 0
    assert len(links.changes()) == 1


def test_disabled_links_get_no_change_record(links: Links) -> None:
    links.link(links.track(), OLD, disabled=True)
    assert disable_mbid(links.databases, OLD, "gone") == 0
    assert list(links.changes()) == []


def test_a_run_that_died_after_the_record_is_completed(links: Links) -> None:
    """The server ends the connection at the commit."""
    link = links.link(links.track(), OLD)
    engine = links.databases.engine("fingerprint")

    def die(connection: sa.Connection) -> None:
        backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        with links.databases.engine("ingest").connect() as other:
            other.execute(sa.text(f"SELECT pg_terminate_backend({backend}, 5000)"))

    sa.event.listen(engine, "commit", die)
    try:
        with pytest.raises(sa.exc.OperationalError):
            disable_mbid(links.databases, OLD, "gone")
    finally:
        sa.event.remove(engine, "commit", die)
    assert links.rows()[link] == (OLD, 1, False, None)
    assert len(links.changes()) == 1
    assert disable_mbid(links.databases, OLD, "gone") == 1
    assert links.rows()[link] == (OLD, 1, True, None)
    assert len(links.changes()) == 1


def test_a_link_that_was_enabled_again_gets_a_new_record(links: Links) -> None:
    link = links.link(links.track(), OLD)
    disable_mbid(links.databases, OLD, "gone")
    links.change(link)
    with links.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.text("UPDATE track_mbid SET disabled = false"))
    disable_mbid(links.databases, OLD, "gone")
    assert [each.disabled for each in links.changes()] == [True, False, True]


def test_a_link_that_an_edit_enabled_again_gets_a_new_record(links: Links) -> None:
    track_id = links.track()
    links.link(track_id, OLD)
    disable_mbid(links.databases, OLD, "gone")
    link_mbid(links.databases, Author(1, "it exists"), track_id, OLD)
    assert disable_mbid(links.databases, OLD, "gone") == 1
    assert [each.note for each in links.changes()] == ["gone", "gone"]


def test_concurrent_disabling_is_recorded_once_by_one_account(links: Links) -> None:
    for _ in range(5):
        links.link(links.track(), OLD)
    barrier = Barrier(2)

    def work(_: int) -> int:
        barrier.wait(timeout=60)
        return disable_mbid(links.databases, OLD, "gone")

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, range(2))) == [0, 5]
    assert len(links.changes()) == 5
    with links.databases.engine("app").begin() as connection:
        names = connection.execute(sa.select(app_tables.account.c.name)).scalars().all()
        bot = ensure_bot_account(connection)
    assert names == [BOT_NAME]
    assert {each.account_id for each in links.changes()} == {bot}
