"""Merges and deletions of recordings flow from packets into the links of the catalogue."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import redis

from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.recording_redirects import read_recordings
from pipeline.catalog.musicbrainz.replication.follow import follow
from pipeline.catalog.musicbrainz.replication.sources import DirectorySource
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.upkeep.mbid_redirects import follow_redirects
from pipeline.upkeep.missing_mbids import MissingMbidOutcome, merge_missing_mbid
from tests.support.catalogue.mbids import Links
from tests.support.musicbrainz.copies import Copy, a_redirect, followed_copy, row_for_packet
from tests.support.musicbrainz.packets import FIRST, Change, Packet
from tests.support.processes.scratch_redis import scratch_redis


@pytest.fixture
def copy(databases: Databases) -> Copy:
    return followed_copy(databases)


@pytest.fixture
def remembered(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as connection:
        yield connection


def apply_packet(copy: Copy, folder: Path, *changes: Change, until: datetime) -> None:
    Packet(copy.sequence + 1, changes, timestamp=until).write(folder)
    assert len(list(follow(copy.engine, DirectorySource(folder)))) == 1


def test_a_merged_recording_merges_links(copy: Copy, databases: Databases, tmp_path: Path) -> None:
    """MusicBrainz deletes the recording and inserts a redirect of its MBID."""
    merged, target, _ = copy.rows(mb.recording)
    links = Links(databases)
    track = links.track()
    links.link(track, merged["gid"], 2)
    changes = [
        Change("recording_gid_redirect", new=a_redirect(merged["gid"], target["id"]), key=("gid",)),
        Change("recording", old=row_for_packet(merged)),
    ]
    apply_packet(copy, tmp_path, *changes, until=datetime.now(UTC))
    follow_redirects(databases, 0, time.monotonic() + 5)
    assert links.of(track, merged["gid"]).disabled
    assert links.of(track, target["gid"]).submission_count == 2


def test_a_deleted_recording_disables_links_after_a_week(
    copy: Copy, databases: Databases, tmp_path: Path, remembered: redis.Redis
) -> None:
    """The week ends when the copy has the packets of a week after a lookup missed the MBID."""
    deleted, *_ = copy.rows(mb.recording)
    links = Links(databases)
    track = links.track()
    links.link(track, deleted["gid"])
    now = datetime.now(UTC)
    apply_packet(copy, tmp_path, Change("recording", old=row_for_packet(deleted)), until=now)
    assert settle(databases, deleted["gid"], remembered) is MissingMbidOutcome.WAITING
    for days, outcome in ((6, MissingMbidOutcome.WAITING), (8, MissingMbidOutcome.DISABLED)):
        apply_packet(copy, tmp_path, until=now + timedelta(days=days))
        assert settle(databases, deleted["gid"], remembered) is outcome
    assert links.of(track, deleted["gid"]).disabled
    assert copy.sequence == FIRST + 3


def settle(databases: Databases, mbid: UUID, connection: redis.Redis) -> MissingMbidOutcome:
    recordings = read_recordings(databases, [mbid])
    assert recordings is not None
    return merge_missing_mbid(mbid, recordings, databases, connection)
