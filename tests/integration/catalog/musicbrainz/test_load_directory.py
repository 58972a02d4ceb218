"""Loading an unpacked MusicBrainz dump into a real database."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from cli.commands.musicbrainz.load import load as load_command
from cli.stack.data_directory import CONFIG_VARIABLE
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.load import load_dump
from pipeline.catalog.musicbrainz.dump.open_dump import open_dump
from pipeline.settings.sections import Settings
from tests.support.catalogue.musicbrainz_archives import load, rows
from tests.support.processes.workers import write_config

INDEXES = sa.text(
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'musicbrainz' ORDER BY indexname"
)
CONSTRAINTS = sa.text(
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'musicbrainz'::regnamespace ORDER BY 1, 2"
)


def test_a_dump_replaces_the_old_content(engine: sa.Engine, dump: Path):
    """Every table has exactly the lines of its file."""
    counts = load(engine, dump).rows
    for name, count in counts.items():
        lines = (dump / "mbdump" / name).read_text(encoding="utf-8").splitlines()
        assert count == len(lines)
        assert rows(engine, mb.METADATA.tables[f"musicbrainz.{name}"]) == count
    assert set(counts) == {table.name for table in mb.METADATA.tables.values()}


def test_values_are_loaded_unchanged(engine: sa.Engine, dump: Path):
    """Nulls, empty texts, letters of all languages, dates."""
    load(engine, dump)
    with engine.connect() as connection:
        names = connection.execute(sa.select(mb.recording.c.name)).scalars().all()
        assert "Vérmocsár" in names
        [comment] = connection.execute(sa.select(mb.recording.c.comment).distinct()).scalars()
        assert comment == ""
        dates = connection.execute(sa.select(mb.release_country.c.date_month)).scalars().all()
        assert {None, 5} <= set(dates)


def test_keys_and_indexes_are_made_again(engine: sa.Engine, dump: Path):
    """They are the same as before, and the statistics are updated."""
    with engine.connect() as connection:
        before = [connection.execute(query).all() for query in (INDEXES, CONSTRAINTS)]
    load(engine, dump)
    with engine.connect() as connection:
        assert [connection.execute(query).all() for query in (INDEXES, CONSTRAINTS)] == before
        known = "SELECT reltuples FROM pg_class WHERE oid = 'musicbrainz.track'::regclass"
        assert connection.execute(sa.text(known)).scalar_one() == 85


def test_the_directory_may_be_mbdump_itself(engine: sa.Engine, dump: Path):
    """The directory around it works too."""
    assert load(engine, dump / "mbdump") == load(engine, dump)


def test_progress_adds_up_to_the_size(engine: sa.Engine, dump: Path):
    """It also reports the creation of a table's indexes."""
    told: list[tuple[str, int]] = []
    opened = open_dump(dump)
    load_dump(engine, opened, lambda table, size: told.append((table, size)))
    assert sum(size for _, size in told) == opened.size
    assert told[-1] == ("track", 0)


def test_missing_files_are_named(dump: Path):
    """The error lists all of them."""
    for name in ("recording", "track", "isrc"):
        (dump / "mbdump" / name).unlink()
    with pytest.raises(
        DumpError, match=r"mbdump has no file recording, track: give mbdump.tar.bz2"
    ):
        open_dump(dump)


def test_a_directory_without_a_dump_is_an_error(tmp_path: Path):
    """The message lists the required files."""
    with pytest.raises(
        DumpError, match="has no file artist, artist_credit_name, medium, recording"
    ):
        open_dump(tmp_path)


def test_an_optional_table_without_a_file_is_left_empty(engine: sa.Engine, dump: Path):
    """Old rows do not match the new recordings."""
    load(engine, dump)
    (dump / "mbdump" / "isrc").unlink()
    assert load(engine, dump).missing == ("isrc",)
    assert rows(engine, mb.isrc) == 0


