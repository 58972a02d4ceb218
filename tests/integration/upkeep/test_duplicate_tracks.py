"""Matching tracks that share an MBID are suggested for merging."""

from pathlib import Path
from uuid import UUID

import pytest

from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.fingerprint.compare import compare2
from pipeline.runtime.databases import Databases
from pipeline.upkeep import duplicate_tracks
from pipeline.upkeep.duplicate_tracks import find_duplicates
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import Words, fingerprint, near_copy

OTHER = UUID("5d1f0c5e-4444-4aaa-8aaa-000000000001")

ORIGINAL = fingerprint(1)
FAR_COPY = near_copy(ORIGINAL, 2, 0.16)  # too far for the import to join them, near enough here


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


def submit(importer: Importer, words: Words, length: int = 200, mbid: UUID = MBID) -> UUID:
    [status] = importer.run(importer.receipt(words, length, mbid=mbid))
    assert status.track_gid is not None
    return status.track_gid


def pairs(importer: Importer, limit: int = 20) -> list[tuple[UUID, UUID]]:
    return [(each.target, each.source) for each in find_duplicates(importer.databases, limit)]


def test_matching_tracks_are_suggested_with_their_score(importer: Importer) -> None:
    older, younger = submit(importer, ORIGINAL), submit(importer, FAR_COPY, 206)
    [found] = find_duplicates(importer.databases, 20)
    assert (found.target, found.source, found.mbid) == (older, younger, MBID)
    assert found.min_score == compare2(ORIGINAL, FAR_COPY)
    assert 0.4 <= found.min_score < 0.75
    assert found.max_length_diff == 6


def test_tracks_without_a_common_mbid_are_not_suggested(importer: Importer) -> None:
    submit(importer, ORIGINAL)
    submit(importer, FAR_COPY, mbid=OTHER)
    assert pairs(importer) == []


def test_tracks_of_different_lengths_are_not_suggested(importer: Importer) -> None:
    submit(importer, ORIGINAL)
    submit(importer, FAR_COPY, 208)
    assert pairs(importer) == []


def test_tracks_with_one_different_fingerprint_are_not_suggested(importer: Importer) -> None:
    """The older track's second fingerprint matches its first, but not the newer track's."""
    older = submit(importer, ORIGINAL)
    joined = near_copy(ORIGINAL, 3, 0.12)
    assert submit(importer, joined) == older
    younger = near_copy(ORIGINAL, 4, 0.2)
    submit(importer, younger)
    assert compare2(ORIGINAL, younger) >= 0.4 > compare2(joined, younger)
    assert pairs(importer) == []


def test_a_pair_that_shares_two_mbids_is_suggested_once(importer: Importer) -> None:
    for mbid in (MBID, OTHER):
        submit(importer, ORIGINAL, mbid=mbid)
        submit(importer, FAR_COPY, mbid=mbid)
    assert len(pairs(importer)) == 1


def test_suggestions_are_limited_and_end_with_the_merge(
    importer: Importer,
) -> None:
    for seed in (1, 10, 20):
        submit(importer, fingerprint(seed))
        submit(importer, near_copy(fingerprint(seed), seed + 1, 0.16))
    assert len(pairs(importer)) == 3
    assert len(pairs(importer, limit=2)) == 2
    for target, source in pairs(importer):
        merge_tracks(importer.databases, target, [source])
    assert pairs(importer) == []


def test_small_chunks_give_equal_results(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        mbid = UUID(int=number + 1)
        submit(importer, fingerprint(10 * number), mbid=mbid)
        submit(importer, near_copy(fingerprint(10 * number), number, 0.16), mbid=mbid)
    whole = pairs(importer)
    monkeypatch.setattr(duplicate_tracks, "_CHUNK", 1)
    assert len(whole) == 3
    assert pairs(importer) == whole
