"""The scan of all links merges redirected MBIDs, and can be continued."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from cli.stack.servers.ports import free_port
from pipeline.catalog.fingerprint import tables as fp
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.upkeep.mbid_redirects import ScannedChunk, follow_redirects
from tests.support.catalogue.mbids import ELSEWHERE, NEW, NEWER, OLD, Links, MusicBrainz


@pytest.fixture
def links(databases: Databases) -> Links:
    return Links(databases)


@pytest.fixture
def musicbrainz(databases: Databases) -> MusicBrainz:
    """A copy that redirects one MBID."""
    made = MusicBrainz(databases)
    made.add(NEW, NEWER)
    made.redirect(OLD, NEW)
    return made


@pytest.fixture
def without_musicbrainz(settings: Settings) -> Iterator[Databases]:
    """The databases, with a MusicBrainz database that is unreachable."""
    unreachable = settings.database_musicbrainz.model_copy(update={"port": free_port()})
    made = Databases(settings.model_copy(update={"database_musicbrainz_ro": unreachable}))
    yield made
    made.dispose()


def soon() -> float:
    return time.monotonic() + 60


@pytest.mark.usefixtures("musicbrainz")
def test_redirected_mbids_are_merged_and_others_are_not(links: Links) -> None:
    known, unknown = links.link(links.track(), NEWER), links.link(links.track(), ELSEWHERE)
    tracks = [links.track() for _ in range(3)]
    for track in tracks:
        links.link(track, OLD)
    assert follow_redirects(links.databases, 0, soon()) == ScannedChunk(0, 3)
    assert [links.of(track, NEW).submission_count for track in tracks] == [1, 1, 1]
    rows = links.rows()
    assert rows[known] == (NEWER, 1, False, None)
    assert rows[unknown] == (ELSEWHERE, 1, False, None)
    assert follow_redirects(links.databases, 0, soon()) == ScannedChunk(0, 0)


@pytest.mark.usefixtures("musicbrainz")
def test_the_scan_continues_by_chunks_and_starts_again(links: Links) -> None:
    for _ in range(5):
        links.link(links.track(), ELSEWHERE)
    positions = [0]
    for _ in range(10):
        followed = follow_redirects(links.databases, positions[-1], soon(), chunk=2)
        positions.append(followed.position)
        if not followed.position:
            break
    assert positions == [0, 2, 4, 0]


def test_the_scan_stops_after_the_deadline(links, musicbrainz) -> None:
    musicbrainz.redirect(ELSEWHERE, NEWER)
    first, second = links.link(links.track(), OLD), links.link(links.track(), ELSEWHERE)
    assert follow_redirects(links.databases, 0, time.monotonic()) == ScannedChunk(first, 1)
    assert links.rows()[second] == (ELSEWHERE, 1, False, None)
    assert follow_redirects(links.databases, first, soon()) == ScannedChunk(0, 1)


@pytest.mark.usefixtures("musicbrainz")
def test_submissions_counted_on_a_merged_link_are_moved(links: Links) -> None:
    track = links.track()
    old = links.link(track, OLD)
    follow_redirects(links.databases, 0, soon())
    with links.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.update(fp.track_mbid).filter_by(id=old).values(submission_count=1))
    links.source(old)
    assert follow_redirects(links.databases, 0, soon()) == ScannedChunk(0, 1)
    new = links.of(track, NEW)
    assert (new.submission_count, new.disabled) == (2, False)
    assert links.sourced() == [new.id] * 2


@pytest.mark.usefixtures("musicbrainz")
def test_sources_are_moved_after_an_interrupted_run(links: Links) -> None:
    """The links were merged before the run died."""
    track = links.track()
    new = links.link(track, NEW)
    links.link(track, OLD, 0, disabled=True, merged_into=new)
    left = links.source(new + 1)
    assert links.sourced()[left - 1] == new + 1
    assert follow_redirects(links.databases, 0, soon()) == ScannedChunk(0, 0)
    assert links.sourced() == [new, new]


def test_without_recordings_nothing_happens(links: Links) -> None:
    links.link(links.track(), OLD)
    before = links.rows()
    assert follow_redirects(links.databases, 0, soon()) is None
    assert links.rows() == before


def test_without_musicbrainz_nothing_happens(links: Links, without_musicbrainz: Databases) -> None:
    links.link(links.track(), OLD)
    assert follow_redirects(without_musicbrainz, 0, soon()) is None


@pytest.mark.usefixtures("musicbrainz")
def test_concurrent_scans_merge_each_link_once(links: Links) -> None:
    tracks = [links.track() for _ in range(20)]
    for track in tracks:
        links.link(track, OLD, 2)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: follow_redirects(links.databases, 0, soon()), range(2)))
    assert sum(followed.merged for followed in found) == 20
    assert [links.of(track, NEW).submission_count for track in tracks] == [2] * 20
