"""Loading the archive of a MusicBrainz dump."""

import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from cli.commands.musicbrainz.load import load as load_command
from cli.stack.data_directory import CONFIG_VARIABLE
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.dump_format import SCHEMA_SEQUENCE
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.load import load_dump
from pipeline.catalog.musicbrainz.dump.open_dump import open_dump
from pipeline.settings.sections import Settings
from tests.support.catalogue.musicbrainz_archives import (
    STATES,
    content,
    file,
    is_unchanged,
    load,
    members,
    rows,
    write_archive,
)
from tests.support.processes.workers import write_config

CONTROL = sa.select(
    mb.replication_control.c.current_schema_sequence,
    mb.replication_control.c.current_replication_sequence,
    mb.replication_control.c.last_replication_date,
)
STATE = (SCHEMA_SEQUENCE, 190123, datetime(2026, 11, 28, 0, 23, 25, 123450, UTC))


def test_an_archive_is_loaded_like_its_directory(
    engine: sa.Engine, dump: Path, archive: Path
) -> None:
    for name, text in STATES.items():
        (dump / name).write_bytes(text)
    load(engine, dump)
    unpacked = content(engine)
    assert load(engine, archive).missing == ()
    assert content(engine) == unpacked
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(CONTROL)] == [STATE]


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w:"), ("b.xz", "w:xz"), ("c", "w:gz")])
def test_other_compressions(engine: sa.Engine, tmp_path: Path, name: str, mode: str) -> None:
    """They are recognised by the content. `tar` of an unpacked dump writes ./ before names."""
    renamed = [file(f"./{info.name}", data) for info, data in members()]
    load(engine, write_archive(tmp_path / name, renamed, mode))
    assert rows(engine, mb.recording) == 60


def test_progress_counts_the_bytes_of_the_archive(engine: sa.Engine, archive: Path) -> None:
    told: list[tuple[str, int]] = []
    load_dump(engine, open_dump(archive), lambda name, size: told.append((name, size)))
    assert sum(size for _, size in told) == archive.stat().st_size
    assert ("track", 0) in told


def test_a_dump_without_packets_keeps_its_date(engine: sa.Engine, tmp_path: Path) -> None:
    """The table replication_control may be missing, too: MusicBrainz leaves out empty tables."""
    changed = {"REPLICATION_SEQUENCE": b"\n", "replication_control": None}
    load(engine, write_archive(tmp_path / "x", members(**changed)))
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(CONTROL)] == [(STATE[0], None, STATE[2])]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"SCHEMA_SEQUENCE": b"30\n"}, "version 30 of .*reads version 31: load a newer dump"),
        ({"SCHEMA_SEQUENCE": b"32\n"}, "version 32 of .*: install a version of this service"),
        ({"SCHEMA_SEQUENCE": None}, "no file SCHEMA_SEQUENCE"),
        ({"SCHEMA_SEQUENCE": b"x\n"}, "SCHEMA_SEQUENCE is damaged: it has no whole number"),
        ({"REPLICATION_SEQUENCE": b"9" * 20}, "REPLICATION_SEQUENCE is damaged"),
        ({"TIMESTAMP": b"2026-11-28 00:23:25"}, "TIMESTAMP is damaged: its time has no time zone"),
        ({"TIMESTAMP": b"2" * 5000}, "TIMESTAMP is damaged: it is longer than 4096 bytes"),
        ({"replication_control": b"1\t30\t1\t\\N\n", "SCHEMA_SEQUENCE": b"31"}, "version 30"),
        ({"track": None, "artist": None}, "has no table artist, track: give mbdump.tar.bz2"),
        ({"track": b""}, "mbdump/track is empty: download it again"),
        ({"isrc": b"1\t2\tX\n"}, r"mbdump/isrc has 3 columns and the table 5 \(id"),
        ({"isrc": b"1\t2\tX\t0\t\\N"}, "mbdump/isrc is cut, its last line has no end"),
        ({"isrc": b"1\tx\tX\t0\t\\N\n"}, r"can't be loaded: .*integer: \"x\" \(COPY isrc, line 1"),
        ({"isrc": b"1\t2\tX\t0\t\\N\n" * 2}, r"can't be loaded: .*Key \(id\)=\(1\) is duplicated"),
        ({"isrc": b"1\t2\tX\t0\t\\N\n\\.\n2\n"}, r"3 lines, but PostgreSQL has read 1 rows"),
        ({"isrc": b"1\t2\t\xff\t0\t\\N\n"}, "can't be loaded: .*UTF8"),
        ({"isrc": b"1\t2\t" + b"x" * (1 << 21)}, "has a line of over 1048576 bytes"),
    ],
)
def test_an_invalid_dump_changes_nothing(
    engine: sa.Engine, tmp_path: Path, changed: dict[str, bytes | None], message: str
) -> None:
    path = write_archive(tmp_path / "x.tar.bz2", members(**changed))
    with pytest.raises(DumpError, match=message) as caught:
        load(engine, path)
    assert str(path) in str(caught.value)
    assert is_unchanged(engine)


