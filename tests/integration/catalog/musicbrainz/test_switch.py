"""The switch to the tables of a dump, and loads that are killed."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cli.sample.recordings import MUSICBRAINZ
from pipeline.catalog import migrate
from pipeline.catalog.advisory_locks import try_lock_musicbrainz
from pipeline.catalog.musicbrainz import metadata
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump import switch
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.load import Loaded, load_dump
from pipeline.catalog.musicbrainz.dump.open_dump import open_dump
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.musicbrainz_archives import (
    content,
    is_unchanged,
    load,
    members,
    rows,
    write_archive,
)
from tests.support.polling import eventually
from tests.support.processes.interruptions import in_a_child

DEFINITIONS = (
    """SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'musicbrainz'""",
    """SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid)
         FROM pg_constraint WHERE connamespace = 'musicbrainz'::regnamespace""",
    """SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attstorage::text,
              pg_get_expr(adbin, adrelid), col_description(attrelid, attnum), attacl::text
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'musicbrainz'::regnamespace AND attnum > 0""",
    """SELECT relname, relkind::text, relowner::regrole::text, reloptions::text,
              obj_description(oid, 'pg_class'),
              CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END
         FROM pg_class WHERE relnamespace = 'musicbrainz'::regnamespace""",
    """SELECT relname, (aclexplode(coalesce(relacl, acldefault('r', relowner)))).*
         FROM pg_class WHERE relnamespace = 'musicbrainz'::regnamespace
          AND relkind IN ('r', 'v')""",
    """SELECT nspowner::regrole::text, obj_description(oid, 'pg_namespace'),
              (aclexplode(coalesce(nspacl, acldefault('n', nspowner)))).*
         FROM pg_namespace WHERE nspname = 'musicbrainz'""",
    """SELECT defaclrole::regrole::text, defaclobjtype::text, (aclexplode(defaclacl)).*
         FROM pg_default_acl WHERE defaclnamespace = to_regnamespace('musicbrainz')""",
)

OF_AN_OPERATOR = """
    CREATE INDEX own_index ON musicbrainz.recording (lower(name)) WHERE length > 0;
    COMMENT ON INDEX musicbrainz.own_index IS 'mine; it''s 100 %s';
    COMMENT ON TABLE musicbrainz.recording IS 'a table';
    COMMENT ON COLUMN musicbrainz.recording.name IS 'a column';
    COMMENT ON CONSTRAINT recording_pkey ON musicbrainz.recording IS 'a key';
    COMMENT ON VIEW musicbrainz.release_event IS 'a view';
    COMMENT ON SCHEMA musicbrainz IS 'a schema';
    ALTER TABLE musicbrainz.track SET (autovacuum_enabled = false, fillfactor = 90);
    REVOKE DELETE ON musicbrainz.artist FROM CURRENT_USER;
    GRANT USAGE ON SCHEMA musicbrainz TO pg_monitor;
    GRANT SELECT ON ALL TABLES IN SCHEMA musicbrainz TO pg_monitor WITH GRANT OPTION;
    GRANT UPDATE (name) ON musicbrainz.recording TO PUBLIC;
    ALTER DEFAULT PRIVILEGES IN SCHEMA musicbrainz GRANT SELECT ON TABLES TO pg_monitor;
