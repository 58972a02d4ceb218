"""Packets that cannot be applied are named, and change nothing."""

import bz2
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog import migrate
from pipeline.catalog.advisory_locks import try_lock_musicbrainz_until_commit
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.replication import packet as packet_module
from pipeline.catalog.musicbrainz.replication.apply import apply_packet
from pipeline.catalog.musicbrainz.replication.errors import (
    CopyBusyError,
    ReplicationError,
    SourceUnavailableError,
)
from pipeline.catalog.musicbrainz.replication.follow import follow
from pipeline.catalog.musicbrainz.replication.sources import DirectorySource
from pipeline.catalog.schema_version import version_table
from tests.support.musicbrainz.copies import Copy, a_recording
from tests.support.musicbrainz.packets import FIRST, SCHEMA, Change, Packet, archive

NEXT = FIRST + 1
ROW = Change("recording", new=a_recording(9))


def run(copy: Copy, folder: Path) -> None:
    for _ in follow(copy.engine, DirectorySource(folder)):
        pass


def refused(copy: Copy, folder: Path, message: str) -> None:
    """Check that the next packet is refused with a message, and nothing was changed."""
    before = copy.content()
    with pytest.raises(ReplicationError, match=message):
        run(copy, folder)
    assert copy.content() == before
    with copy.engine.connect() as connection:
        left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'replicated_%'"
        assert connection.execute(sa.text(left)).scalar_one() == 0


def test_a_missing_packet_is_named(copy: Copy, tmp_path: Path) -> None:
    Packet(NEXT, [ROW]).write(tmp_path)
    Packet(NEXT + 2).write(tmp_path)
    Packet(NEXT + 3).write(tmp_path)
    with pytest.raises(ReplicationError, match=rf"packet {NEXT + 2}, but not packet {NEXT + 1}"):
        run(copy, tmp_path)
    assert copy.sequence == NEXT
    Packet(NEXT + 1).write(tmp_path)
    run(copy, tmp_path)
    assert copy.sequence == NEXT + 3


def test_old_packets_and_other_files_are_ignored(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / ".replication-200-v2.tar.bz2.partial").write_bytes(b"x")
    (tmp_path / "replication-daily-200.tar.bz2").write_bytes(b"x")
    (tmp_path / f"replication-{FIRST}-v2.tar.bz2").write_bytes(b"x")
    run(copy, tmp_path)
    assert copy.sequence == FIRST


def test_a_packet_of_another_schema(copy: Copy, tmp_path: Path) -> None:
    Packet(NEXT, [ROW], schema=SCHEMA + 1).write(tmp_path)
    refused(copy, tmp_path, rf"-v2.tar.bz2 is of schema sequence {SCHEMA + 1} .* of {SCHEMA}:")


def test_a_packet_with_the_name_of_another_one(copy: Copy, tmp_path: Path) -> None:
    Packet(NEXT + 5, [ROW]).write(tmp_path).rename(tmp_path / f"replication-{NEXT}-v2.tar.bz2")
    refused(copy, tmp_path, rf"is packet {NEXT + 5}, but packet {NEXT} is the next one")


@pytest.mark.parametrize(
    "name", ["TIMESTAMP", "SCHEMA_SEQUENCE", "REPLICATION_SEQUENCE", "mbdump/pending_data"]
)
def test_a_packet_without_a_part(copy: Copy, tmp_path: Path, name: str) -> None:
    Packet(NEXT, [ROW], extra={name: None}).write(tmp_path)
    refused(copy, tmp_path, f"no (valid )?file {name}")


def test_a_packet_without_keys_is_applied(copy: Copy, tmp_path: Path) -> None:
    """Some packets of MusicBrainz have none."""
    Packet(NEXT, [ROW], extra={"mbdump/pending_keys": None}).write(tmp_path)
    run(copy, tmp_path)
    assert len(copy.rows(mb.recording)) == 4