@pytest.mark.parametrize("mode", ["w:", "w:bz2", "w:xz"])
def test_a_cut_archive_changes_nothing(engine: sa.Engine, tmp_path: Path, mode: str) -> None:
    whole = write_archive(tmp_path / "whole", mode=mode).read_bytes()
    cut = tmp_path / "cut"
    # Without compression, the archive has 10 KiB of zeros at its end.
    for left in (7, len(whole) // 2, len(whole) - (10_240 if mode == "w:" else 12)):
        cut.write_bytes(whole[:left])
        with pytest.raises(DumpError, match="cut"):
            load(engine, cut)
        assert is_unchanged(engine)


def test_an_archive_cut_between_two_tables_changes_nothing(
    engine: sa.Engine, tmp_path: Path
) -> None:
    """The rest has all required tables, and tarfile reads it without an error."""
    last = [info.name for info, _ in members()].index("mbdump/release_group_secondary_type_join")
    ordered = members()
    ordered.append(ordered.pop(last))
    path = write_archive(tmp_path / "x.tar", ordered, "w:")
    with tarfile.open(path) as opened:
        at = opened.getmember("mbdump/release_group_secondary_type_join").offset
    path.write_bytes(path.read_bytes()[:at])
    with pytest.raises(DumpError, match=r"x\.tar is cut: download it again"):
        load(engine, path)
    assert is_unchanged(engine)


def test_a_damaged_archive_changes_nothing(engine: sa.Engine, archive: Path) -> None:
    """bzip2 has a checksum of each block."""
    whole = archive.read_bytes()
    for place in (len(whole) // 3, len(whole) - 20):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DumpError, match="cut or damaged"):
            load(engine, archive)
        assert is_unchanged(engine)


def test_a_damaged_header_changes_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    """The module tarfile takes it for the end of the archive."""
    ordered = members()
    ordered.append(ordered.pop([info.name for info, _ in ordered].index("mbdump/isrc")))
    path = write_archive(tmp_path / "x.tar", ordered, "w:")
    with tarfile.open(path) as opened:
        at = opened.getmember("mbdump/isrc").offset
    data = bytearray(path.read_bytes())
    data[at + 150] ^= 1  # its checksum
    path.write_bytes(data)
    with pytest.raises(DumpError, match="is damaged after"):
        load(engine, path)
    assert is_unchanged(engine)


def test_the_command_loads_an_archive(
    own: Settings, engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    environ = {CONFIG_VARIABLE: str(write_config(own, tmp_path / "acoustid.conf"))}
    result = CliRunner().invoke(load_command, [str(archive)], env=environ)
    assert result.exit_code == 0
    assert "including 60 recordings" in result.output
    assert rows(engine, mb.recording) == 60
    archive.write_bytes(b"")
    result = CliRunner().invoke(load_command, [str(archive)], env=environ)
    assert result.exit_code == 1
    assert f"{archive} is" in result.output
