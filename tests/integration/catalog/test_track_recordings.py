"""The recordings of tracks for operators, over PostgreSQL."""

import pytest

from pipeline.catalog.track_recordings import TrackRecording, recordings_of_tracks
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.mbids import ELSEWHERE, NEW, NEWER, OLD, Links, MusicBrainz
from tests.support.processes.servers import free_port


@pytest.fixture
def links(with_database: Databases) -> Links:
    return Links(with_database)


@pytest.fixture
def musicbrainz(with_database: Databases) -> MusicBrainz:
    return MusicBrainz(with_database)


def test_the_most_confirmed_link_is_first(links: Links) -> None:
    track = links.track()
    for mbid, count in ((NEWER, 1), (OLD, 1), (NEW, 3), (ELSEWHERE, 2)):
        links.link(track, mbid, count)
    found = recordings_of_tracks(links.databases, [track])[track]
    assert [(each.mbid, each.sources) for each in found] == [
        (NEW, 3),
        (ELSEWHERE, 2),
        (OLD, 1),
        (NEWER, 1),
    ]


def test_disabled_and_merged_links_are_included(links: Links) -> None:
    track = links.track()
    target = links.link(track, NEW, 2)
    merged = links.link(track, OLD, 0, disabled=True, merged_into=target)
    state = {"length": None, "duration_mismatch": False}
    assert recordings_of_tracks(links.databases, [track]) == {
        track: [
            TrackRecording(target, NEW, 2, disabled=False, merged_into=None, **state),
            TrackRecording(merged, OLD, 0, disabled=True, merged_into=NEW, **state),
        ]
    }


def test_a_recording_of_another_length_is_a_mismatch(
    links: Links, musicbrainz: MusicBrainz
) -> None:
    """The same recording can fit one track and not another one."""
    first, second = links.track(), links.track()
    for track, length in ((first, 200), (first, 203), (second, 280)):
        links.fingerprint(track, length)
    musicbrainz.add(OLD, length=233_500)
    musicbrainz.add(NEW)
    for track in (first, second):
        for mbid in (OLD, NEW, ELSEWHERE):
            links.link(track, mbid)
    found = recordings_of_tracks(links.databases, [first, second])
    assert [(each.mbid, each.length, each.duration_mismatch) for each in found[first]] == [
        (OLD, 233_500, True),
        (NEW, None, False),
        (ELSEWHERE, None, False),
    ]
    assert [each.duration_mismatch for each in found[second]] == [True, False, False]
    links.fingerprint(first, 204)
    links.fingerprint(second, 263)
    found = recordings_of_tracks(links.databases, [first, second])
    assert not any(each.duration_mismatch for each in found[first] + found[second])


def test_tracks_without_links_are_left_out(links: Links) -> None:
    assert recordings_of_tracks(links.databases, [links.track(), 999]) == {}
    assert recordings_of_tracks(links.databases, []) == {}


def test_without_musicbrainz_all_lengths_are_unknown(links: Links, settings: Settings) -> None:
    track = links.track()
    links.link(track, OLD)
    unreachable = settings.database_musicbrainz.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database_musicbrainz_ro": unreachable}))
    try:
        [found] = recordings_of_tracks(databases, [track])[track]
    finally:
        databases.dispose()
    assert (found.mbid, found.length, found.duration_mismatch) == (OLD, None, False)
