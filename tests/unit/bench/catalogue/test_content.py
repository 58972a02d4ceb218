"""The content of a catalogue is consistent and reproducible."""

import numpy as np
import pytest

from bench.catalogue.content import COPY_EVERY, LEAST_SCORE, LONGEST, SHORTEST, BenchCatalogue
from cli.sample.recordings import sample_recordings
from pipeline.fingerprint.compare import compare2


@pytest.fixture(scope="module")
def catalogue():
    return BenchCatalogue(fingerprints=200)


def test_the_first_fingerprints_are_real(catalogue):
    recordings = sample_recordings()
    assert catalogue.real == len(recordings)
    assert str(catalogue.mbid(0)) == recordings[0].mbid
    assert catalogue.length(0) == int(recordings[0].duration)


def test_a_catalogue_cannot_be_smaller_than_the_sample():
    with pytest.raises(ValueError, match="at least 60"):
        BenchCatalogue(fingerprints=59)


def test_a_copy_is_similar_to_the_previous_one_on_the_same_track(catalogue):
    copies = [number for number in range(200) if catalogue.track(number) != number]
    assert len(copies) == (200 - catalogue.real) // COPY_EVERY
    for number in copies:
        assert catalogue.track(number) == number - 1
        assert catalogue.length(number) == catalogue.length(number - 1)
        assert 0.8 < compare2(catalogue.words(number), catalogue.words(number - 1)) < 0.95


def test_ids_are_different_uuids_of_version_4(catalogue):
    tracks = [catalogue.track_gid(number) for number in range(200)]
    mbids = [mbid for number in range(200) if (mbid := catalogue.mbid(number))]
    assert len({*tracks, *mbids}) == len(tracks) + len(mbids)
    assert {each.version for each in tracks} == {4}


def test_lengths_are_in_the_range(catalogue):
    lengths = [catalogue.length(number) for number in range(catalogue.real, 200)]
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= LONGEST
    assert len(set(lengths)) > 50


@pytest.mark.parametrize("number", [0, 100])
def test_a_known_query_is_similar_to_its_fingerprint(catalogue, number):
    query = catalogue.known(number, catalogue.random("test"))
    assert query.track == catalogue.track_gid(number)
    assert compare2(catalogue.words(number), query.words) >= query.least_score > 0
    assert abs(query.duration - catalogue.length(number)) <= 7


def test_an_unknown_query_is_similar_to_no_fingerprint(catalogue):
    query = catalogue.unknown(3)
    assert query.track is None
    best = max(compare2(catalogue.words(number), query.words) for number in range(200))
    assert best < 0.3 < LEAST_SCORE


def test_linked_tracks_are_in_musicbrainz(catalogue):
    described = {each.mbid for each in catalogue.described()}
    tracks = {catalogue.track(number) for number in range(200)}
    assert described == {str(mbid) for track in tracks if (mbid := catalogue.mbid(track))}


@pytest.mark.parametrize("most", [20, 30, 60])
def test_a_part_of_a_large_catalogue_is_in_musicbrainz(catalogue, monkeypatch, most):
    monkeypatch.setattr("bench.catalogue.content.MAX_DESCRIBED", most)
    described = catalogue.described()
    made_up = {each.mbid for each in described[catalogue.real :]}
    assert len(described) == catalogue.real + len(made_up)
    assert most * 0.2 < len(made_up) <= most
    assert made_up <= {str(catalogue.mbid(track)) for track in range(catalogue.real, 200)}


def test_words_do_not_depend_on_the_size_of_the_catalogue(catalogue):
    assert np.array_equal(catalogue.words(150), BenchCatalogue(fingerprints=1000).words(150))
