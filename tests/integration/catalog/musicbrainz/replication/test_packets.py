"""Packets are applied to a real database."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.replication.apply import AppliedPacket
from pipeline.catalog.musicbrainz.replication.errors import ReplicationError
from pipeline.catalog.musicbrainz.replication.follow import follow
from pipeline.catalog.musicbrainz.replication.sources import DirectorySource
from pipeline.catalog.musicbrainz.replication.table_changes import Counts
from tests.support.musicbrainz.copies import (
    Copy,
    a_recording,
    a_redirect,
    row_for_packet,
)
from tests.support.musicbrainz.packets import FIRST, Change, Packet

NEXT = FIRST + 1
FIRST_NAMES = [
    ("mbdump/Pending", "mbdump/PendingData"),
    ("mbdump/dbmirror_pending", "mbdump/dbmirror_pendingdata"),
]
Write = Callable[[Packet], Path]


@pytest.fixture(params=["dbmirror2", *FIRST_NAMES], ids=["v2", "Pending", "dbmirror_pending"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Return a function that writes a packet in one of the forms."""

    def write(packet: Packet) -> Path:
        first = request.param != "dbmirror2"
        files = packet.first_form_files(names=request.param) if first else None
        return packet.write(tmp_path, files)

    return write


def apply_all(copy: Copy, folder: Path) -> list[AppliedPacket]:
    return list(follow(copy.engine, DirectorySource(folder)))


def test_rows_are_inserted_updated_and_deleted(copy: Copy, write: Write, tmp_path: Path) -> None:
    first, second, third = map(row_for_packet, copy.rows(mb.recording))
    added = a_recording(4, length=None, video=True)
    renamed = {**second, "name": "Other", "length": None}
    write(
        Packet(
            NEXT,
            [
                Change("recording", new=added),
                Change("recording", old=second, new=renamed),
                Change("recording", old=third),
            ],
        )
    )
    [applied] = apply_all(copy, tmp_path)
    assert applied.counts == {"recording": Counts(1, 1, 1, 0)}
    assert [row_for_packet(row) | {"gid": str(row["gid"])} for row in copy.rows(mb.recording)] == [
        first | {"gid": str(first["gid"])},
        renamed | {"gid": str(second["gid"])},
        added,
    ]


@pytest.mark.parametrize(
    "name",
    [
        "tab\tline\nreturn\rbackspace\b",
        "back\\slash \\n \\\\t",
        "quote ' two '' \" percent %s :new",
        "Ελληνικά 日本語 🎵",
        '{"abc\\": 123}\'',
        "",
    ],
)
def test_texts_are_unchanged(copy: Copy, write: Write, tmp_path: Path, name: str) -> None:
    """Escapes of COPY, JSON and the first dbmirror."""
    write(Packet(NEXT, [Change("recording", new=a_recording(9, name=name))]))
    apply_all(copy, tmp_path)
    assert copy.rows(mb.recording)[-1]["name"] == name


def test_number_and_time_are_stored(copy: Copy, write: Write, tmp_path: Path) -> None:
    """The time is that of the packet; its own change of replication_control is not needed."""
    write(Packet(NEXT, timestamp="2026-11-30 14:00:05.303734+02"))
    [applied] = apply_all(copy, tmp_path)
    [control] = copy.rows(mb.replication_control)
    assert control["current_replication_sequence"] == NEXT == applied.sequence
    expected = datetime(2026, 11, 30, 12, 0, 5, 303734, UTC)
    assert control["last_replication_date"] == expected == applied.replicated


def test_packets_are_applied_in_order(copy: Copy, write: Write, tmp_path: Path) -> None:
    rows = [a_recording(4, name=name) for name in ("one", "two", "three")]
    gid = uuid4()
    for each in rows:
        each["gid"] = str(gid)
    write(Packet(NEXT + 2, [Change("recording", old=rows[1], new=rows[2])]))
    write(Packet(NEXT, [Change("recording", new=rows[0])]))
    write(Packet(NEXT + 1, [Change("recording", old=rows[0], new=rows[1])]))
    assert [each.sequence for each in apply_all(copy, tmp_path)] == [NEXT, NEXT + 1, NEXT + 2]
    assert copy.rows(mb.recording)[-1]["name"] == "three"
    assert apply_all(copy, tmp_path) == []
    assert copy.sequence == NEXT + 2


def test_changes_of_one_row_keep_their_order(copy: Copy, tmp_path: Path) -> None:
    """By transaction, the one whose last change is earlier first, then by number."""
    gid = uuid4()
    rows = [a_recording(4, gid, name=str(number)) for number in range(4)]
    changes = [
        Change("recording", old=rows[2], new=rows[3], xid=5, seqid=40),
        Change("recording", old=rows[0], new=rows[1], xid=9, seqid=20),
        Change("recording", new=rows[0], xid=9, seqid=10),
        Change("recording", old=rows[1], new=rows[2], xid=9, seqid=30),
    ]
    Packet(NEXT, changes).write(tmp_path)
    apply_all(copy, tmp_path)
    assert copy.rows(mb.recording)[-1]["name"] == "3"


