"""The sample catalogue on real servers and workers."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
import sqlalchemy as sa

from cli.errors import StackError
from cli.sample import demo_lookup, load_sample
from cli.sample.recordings import demo_recording
from pipeline.catalog import migrate
from pipeline.catalog.app import tables as app_tables
from pipeline.catalog.fingerprint import tables as fingerprint_tables
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.fingerprint.codec import unpack_text
from pipeline.lookups.describe import describe_lookups
from pipeline.messages import Lookup, LookupBatch, TrackHit
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.redis_state import lookup_replies
from tests.support.clients.lookup_front_end import ask
from tests.support.processes.servers import Servers
from tests.support.processes.workers import point_celery_at, running_workers, write_config

EVERYTHING = "recordings releasegroups releases tracks sources isrcs"


@pytest.fixture(scope="module")
def own(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with databases and an index for this module only."""
    settings = servers.settings("_sample")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    config = write_config(settings, tmp_path_factory.mktemp("sample") / "acoustid.conf")
    point_celery_at(config, settings)
    return settings


@pytest.fixture(scope="module")
def impatient(own: Settings) -> str:
    """The error of loading without workers. The receipts are written."""
    with pytest.raises(StackError) as caught:
        load_sample(own, lambda _line: None, timeout=0.5)
    return str(caught.value)


@pytest.fixture(scope="module")
def loaded(
    own: Settings, impatient: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """The settings after workers have imported these receipts, without the sweeper."""
    assert impatient
    folder = tmp_path_factory.mktemp("workers")
    config = write_config(own, folder / "acoustid.conf")
    with running_workers(config, folder, own):
        load_sample(own, lambda _line: None)
        yield own


@pytest.fixture
def databases(loaded: Settings) -> Iterator[Databases]:
    """Engines for one test."""
    made = Databases(loaded)
    yield made
    made.dispose()


def counts(databases: Databases) -> dict[str, int]:
    """Return the numbers of rows in the tables that loading fills."""
    tables = {
        "app": (app_tables.account, app_tables.application),
        "ingest": (ingest_tables.submission,),
        "fingerprint": (fingerprint_tables.track, fingerprint_tables.fingerprint),
        "musicbrainz": (mb.recording, mb.track),
    }
    found: dict[str, int] = {}
    for name, listed in tables.items():
        with databases.engine(name).connect() as connection:  # type: ignore[arg-type]
            for table in listed:
                query = sa.select(sa.func.count()).select_from(table)
                found[table.name + "@" + name] = connection.execute(query).scalar_one()
    return found


def keys(value: Any) -> set[str]:
    """Return all keys in a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*(keys(each) for each in value.values()))
    return set().union(*(keys(each) for each in value)) if isinstance(value, list) else set()


def test_without_workers_loading_times_out(impatient: str):
    assert "acoustid status" in impatient


def test_every_recording_becomes_a_track(databases: Databases):
    """The submissions belong to one application with its own account."""
    assert counts(databases) == {
        "account@app": 1,
        "application@app": 1,
        "submission@ingest": 60,
        "track@fingerprint": 60,
        "fingerprint@fingerprint": 60,
        "recording@musicbrainz": 60,
        "track@musicbrainz": 85,
    }


def test_loading_again_changes_nothing(loaded: Settings, databases: Databases):
    """It also reports no progress."""
    before = counts(databases)
    steps: list[str] = []
    load_sample(loaded, steps.append)
    assert counts(databases) == before
    assert steps == []


def test_loading_waits_for_the_index(loaded: Settings, tmp_path: Path):
    """For example after an interruption between import and index."""
    index = loaded.fingerprint_index.model_copy(update={"path": tmp_path / "index"})
    behind = loaded.model_copy(update={"fingerprint_index": index})
    with pytest.raises(StackError, match="the index is not up to date"):
        load_sample(behind, lambda _line: None, timeout=0.5)


def test_an_existing_musicbrainz_copy_is_not_changed(loaded: Settings, databases: Databases):
    """If there is any recording, no row is added."""
    with databases.engine("musicbrainz").begin() as connection:
        connection.execute(sa.delete(mb.replication_control))
    load_sample(loaded, lambda _line: None)
    with databases.engine("musicbrainz").connect() as connection:
        assert connection.execute(sa.select(mb.replication_control)).all() == []


def test_the_demo_lookup_finds_its_recording(loaded: Settings):
    """The lookup is sent like that of a front end."""
    form = {name: value for name, [value] in parse_qs(demo_lookup()).items()}
    lookup = Lookup(
        request=0, duration=int(form["duration"]), fingerprint=unpack_text(form["fingerprint"])
    )
    key = lookup_replies.reply_key()
    deadline = time.time() + 30
    batch = LookupBatch(uuid4().hex, key, deadline, [form["meta"]], [lookup])
    reply = ask(connect(loaded.redis, blocking=True), batch)
    best = reply.answers[0]["results"][0]
    assert best["score"] > 0.9
    assert [each["title"] for each in best["recordings"]] == [demo_recording().title]


def test_every_meta_word_returns_data(databases: Databases):
    """The sample has every kind of metadata."""
    with databases.engine("fingerprint").connect() as connection:
        tracks = connection.execute(
            sa.select(fingerprint_tables.track.c.id, fingerprint_tables.track.c.gid)
        ).all()
    lookups = [Lookup(request=0, hits=[TrackHit(row.id, str(row.gid), 1.0) for row in tracks])]
    batch = LookupBatch("all", "nowhere", time.time() + 30, [EVERYTHING], lookups)
    assert keys(describe_lookups(batch, databases).reply.answers) >= {
        *("title", "duration", "artists", "joinphrase", "isrcs", "sources"),
        *("releasegroups", "type", "secondarytypes"),
        *("releases", "medium_count", "track_count", "releaseevents", "country", "date", "day"),
        *("mediums", "format", "position", "tracks"),
    }