def test_another_number_of_columns_is_an_error(dump: Path):
    """It has the file and the expected columns."""
    path = dump / "mbdump" / "isrc"
    path.write_text("1\t2\tZZSMP1100021\n")
    with pytest.raises(DumpError, match=r"isrc has 3 columns and the table 5 \(id, recording"):
        open_dump(dump)


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        (
            "recording",
            "x\t{gid}\tName\t1\t1\t\t0\t\\N\tf",
            r'type integer: "x" \(COPY recording, line 61',
        ),
        ("recording", "1\t{gid}", r"missing data for column .* \(COPY recording, line 61"),
        (
            "recording",
            "1\t{gid}\tName\t1\t1\t\t0\t\\N\tf",
            r"recording_pkey.* \(Key \(id\)=\(1\) is duplicated",
        ),
        ("recording", "77\tno-uuid\tName\t1\t1\t\t0\t\\N\tf", r"type uuid"),
    ],
)
def test_an_invalid_file_changes_nothing(
    table: str, line: str, message: str, engine: sa.Engine, dump: Path
):
    """The error has file and line, and the old content stays."""
    path = dump / "mbdump" / table
    gid = "00000000-0000-4000-8000-000000000000"
    path.write_text(path.read_text(encoding="utf-8") + line.format(gid=gid) + "\n")
    with pytest.raises(DumpError, match=message) as caught:
        load(engine, dump)
    assert str(path) in str(caught.value)
    with engine.connect() as connection:
        names = connection.execute(sa.select(mb.recording.c.name)).scalars().all()
        assert names == ["Old"]
        assert len(connection.execute(INDEXES).all()) > len(mb.METADATA.tables)


@pytest.mark.parametrize("name", ["recording", "track", "artist"])
def test_an_empty_file_of_a_required_table_is_an_error(dump: Path, name: str):
    """Its download or its unpacking has failed."""
    (dump / "mbdump" / name).write_bytes(b"")
    with pytest.raises(DumpError, match=rf"{name} is empty: unpack the archive"):
        open_dump(dump)


@pytest.mark.parametrize("name", ["recording", "isrc"])
def test_a_cut_file_is_an_error(dump: Path, name: str):
    """The last line has no end."""
    path = dump / "mbdump" / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DumpError, match=rf"{name} is cut"):
        open_dump(dump)


def test_an_empty_file_does_not_replace_rows(engine: sa.Engine, dump: Path):
    """It is loaded while the table is empty, as in a small dump."""
    load(engine, dump)
    before = rows(engine, mb.isrc)
    recordings = rows(engine, mb.recording)
    (dump / "mbdump" / "isrc").write_bytes(b"")
    with pytest.raises(DumpError, match=r"isrc is empty, but its table has rows"):
        load(engine, dump)
    assert (rows(engine, mb.isrc), rows(engine, mb.recording)) == (before, recordings)
    with engine.begin() as connection:
        connection.execute(sa.delete(mb.isrc))
    assert load(engine, dump).rows["isrc"] == 0


def invoke(settings: Settings, dump: Path, folder: Path) -> tuple[int, str]:
    """Run the command; return its exit code and output."""
    config = write_config(settings, folder / "acoustid.conf")
    environ = {CONFIG_VARIABLE: str(config)}
    result = CliRunner().invoke(load_command, [str(dump)], env=environ)
    return result.exit_code, result.output


def test_the_command_loads_a_dump(
    own: Settings, engine: sa.Engine, dump: Path, tmp_path_factory: pytest.TempPathFactory
):
    """It prints the loaded and the missing tables."""
    (dump / "mbdump" / "isrc").unlink()
    code, output = invoke(own, dump, tmp_path_factory.mktemp("config"))
    assert code == 0
    assert "isrc is missing: lookups have no ISRCs" in output
    assert "including 60 recordings" in output
    assert rows(engine, mb.recording) == 60


def test_the_command_explains_an_invalid_file(
    own: Settings, engine: sa.Engine, dump: Path, tmp_path_factory: pytest.TempPathFactory
):
    """In one line, without a traceback."""
    (dump / "mbdump" / "release").unlink()
    code, output = invoke(own, dump, tmp_path_factory.mktemp("config"))
    assert code == 1
    assert "has no file release:" in output
    assert rows(engine, mb.recording) == 1


def test_the_command_explains_a_database_that_is_not_ready(
    own: Settings, dump: Path, tmp_path_factory: pytest.TempPathFactory
):
    """For example one without tables."""
    bare = own.database_musicbrainz.model_copy(update={"name": "postgres"})
    settings = own.model_copy(update={"database_musicbrainz": bare})
    code, output = invoke(settings, dump, tmp_path_factory.mktemp("config"))
    assert code == 1
    assert "the database postgres is not migrated to this version: run `acoustid migrate`" in output