def pending_data(line: str) -> dict[str, bytes | None]:
    return {"mbdump/pending_data": line.encode()}


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (pending_data("1\tmusicbrainz.recording\ti\t1\t\\N\n"), r"newdata.*line 1"),
        (pending_data("x\tmusicbrainz.recording\ti\t1\t\\N\t{}\n"), r'bigint: "x" .*line 1'),
        (pending_data("1\tmusicbrainz.recording\ti\t1\t\\N\t{x\n"), r"type json.*line 1"),
        (pending_data("1\tmusicbrainz.recording\ti\t1\t\\N\t{}"), r"pending_data:1: .* no end"),
        (pending_data("7\tmusicbrainz.recording\tu\t1\t\\N\t{}\n"), "change 7 is incomplete"),
        (pending_data("7\tmusicbrainz.recording\tx\t1\t{}\t{}\n"), "change 7 is incomplete"),
        (pending_data("1\tmusicbrainz.recording\ti\t1\t\\N\t[1]\n"), "recording has a row in an"),
        (pending_data("1\tmusicbrainz.recording\td\t1\t{}\t\\N\n"), "recording has no primary key"),
        ({"mbdump/pending_keys": b"musicbrainz.recording\t{gid}\n"}, r"primary key .*\{gid\}"),
        ({"LAST_REPLICATION_SEQUENCE": b"190\n"}, rf"bundles the packets {NEXT} to 190"),
        ({"TIMESTAMP": b"yesterday evening\n"}, "invalid TIMESTAMP"),
        ({"SCHEMA_SEQUENCE": b"31.5\n"}, "no valid file SCHEMA_SEQUENCE"),
        ({"REPLICATION_SEQUENCE": b"\xff\n"}, "is cut or damaged"),
    ],
)
def test_an_invalid_part(copy: Copy, tmp_path: Path, extra: dict[str, Any], message: str) -> None:
    path = Packet(NEXT, [ROW], extra=extra).write(tmp_path)
    refused(copy, tmp_path, f"{re.escape(str(path))}.*{message}")


def test_a_row_without_a_column(copy: Copy, tmp_path: Path) -> None:
    row = {name: value for name, value in a_recording(9).items() if name != "video"}
    Packet(NEXT, [Change("recording", new=row)]).write(tmp_path)
    refused(copy, tmp_path, "recording has no column video: the packet needs a newer version")


@pytest.mark.parametrize("value", ["x", 2**40], ids=["text", "too large"])
def test_a_value_of_another_type(copy: Copy, tmp_path: Path, value: object) -> None:
    Packet(NEXT, [Change("recording", new=a_recording(9, length=value))]).write(tmp_path)
    refused(copy, tmp_path, "change of recording does not fit to the copy")


def test_values_of_the_first_form_that_cannot_be_read(copy: Copy, tmp_path: Path) -> None:
    packet = Packet(NEXT, [ROW])
    files = packet.first_form_files(names=("mbdump/Pending", "mbdump/PendingData"))
    files["mbdump/PendingData"] = b'1\tf\t"id"=\'9\n'
    packet.write(tmp_path, files)
    refused(copy, tmp_path, "the values of change 1 are invalid")