"""


def run(engine: sa.Engine, text: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(text, execution_options={"no_parameters": True})


def definitions(engine: sa.Engine) -> list[list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        found = [connection.execute(sa.text(query)).all() for query in DEFINITIONS]
    return [sorted((tuple(row) for row in each), key=repr) for each in found]


def test_the_new_tables_equal_those_of_the_migrations(engine: sa.Engine, archive: Path) -> None:
    before = definitions(engine)
    load(engine, archive)
    assert definitions(engine) == before
    options = {"version_table": "alembic_version_musicbrainz", "include_schemas": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, mb.METADATA) == []
        event = sa.text("SELECT count(*) FROM musicbrainz.release_event")
        assert connection.scalar(event) == rows(engine, mb.release_country) + rows(
            engine, mb.release_unknown_country
        )


def test_what_an_operator_has_added_is_kept(own: Settings, archive: Path) -> None:
    """Indexes, options, comments and rights. The database is one of its own."""
    database = own.database_musicbrainz.model_copy(update={"name": "app_dump"})
    settings = own.model_copy(update={"database_musicbrainz": database})
    databases = Databases(settings)
    engine = databases.engine("musicbrainz")
    try:
        migrate.upgrade_all(settings)
        run(engine, OF_AN_OPERATOR)
        before = definitions(engine)
        load(engine, archive)
        assert definitions(engine) == before
    finally:
        databases.dispose()


@pytest.mark.parametrize(
    ("make", "drop", "named"),
    [
        ("CREATE TABLE musicbrainz.mine ()", "DROP TABLE musicbrainz.mine", "musicbrainz.mine"),
        (
            "CREATE VIEW public.titles AS SELECT name FROM musicbrainz.recording",
            "DROP VIEW public.titles",
            "view titles",
        ),
        (
            "CREATE FUNCTION musicbrainz.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION musicbrainz.one",
            r"routine musicbrainz.one\(\)",
        ),
        (
            "CREATE TABLE public.bound (id int REFERENCES musicbrainz.artist)",
            "DROP TABLE public.bound",
            "foreign key bound_id_fkey of bound",
        ),
    ],
)
def test_a_load_that_would_lose_something_is_refused(
    engine: sa.Engine, archive: Path, make: str, drop: str, named: str
) -> None:
    run(engine, make)
    try:
        with pytest.raises(DumpError, match=f"would lose .*{named}"):
            load(engine, archive)
        assert is_unchanged(engine)
    finally:
        run(engine, drop)


def test_a_mirror_is_refused(engine: sa.Engine, archive: Path) -> None:
    run(engine, "ALTER TABLE alembic_version_musicbrainz RENAME TO hidden")
    try:
        with pytest.raises(DumpError, match=r"is a mirror of MusicBrainz, .*musicbrainz connect"):
            load(engine, archive)
        assert is_unchanged(engine)
    finally:
        run(engine, "ALTER TABLE hidden RENAME TO alembic_version_musicbrainz")


def test_two_loads_at_once_are_refused(engine: sa.Engine, archive: Path) -> None:
    with engine.connect() as connection:
        connection.detach()
        assert try_lock_musicbrainz(connection)
        with pytest.raises(DumpError, match="another process loads a dump"):
            load(engine, archive)
    assert is_unchanged(engine)
    assert load(engine, archive).rows["recording"] == 60


@contextmanager
def reading(engine: sa.Engine, read: Callable[[sa.Connection], object]) -> Iterator[list[object]]:
    """Read again and again in another thread; give what was found."""
    found: list[object] = []
    ended = threading.Event()

    def run_reads() -> None:
        while not ended.is_set():
            with engine.connect() as connection:
                found.append(read(connection))

    thread = threading.Thread(target=run_reads)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join(30)


def test_lookups_have_metadata_during_the_whole_load(
    engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    """The recordings are in both dumps, under other titles. No read fails or waits."""
    load(engine, archive)
    with engine.connect() as connection:
        gids = {str(gid) for gid in connection.scalars(sa.select(mb.recording.c.gid))}
    wanted = metadata.Wanted(gids, gids, isrcs=True, events=True, credited={"recording", "track"})
    lines = (MUSICBRAINZ / "recording").read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines]
    renamed = "".join("\t".join([*row[:2], "New", *row[3:]]) + "\n" for row in cells)
    newer = write_archive(tmp_path / "newer", members(recording=renamed.encode()))

    def read(connection: sa.Connection) -> tuple[int, int, bool]:
        found = metadata.load(connection, wanted)
        titles = {each.title for each in found.recordings.values()}
        return len(found.recordings), len(found.releases), titles == {"New"}

    with reading(engine, read) as found:
        load(engine, newer)
        after = len(found)
        assert eventually(lambda: len(found) > after + 1)
    recordings, releases, is_new = zip(*found, strict=True)  # type: ignore[call-overload]
    assert set(recordings) == {60}
    assert set(releases) == {rows(engine, mb.release)}
    assert list(is_new) == sorted(is_new)
    assert (is_new[0], is_new[-1]) == (False, True)


def test_a_long_transaction_keeps_the_old_tables(
    engine: sa.Engine, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a backup. The switch does not wait for it; the next load drops them."""
    monkeypatch.setattr(switch, "LOCK_TIMEOUT", 0.2)
    with engine.connect() as reader:
        reader.execute(sa.select(mb.recording.c.name))
        assert not load(engine, archive).old_is_dropped
        assert rows(engine, mb.recording) == 60
        with pytest.raises(DumpError, match="musicbrainz_old of an earlier load is still read"):
            load(engine, archive)
    assert load(engine, archive).old_is_dropped
    run(engine, "DO $$ BEGIN ASSERT to_regnamespace('musicbrainz_old') IS NULL; END $$")


def load_and_die(engine: sa.Engine, path: Path, table: str) -> int:
    """Load a dump in a process that is killed when the indexes of a table are created."""

    def die(name: str, size: int) -> None:
        if (name, size) == (table, 0):
            os.kill(os.getpid(), signal.SIGKILL)

    engine.dispose()
    return in_a_child(lambda: load_dump(engine, open_dump(path), die))


def load_after_a_kill(engine: sa.Engine, path: Path) -> Loaded:
    return load_dump(engine, open_dump(path), lambda _name, _size: None)


@pytest.mark.parametrize("packed", [True, False])
def test_a_killed_load_goes_on(engine: sa.Engine, archive: Path, dump: Path, packed: bool) -> None:
    path = archive if packed else dump
    load(engine, path)
    expected = content(engine)
    run(engine, "UPDATE musicbrainz.recording SET name = 'Old'")
    for table in ("recording", "track"):
        assert load_and_die(engine, path, table) == -signal.SIGKILL
        with engine.connect() as connection:
            assert set(connection.scalars(sa.select(mb.recording.c.name))) == {"Old"}
    loaded = load_after_a_kill(engine, path)
    assert {"area", "medium", "recording"} <= set(loaded.kept)
    assert "track" not in loaded.kept
    assert content(engine) == expected
    assert loaded.rows["recording"] == rows(engine, mb.recording)


def test_after_a_kill_another_dump_is_loaded_anew(
    engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    """No table of the killed load is used, also not one that the other dump does not have."""
    area = b"".join((MUSICBRAINZ / "area").read_bytes().splitlines(keepends=True)[:1])
    fewer = write_archive(tmp_path / "fewer", members(isrc=None))
    other = write_archive(tmp_path / "other", members(area=area, isrc=None))
    for path, areas in ((fewer, 3), (other, 1)):
        assert load_and_die(engine, archive, "track") == -signal.SIGKILL
        told: list[int] = []
        loaded = load_dump(engine, open_dump(path), lambda _, size, told=told: told.append(size))
        assert sum(told) == path.stat().st_size
        assert loaded.kept == ()
        assert loaded.missing == ("isrc",)
        assert rows(engine, mb.isrc) == 0
        assert rows(engine, mb.area) == areas


def test_an_error_removes_what_a_killed_load_has_left(engine: sa.Engine, archive: Path) -> None:
    assert load_and_die(engine, archive, "track") == -signal.SIGKILL
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DumpError, match="cut"):
        load_after_a_kill(engine, archive)
    assert is_unchanged(engine)
