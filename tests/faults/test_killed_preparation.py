"""Migrations, rebuilds and loads are killed at their steps; the next run goes on each time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cli.errors import StackError
from cli.sample import load_sample
from cli.sample.load import NAME
from cli.sample.recordings import MUSICBRAINZ
from pipeline.catalog import migrate
from pipeline.catalog.app.tables import account, application
from pipeline.catalog.ingest.tables import submission
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.load import load_dump
from pipeline.catalog.musicbrainz.dump.open_dump import open_dump
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint_store import open_store, open_store_writer
from pipeline.following.open_index import open_updater
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import rebuild_follower, rebuild_index
from pipeline.index import open_reader
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.interruptions import DIED, At, Dying, in_a_child, watch_sql
from tests.support.processes.servers import Servers
from tests.support.processes.workers import point_celery_at, write_config

SEEDS = range(1, 6)
BATCH = 2  # so that five fingerprints are several batches


def kill_at_steps(
    run: Callable[[At], object], stride: int = 1, check: Callable[[], object] = lambda: None
) -> int:
    """Run a function in processes that die at a step, each at a later one, until one ends.

    Args:
        run: is called with a function that it calls at each step besides those of SQL.
        stride: the number of steps between two kills.
        check: is called after each kill.

    Returns:
        The number of kills.
    """
    kills = 0

    def die_at(number: int) -> None:
        at = Dying(number)
        watch_sql(sa.Engine, at)
        run(at)

    while (status := in_a_child(partial(die_at, 1 + stride * kills))) == DIED:
        kills += 1
        check()
    assert status == 0
    return kills


def count(databases: Databases, name: str, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    with databases.engine(name).connect() as connection:  # type: ignore[arg-type]
        query = sa.select(sa.func.count()).select_from(table).where(*where)
        return int(connection.execute(query).scalar_one())


def prepare_databases(settings: Settings) -> None:
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)


def test_a_migration_goes_on_after_a_kill(servers: Servers) -> None:
    settings = servers.settings("_killed_migration")
    assert kill_at_steps(lambda _at: prepare_databases(settings), stride=30) > 4
    for name, database in migrate.database_settings(settings).items():
        with sa.create_engine(database.url(), poolclass=sa.NullPool).connect() as connection:
            options = {"version_table": f"alembic_version_{name}", "include_schemas": True}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, migrate.METADATA[name]) == []


def test_databases_that_two_processes_create_at_once(servers: Servers) -> None:
    """PostgreSQL still creates a database when its client was killed."""
    settings = servers.settings("_created_twice")
    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(migrate.create_missing, settings) for _ in range(4)]:
            each.result()


@pytest.fixture
def loaded_once(servers: Servers, tmp_path: Path) -> Iterator[tuple[Settings, Databases]]:
    """Databases and settings of Celery for one test, without workers."""
    settings = servers.settings("_killed_sample")
    prepare_databases(settings)
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    databases = Databases(settings)
    yield settings, databases
    databases.dispose()


def test_the_sample_is_submitted_once(loaded_once: tuple[Settings, Databases]) -> None:
    """It has one account and one application, wherever a load was killed."""
    settings, databases = loaded_once

    def load(at: At) -> None:
        at("start")
        with pytest.raises(StackError, match="not imported yet"):
            load_sample(settings, at, timeout=0.0)

    assert kill_at_steps(load, stride=8) > 3
    assert count(databases, "ingest", submission) == 60
    assert count(databases, "app", account, account.c.name == NAME) == 1
    assert count(databases, "app", application, application.c.name == NAME) == 1
    assert count(databases, "musicbrainz", mb.recording) == 60


def test_a_load_of_musicbrainz_changes_all_or_nothing(
    loaded_once: tuple[Settings, Databases],
) -> None:
    settings, databases = loaded_once
    with databases.engine("musicbrainz").begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {', '.join(mb.METADATA.tables)}"))
        old = {"id": 999, "gid": sa.func.gen_random_uuid(), "name": "Old", "artist_credit": 1}
        connection.execute(sa.insert(mb.recording).values(old))

    def load(at: At) -> None:
        own = Databases(settings)
        load_dump(own.engine("musicbrainz"), open_dump(MUSICBRAINZ), lambda *_: at("file"))

    def check_unchanged() -> None:
        assert count(databases, "musicbrainz", mb.recording) == 1

    assert kill_at_steps(load, stride=25, check=check_unchanged) > 3
    assert count(databases, "musicbrainz", mb.recording) == 60


@pytest.fixture
def importer(settings: Settings, databases: Databases) -> Importer:
    """Five fingerprints in the database, the index and the store."""
    made = Importer(databases, settings.fingerprint_index.path)
    made.run(*(made.receipt(fingerprint(seed)) for seed in SEEDS))
    with open_store_writer(settings.fingerprint_store.path) as writer:
        rebuild_follower(StoreCopy(writer), databases, lambda _: None)
    return made


def found_in_index(settings: Settings) -> list[list[int]]:
    with open_reader(settings.fingerprint_index.path) as reader:
        queries = [extract_query(fingerprint(seed)) for seed in SEEDS]
        return [hits.ids.tolist() for hits in reader.search(queries)]


def test_a_rebuild_of_the_index_goes_on_after_a_kill(
    settings: Settings, importer: Importer
) -> None:
    """Lookups use the old index until the new one is complete."""
    del importer
    before = found_in_index(settings)

    def rebuild(at: At) -> None:
        databases = Databases(settings)
        with open_updater(settings.fingerprint_index, databases, clear_damaged=True) as updater:
            rebuild_index(updater, databases, progress=lambda _: at("batch"))

    def check_unchanged() -> None:
        assert found_in_index(settings) == before

    assert kill_at_steps(rebuild, check=check_unchanged) > 2
    assert found_in_index(settings) == before == [[1], [2], [3], [4], [5]]


def test_a_rebuild_of_the_store_goes_on_after_a_kill(
    settings: Settings, importer: Importer
) -> None:
    del importer
    path = settings.fingerprint_store.path
    before = open_store(path).stats()
    assert before.fingerprints == len(SEEDS)

    def rebuild(at: At) -> None:
        databases = Databases(settings)
        with open_store_writer(path, clear_damaged=True) as writer:
            rebuild_follower(StoreCopy(writer), databases, lambda _: at("batch"))

    def check_unchanged() -> None:
        assert open_store(path).stats().fingerprints == len(SEEDS)

    assert kill_at_steps(rebuild, check=check_unchanged) > 2
    found = open_store(path).stats()
    assert (found.fingerprints, found.position) == (before.fingerprints, before.position)
