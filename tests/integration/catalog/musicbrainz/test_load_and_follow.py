"""A copy that was loaded from a dump is followed from the packet after it."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.advisory_locks import try_lock_musicbrainz_until_commit
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.replication.errors import CopyBusyError
from pipeline.catalog.musicbrainz.replication.follow import follow, next_sequence
from pipeline.catalog.musicbrainz.replication.sources import DirectorySource
from tests.support.catalogue.musicbrainz_archives import load, rows
from tests.support.musicbrainz.copies import a_recording
from tests.support.musicbrainz.packets import Change, Packet


def test_the_packet_after_the_dump_is_the_first(
    engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    """A second load of the dump starts again at its packet."""
    packets = tmp_path / "packets"
    packets.mkdir()
    load(engine, archive)
    first = next_sequence(engine)
    for sequence in (first, first + 1):
        row = a_recording(90_000 + sequence)
        Packet(sequence, [Change("recording", new=row)]).write(packets)
    for _ in range(2):
        applied = [each.sequence for each in follow(engine, DirectorySource(packets))]
        assert applied == [first, first + 1]
        assert rows(engine, mb.recording) == 62
        load(engine, archive)
        assert next_sequence(engine) == first


def test_a_load_and_a_packet_exclude_each_other(
    engine: sa.Engine, archive: Path, tmp_path: Path
) -> None:
    load(engine, archive)
    Packet(next_sequence(engine)).write(tmp_path)
    with engine.begin() as follower:
        assert try_lock_musicbrainz_until_commit(follower)
        with pytest.raises(DumpError, match="another"):
            load(engine, archive)
        with pytest.raises(CopyBusyError):
            list(follow(engine, DirectorySource(tmp_path)))
    assert len(list(follow(engine, DirectorySource(tmp_path)))) == 1
