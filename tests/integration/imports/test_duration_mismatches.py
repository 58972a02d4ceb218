"""Imported submissions with the MBID of a recording of another length."""

from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from pipeline.imports.duration_mismatches import LinkedSubmission, duration_mismatches
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.mbids import ELSEWHERE, NEW, OLD, MusicBrainz
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.servers import free_port

SHORT, FITTING, UNTIMED, UNKNOWN = OLD, NEW, ELSEWHERE, UUID(int=7)


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


def import_each(importer: Importer, *mbids: UUID | None) -> list[int]:
    """Import one recording of 200 s for each MBID; return the submission ids."""
    receipts = [
        importer.receipt(fingerprint(number), length=200, mbid=mbid, puid=UUID(int=number + 1))
        for number, mbid in enumerate(mbids)
    ]
    _, ids = importer.receive(receipts)
    importer.persist(importer.match(ids))
    return ids


def test_only_a_known_length_that_differs_is_a_mismatch(
    importer: Importer, databases: Databases
) -> None:
    musicbrainz = MusicBrainz(databases)
    musicbrainz.add(SHORT, length=100_000)
    musicbrainz.add(FITTING, length=229_000)
    musicbrainz.add(UNTIMED)
    ids = import_each(importer, FITTING, SHORT, UNTIMED, UNKNOWN, None)
    with capture_logs() as logs:
        [found] = duration_mismatches([*ids, 999], databases)
    assert (found.submission_id, found.mbid) == (ids[1], SHORT)
    [line] = [each for each in logs if "does not fit" in each["event"]]
    assert (line["submissions"], line["links"]) == (1, [(found.track_id, str(SHORT))])


def test_each_submission_that_confirms_such_a_link_is_found(
    importer: Importer, databases: Databases
) -> None:
    MusicBrainz(databases).add(SHORT, length=100_000)
    first = import_each(importer, SHORT)
    [other] = duration_mismatches(import_each(importer, SHORT), databases)
    assert other.submission_id not in first
    assert duration_mismatches(first, databases) == [
        LinkedSubmission(first[0], other.track_id, SHORT)
    ]


def test_an_unreachable_database_stops_no_import(
    importer: Importer, databases: Databases, settings: Settings
) -> None:
    MusicBrainz(databases).add(SHORT, length=100_000)
    ids = import_each(importer, SHORT)
    for section in ("database_musicbrainz_ro", "database_fingerprint"):
        away = getattr(settings, section).model_copy(update={"port": free_port()})
        without = Databases(settings.model_copy(update={section: away}))
        assert duration_mismatches(ids, without) == []
        without.dispose()
    assert len(duration_mismatches(ids, databases)) == 1
