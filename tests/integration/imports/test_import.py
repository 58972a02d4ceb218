"""The import rules on real databases and a real index."""

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.catalog.app import accounts
from pipeline.catalog.app.sources import source_ids
from pipeline.catalog.fingerprint import tables
from pipeline.catalog.ingest import import_results
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.identity import meta_gid
from pipeline.fingerprint.words import SILENCE
from pipeline.imports.persist import StaleMatchesError
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy

OTHER_MBID = UUID("5d1f0c5e-1111-4aaa-8aaa-000000000002")


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


def test_an_unknown_recording_creates_a_track(importer: Importer) -> None:
    [status] = importer.run(importer.receipt(fingerprint(1)))
    [track] = importer.rows(tables.track)
    [stored] = importer.rows(tables.fingerprint)
    [link] = importer.rows(tables.track_mbid)
    assert status.state == "imported"
    assert status.track_gid == track.gid
    assert bytes(stored.words) == fingerprint(1).astype("<u4").tobytes()
    assert (stored.track_id, stored.length, stored.submission_count) == (track.id, 200, 1)
    assert (link.track_id, link.mbid, link.submission_count) == (track.id, MBID, 1)


def test_a_resubmission_is_counted_on_fingerprint_and_link(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    importer.run(importer.receipt(fingerprint(1), length=203))
    [stored] = importer.rows(tables.fingerprint)
    [link] = importer.rows(tables.track_mbid)
    assert stored.submission_count == 2
    assert link.submission_count == 2


@pytest.mark.parametrize("index", [True, False], ids=["indexed", "in the changelog's tail"])
def test_a_near_copy_joins_the_track(importer: Importer, index: bool) -> None:
    copy = near_copy(fingerprint(1), 2, 0.08)
    assert 0.75 < compare2(fingerprint(1), copy) < 0.9
    importer.run(importer.receipt(fingerprint(1)), index=index)
    importer.run(importer.receipt(copy), index=index)
    assert importer.tracks() == 1
    assert [row.submission_count for row in importer.rows(tables.fingerprint)] == [1, 1]


def test_a_close_copy_is_the_same_fingerprint(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    importer.run(importer.receipt(near_copy(fingerprint(1), 2, 0.02)))
    [stored] = importer.rows(tables.fingerprint)
    assert stored.submission_count == 2


def test_another_length_is_another_track(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)), importer.receipt(fingerprint(1), length=208))
    assert importer.tracks() == 2


def test_another_recording_is_another_track(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    importer.run(importer.receipt(fingerprint(2)))
    assert importer.tracks() == 2


def test_copies_within_one_request_share_a_track(importer: Importer) -> None:
    original = fingerprint(1)
    copies = [near_copy(original, seed, 0.05) for seed in range(6)]
    importer.run(*(importer.receipt(copy) for copy in copies))
    assert importer.tracks() == 1


def test_two_mbids_of_one_fingerprint_are_two_links_of_one_track(importer: Importer) -> None:
    importer.run(
        importer.receipt(fingerprint(1)), importer.receipt(fingerprint(1), mbid=OTHER_MBID)
    )
    [stored] = importer.rows(tables.fingerprint)
    assert stored.submission_count == 2
    assert [row.mbid for row in importer.rows(tables.track_mbid)] == [MBID, OTHER_MBID]


def test_text_metadata_is_cleaned_linked_and_shared(importer: Importer) -> None:
    meta = {"track": "Harbour \n Lights", "artist": "Northern Pier", "disc_no": 10_001}
    importer.run(importer.receipt(fingerprint(1), mbid=None, meta=meta))
    importer.run(importer.receipt(fingerprint(2), mbid=None, meta=meta))
    [stored] = importer.rows(tables.meta)
    assert (stored.track, stored.disc_no) == ("Harbour Lights", None)
    assert stored.gid == meta_gid({"track": "Harbour Lights", "artist": "Northern Pier"})
    assert [row.meta_id for row in importer.rows(tables.track_meta)] == [stored.id] * 2


def test_puids_and_foreign_ids_are_linked(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1), puid=OTHER_MBID, foreignid="shop:a:b"))
    [vendor] = importer.rows(tables.foreignid_vendor)
    [foreign] = importer.rows(tables.foreignid)
    [puid] = importer.rows(tables.track_puid)
    assert (vendor.name, foreign.name) == ("shop", "a:b")
    assert puid.puid == OTHER_MBID
    assert len(importer.rows(tables.track_foreignid)) == 1