def test_a_packet_that_was_cut_at_any_place(copy: Copy, tmp_path: Path) -> None:
    """A download was broken off, or a copy is not finished."""
    path = Packet(NEXT, [Change("recording", new=a_recording(n)) for n in range(9, 60)]).write(
        tmp_path
    )
    whole = path.read_bytes()
    before = copy.content()
    for length in {0, 1, 10, len(whole) - 1, len(whole) - 4, *range(0, len(whole), 400)}:
        path.write_bytes(whole[:length])
        with pytest.raises(ReplicationError, match="is cut or damaged"):
            run(copy, tmp_path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(ReplicationError, match="is cut or damaged"):
        run(copy, tmp_path)
    assert copy.content() == before
    path.write_bytes(whole)
    run(copy, tmp_path)
    assert copy.sequence == NEXT


def test_an_archive_that_was_cut_before_its_compression(copy: Copy, tmp_path: Path) -> None:
    content = archive(Packet(NEXT, [ROW]).files())
    path = tmp_path / f"replication-{NEXT}-v2.tar.bz2"
    for length in range(0, len(content), 512):
        path.write_bytes(bz2.compress(content[:length]))
        try:
            run(copy, tmp_path)
        except ReplicationError:
            continue
        break
    # All parts that are needed are complete by then.
    assert length > content.index(b"mbdump/pending_data") + 512
    assert len(copy.rows(mb.recording)) == 4


def test_the_decompressed_size_has_a_limit(
    copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_module, "MAX_CONTENT", 2**20)
    Packet(NEXT, [ROW], extra={"README": bytes(2**21)}).write(tmp_path)
    refused(copy, tmp_path, "has over 1048576 bytes")


def test_while_a_dump_is_loaded_no_packet_is_applied(copy: Copy, tmp_path: Path) -> None:
    Packet(NEXT, [ROW]).write(tmp_path)
    with copy.engine.begin() as other:
        assert try_lock_musicbrainz_until_commit(other)
        with pytest.raises(CopyBusyError):
            run(copy, tmp_path)
    run(copy, tmp_path)
    assert copy.sequence == NEXT


def test_several_processes_apply_each_packet_once(copy: Copy, tmp_path: Path) -> None:
    """A second application would insert a row again, which is an error."""
    for sequence in range(NEXT, NEXT + 6):
        Packet(sequence, [Change("recording", new=a_recording(sequence))]).write(tmp_path)
    applied: list[int] = []

    def work() -> None:
        while copy.sequence < NEXT + 5:
            with suppress(CopyBusyError):
                found = follow(copy.engine, DirectorySource(tmp_path))
                applied.extend(each.sequence for each in found)

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work) for _ in range(3)]:
            future.result(60)
    assert sorted(applied) == list(range(NEXT, NEXT + 6))
    assert len(copy.rows(mb.recording)) == 3 + 6


def test_a_packet_that_another_process_has_applied(copy: Copy, tmp_path: Path) -> None:
    path = Packet(NEXT, [ROW]).write(tmp_path)
    run(copy, tmp_path)
    assert apply_packet(copy.engine, path, NEXT) is None
    assert len(copy.rows(mb.recording)) == 4


def empty(table: sa.Table) -> Callable[[sa.Connection], object]:
    return lambda connection: connection.execute(sa.delete(table))


def without_number(connection: sa.Connection) -> None:
    connection.execute(sa.update(mb.replication_control).values(current_replication_sequence=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (empty(mb.recording), "copy of MusicBrainz is empty"),
        (empty(mb.replication_control), "copy of MusicBrainz is empty"),
        (without_number, "has no number of a packet"),
    ],
    ids=["no recordings", "no control", "no number"],
)
def test_a_copy_that_cannot_be_followed(
    copy: Copy, tmp_path: Path, change: Callable[[sa.Connection], object], message: str
) -> None:
    with copy.engine.begin() as connection:
        change(connection)
    Packet(NEXT, [ROW]).write(tmp_path)
    refused(copy, tmp_path, f"{message}.*acoustid musicbrainz load")


def test_a_mirror_is_not_changed(copy: Copy, tmp_path: Path) -> None:
    """It has no table of Alembic."""
    name = version_table("musicbrainz")
    Packet(NEXT, [ROW]).write(tmp_path)
    with copy.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {name} RENAME TO set_aside"))
    try:
        refused(copy, tmp_path, "is a mirror.* tools of the mirror")
    finally:
        with copy.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE set_aside RENAME TO {name}"))
    assert migrate.METADATA["musicbrainz"] is mb.METADATA


def test_a_directory_that_does_not_exist(copy: Copy, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="nowhere cannot be read: No such file"):
        run(copy, tmp_path / "nowhere")