def test_a_key_moves_to_the_next_row(copy: Copy, tmp_path: Path) -> None:
    """Each update needs the place that the one before it has left."""
    names = [
        {"artist_credit": 1, "position": n, "artist": n, "name": "x", "join_phrase": ""}
        for n in range(3)
    ]
    copy.insert(mb.artist_credit_name, *names)
    moved = [{**row, "position": row["position"] + 1} for row in names]
    key = ("artist_credit", "position")
    changes = [
        Change("artist_credit_name", old=old, new=new, key=key)
        for old, new in zip(reversed(names), reversed(moved), strict=True)
    ]
    Packet(NEXT, changes).write(tmp_path)
    apply_all(copy, tmp_path)
    found = [(row["position"], row["artist"]) for row in copy.rows(mb.artist_credit_name)]
    assert found == [(1, 0), (2, 1), (3, 2)]


def test_an_mbid_is_deleted_and_used_again(copy: Copy, tmp_path: Path) -> None:
    first, *_ = map(row_for_packet, copy.rows(mb.recording))
    again = {**first, "id": 50}
    changes = [Change("recording", old=first), Change("recording", new=again)]
    Packet(NEXT, changes).write(tmp_path)
    apply_all(copy, tmp_path)
    assert [row["id"] for row in copy.rows(mb.recording)] == [2, 3, 50]


def test_only_changed_columns_are_set(copy: Copy, tmp_path: Path) -> None:
    """As MusicBrainz does, also if the copy has another value in another column."""
    first, *_ = map(row_for_packet, copy.rows(mb.recording))
    old = {**first, "comment": "the master's"}
    changes = [Change("recording", old=old, new={**old, "length": 1})]
    Packet(NEXT, changes).write(tmp_path)
    apply_all(copy, tmp_path)
    found, *_ = copy.rows(mb.recording)
    assert (found["comment"], found["length"]) == ("", 1)


def test_changes_of_missing_rows_change_nothing(copy: Copy, tmp_path: Path) -> None:
    row = a_recording(77)
    changes = [
        Change("recording", old=row, new={**row, "name": "y"}),
        Change("recording", old=a_recording(78)),
    ]
    before = copy.rows(mb.recording)
    Packet(NEXT, changes).write(tmp_path)
    [applied] = apply_all(copy, tmp_path)
    assert applied.counts["recording"] == Counts(missing=2)
    assert copy.rows(mb.recording) == before
    assert copy.sequence == NEXT


def test_other_tables_and_columns_are_left_out(copy: Copy, write: Write, tmp_path: Path) -> None:
    changes = [
        Change("edit", new={"id": 1, "text": "x"}),
        Change("art_type", new={"id": 1}, schema="cover_art_archive"),
        Change("recording", new={**a_recording(4), "a_new_column": [1, {"x": None}]}),
        Change("replication_control", old={"id": 1}, new={"id": 1, "other": 3}),
    ]
    write(Packet(NEXT, changes))
    [applied] = apply_all(copy, tmp_path)
    assert applied.changed == 1
    assert len(copy.rows(mb.recording)) == 4


def test_a_table_that_the_dump_did_not_have_stays_empty(copy: Copy, tmp_path: Path) -> None:
    """A part of the redirects would let merged MBIDs be taken for deleted ones."""
    with copy.engine.begin() as connection:
        connection.execute(mb.recording_gid_redirect.delete())
    copy.insert(mb.medium, row_of_medium(1))
    changes = [
        Change("recording_gid_redirect", new=a_redirect(uuid4(), 1), key=("gid",)),
        Change("medium", old=row_of_medium(1), new=row_of_medium(1, name="Disc 1")),
        Change("isrc", new={"id": 1}),
    ]
    Packet(NEXT, changes).write(tmp_path)
    [applied] = apply_all(copy, tmp_path)
    assert applied.left_out == {"recording_gid_redirect": 1, "isrc": 1}
    assert copy.rows(mb.recording_gid_redirect) == []
    assert [row["name"] for row in copy.rows(mb.medium)] == ["Disc 1"]


def row_of_medium(number: int, name: str = "") -> dict[str, object]:
    return {
        "id": number,
        "release": 1,
        "position": 1,
        "format": None,
        "name": name,
        "edits_pending": 0,
        "last_updated": "2026-11-29T10:00:00+00:00",
        "track_count": 3,
        "gid": "5d1f0c5e-2222-4aaa-8aaa-000000000001",
    }


def test_thousands_of_changes(copy: Copy, write: Write, tmp_path: Path) -> None:
    """More rows than a statement takes."""
    rows = [a_recording(number) for number in range(10, 1210)]
    updated = [{**row, "name": "new"} for row in rows]
    changes = [Change("recording", new=row) for row in rows]
    changes += [Change("recording", old=a, new=b) for a, b in zip(rows, updated, strict=True)]
    changes += [Change("recording", old=row) for row in updated[:1100]]
    write(Packet(NEXT, changes))
    [applied] = apply_all(copy, tmp_path)
    assert applied.counts["recording"] == Counts(1200, 1200, 1100, 0)
    found = copy.rows(mb.recording)
    assert len(found) == 3 + 100
    assert {row["name"] for row in found[3:]} == {"new"}


def test_a_row_that_the_copy_has_already_is_refused(copy: Copy, tmp_path: Path) -> None:
    before = copy.content()
    Packet(
        NEXT, [Change("recording", new=a_recording(7)), Change("recording", new=a_recording(1))]
    ).write(tmp_path)
    with pytest.raises(ReplicationError, match=r"recording does not fit .*\(id\)=\(1\)"):
        apply_all(copy, tmp_path)
    assert copy.content() == before