def test_a_disabled_link_stays_disabled(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)))
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.update(tables.track_mbid).values(disabled=True))
    importer.run(importer.receipt(fingerprint(1)))
    [link] = importer.rows(tables.track_mbid)
    assert (link.disabled, link.submission_count) == (True, 2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mbid": None}, "names no recording"),
        ({"mbid": UUID(int=0)}, "names no recording"),
        ({"words": np.arange(79, dtype=np.uint32) << np.uint32(5)}, "79 distinct words"),
        ({"words": np.full(948, SILENCE, np.uint32)}, "1 distinct words"),
    ],
)
def test_an_invalid_submission_is_rejected_with_a_reason(
    importer: Importer, fields: dict[str, object], reason: str
) -> None:
    receipt = importer.receipt(**({"words": fingerprint(1)} | fields))
    good = importer.receipt(fingerprint(2))
    rejected, imported = importer.run(receipt, good)
    assert rejected.state == "rejected"
    assert reason in (rejected.reason or "")
    assert imported.state == "imported"
    assert importer.tracks() == 1


def test_every_stage_run_twice_changes_nothing(importer: Importer) -> None:
    _, ids = importer.receive([importer.receipt(fingerprint(1))])
    batch = importer.match(ids)
    importer.persist(batch)
    importer.persist(batch)
    importer.persist(importer.match(ids))
    importer.update_index()
    importer.update_index()
    [stored] = importer.rows(tables.fingerprint)
    [link] = importer.rows(tables.track_mbid)
    assert (stored.submission_count, link.submission_count) == (1, 1)


def test_a_run_that_died_between_the_databases_is_completed(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = importer.receive([importer.receipt(fingerprint(1))])
    batch = importer.match(ids)

    def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(import_results, "record", die)
        with pytest.raises(ConnectionError):
            importer.persist(batch)
    assert [status.state for status in importer.statuses(ids)] == ["pending"]

    importer.persist(importer.match(ids))
    [status] = importer.statuses(ids)
    [stored] = importer.rows(tables.fingerprint)
    assert status.state == "imported"
    assert stored.submission_count == 1
    with importer.databases.engine("ingest").connect() as connection:
        sources = connection.execute(sa.select(ingest_tables.track_mbid_source)).all()
        results = connection.execute(sa.select(ingest_tables.submission_result)).all()
    assert [row.submission_id for row in sources] == ids
    assert [row.fingerprint_id for row in results] == [stored.id]


def test_matches_that_were_moved_are_matched_again(importer: Importer) -> None:
    importer.run(importer.receipt(fingerprint(1)), importer.receipt(fingerprint(2)))
    _, ids = importer.receive([importer.receipt(near_copy(fingerprint(1), 3, 0.02))])
    batch = importer.match(ids)
    one, two = importer.rows(tables.fingerprint)
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.update(tables.fingerprint)
            .where(tables.fingerprint.c.id == one.id)
            .values(track_id=two.track_id)
        )
    with pytest.raises(StaleMatchesError):
        importer.persist(batch)
    importer.persist(importer.match(ids))
    assert [status.state for status in importer.statuses(ids)] == ["imported"]


def test_fingerprints_of_the_changelog_are_found_without_the_index(importer: Importer) -> None:
    """A fingerprint that is not indexed matches like an indexed one."""
    importer.run(importer.receipt(fingerprint(1)))
    importer.run(importer.receipt(fingerprint(2)), index=False)
    importer.run(importer.receipt(near_copy(fingerprint(2), 5, 0.08)), index=False)
    assert importer.tracks() == 2


def test_an_empty_version_and_none_are_one_source(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        account = accounts.create_account(connection, "Tester")
        application = accounts.create_application(connection, "Tests", account_id=account.id)
        versions = ("1.0", "", None)
        first = source_ids(connection, {(application.id, account.id, each) for each in versions})
        again = source_ids(connection, {(application.id, account.id, each) for each in versions})
    assert first == again
    assert first[application.id, account.id, ""] == first[application.id, account.id, None]
    assert len(set(first.values())) == 2


def test_foreign_ids_of_one_vendor_are_told_apart(importer: Importer) -> None:
    names = ("shop:a", "shop:b", "archive:a", "shop:a")
    importer.run(*(importer.receipt(fingerprint(1), foreignid=name) for name in names))
    assert len(importer.rows(tables.foreignid_vendor)) == 2
    assert len(importer.rows(tables.foreignid)) == 3
    counts = sorted(row.submission_count for row in importer.rows(tables.track_foreignid))
    assert counts == [1, 1, 2]
