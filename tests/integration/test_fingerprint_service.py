"""`FingerprintService` over PostgreSQL and an index."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pipeline import FingerprintService
from pipeline.catalog.fingerprint import tables as fp
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint_service import SubmissionRejectedError
from pipeline.following.open_index import open_updater
from pipeline.following.update_index import update_index
from pipeline.index import SearchTimeout, open_reader
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.limited_reader import LimitedReader
from tests.support.catalogue.synthetic import fingerprint, near_copy

OTHER = UUID("5d1f0c5e-4444-4aaa-8aaa-000000000001")


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


@pytest.fixture
def service(importer: Importer) -> Iterator[FingerprintService]:
    importer.update_index()
    with open_reader(importer.index_path) as index:
        yield FingerprintService(importer.databases, index)


def test_a_copy_finds_the_fingerprints_best_first(
    importer: Importer, service: FingerprintService
) -> None:
    """Each match has its ids, its length and compare2 as its score; `limit` keeps the best."""
    words = fingerprint(1)
    variant = near_copy(words, 2, 0.08)  # scores below 0.9, so it is a fingerprint of its own
    [first, second] = importer.run(importer.receipt(words), importer.receipt(variant, length=202))
    assert first.track_gid == second.track_gid
    matches = service.search(words, 200)
    assert [match.length for match in matches] == [200, 202]
    assert [match.score for match in matches] == pytest.approx(
        [1.0, compare2(words, variant)], abs=1e-6
    )
    assert {match.track.gid for match in matches} == {str(first.track_gid)}
    assert service.search(words.tolist(), 200, 1) == matches[:1]


def test_a_match_has_a_similar_length(importer: Importer, service: FingerprintService) -> None:
    """The default tolerance is that of lookups, and an argument changes it."""
    importer.run(importer.receipt(fingerprint(1)))
    assert service.search(fingerprint(1), 207)
    assert not service.search(fingerprint(1), 208)
    assert service.search(fingerprint(1), 208, max_duration_diff=8)


def test_nothing_matches_an_unknown_or_empty_fingerprint(service: FingerprintService) -> None:
    """Both give an empty list."""
    assert service.search(fingerprint(9), 200) == []
    assert service.search([], 200) == []


@pytest.mark.parametrize("duration", [0, -1, 32768])
def test_an_invalid_duration_is_refused(service: FingerprintService, duration: int) -> None:
    """Neither method takes a length that the tables can't hold."""
    with pytest.raises(ValueError, match="duration"):
        service.search(fingerprint(1), duration)
    with pytest.raises(ValueError, match="duration"):
        service.insert(fingerprint(1), duration, account_id=1, application_id=1, mbid=OTHER)


def test_a_limit_below_one_is_refused(service: FingerprintService) -> None:
    """There is no search for nothing."""
    with pytest.raises(ValueError, match="limit"):
        service.search(fingerprint(1), 200, 0)


def test_an_inserted_fingerprint_is_imported_and_logged(
    importer: Importer, service: FingerprintService
) -> None:
    """It gets a track, an MBID and a changelog entry, and is found once the index has followed."""
    ids = {"account_id": importer.account_id, "application_id": importer.application_id}
    words = fingerprint(1)
    imported = service.insert(words, 200, **ids, mbid=MBID, bitrate=320)
    [stored] = importer.rows(fp.fingerprint)
    assert (stored.id, stored.track_id) == (imported.fingerprint_id, imported.track_id)
    assert np.array_equal(np.frombuffer(stored.words, "<u4"), words)
    assert (stored.length, stored.bitrate) == (200, 320)
    [link] = importer.rows(fp.track_mbid)
    assert (link.id, link.mbid) == (imported.track_mbid_id, MBID)
    [entry] = importer.rows(fp.fpindex_changelog)
    assert entry.fingerprint_id == imported.fingerprint_id
    [status] = importer.statuses([imported.submission_id])
    assert status.state == "imported"
    assert service.search(words, 200) == []
    importer.update_index()
    [match] = service.search(words, 200)
    assert (match.fingerprint_id, match.track.id) == (stored.id, stored.track_id)


def test_a_repeated_fingerprint_is_counted(importer: Importer, service: FingerprintService) -> None:
    """The import decides that the second one is the same fingerprint."""
    ids = {"account_id": importer.account_id, "application_id": importer.application_id}
    first = service.insert(fingerprint(1), 200, **ids, mbid=MBID)
    second = service.insert(fingerprint(1), 200, **ids, mbid=MBID)
    assert second.fingerprint_id == first.fingerprint_id
    [stored] = importer.rows(fp.fingerprint)
    assert stored.submission_count == 2


def test_a_submission_that_names_no_recording_is_rejected(
    importer: Importer, service: FingerprintService
) -> None:
    """The reason is the one that the web service shows, and nothing was stored."""
    with pytest.raises(SubmissionRejectedError, match="names no recording"):
        service.insert(
            fingerprint(1),
            200,
            account_id=importer.account_id,
            application_id=importer.application_id,
        )
    assert not importer.rows(fp.fingerprint)


def test_a_service_opens_what_the_settings_name(
    databases: Databases, settings: Settings, importer: Importer
) -> None:
    """`open` reads the index and the databases of an installation."""
    importer.run(importer.receipt(fingerprint(1)), index=False)
    with open_updater(settings.fingerprint_index, databases) as updater:
        update_index(updater, databases)
    with FingerprintService.open(settings) as service:
        assert len(service.search(fingerprint(1), 200)) == 1


def test_a_search_may_have_a_limit_of_postings_and_of_time(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    searches: list[dict[str, Any]] = []
    with LimitedReader(importer.index_path, searches) as index:
        service = FingerprintService(importer.databases, index, max_postings=500)
        assert len(service.search(fingerprint(1), 200, timeout=60)) == 1
        with pytest.raises(SearchTimeout):
            service.search(fingerprint(1), 200, timeout=1e-9)
    assert [each["max_postings"] for each in searches] == [500] * 2
