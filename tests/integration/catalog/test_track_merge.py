"""Merges of tracks: fingerprints, links, sources and redirects."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from pipeline.catalog import migrate
from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.fingerprint import submitted_links
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.fingerprint.track_merge import MergeRefusedError, merge_tracks, plan_merge
from pipeline.catalog.ingest import import_results
from pipeline.catalog.ingest import tables as ingest
from pipeline.imports.persist import StaleMatchesError
from pipeline.index.reader import open_reader
from pipeline.lookups.score import score_lookups
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.polling import eventually

PUID, OTHER = (UUID(f"5d1f0c5e-3333-4aaa-8aaa-{n:012}") for n in (1, 2))
ALL_LINKS = {"puid": PUID, "meta": {"track": "Harbour", "artist": "Pier"}, "foreignid": "shop:1"}
LINK_TABLES = (fp.track_mbid, fp.track_puid, fp.track_meta, fp.track_foreignid)
SOURCES = (
    ingest.track_mbid_source,
    ingest.track_puid_source,
    ingest.track_meta_source,
    ingest.track_foreignid_source,
)


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


def submit(importer: Importer, seed: int, **fields: Any) -> UUID:
    """Import a recording; return its track's gid."""
    [status] = importer.run(importer.receipt(fingerprint(seed), **fields))
    assert status.track_gid is not None
    return status.track_gid


def ingest_rows(importer: Importer, table: sa.Table) -> list[Any]:
    key = table.c.get("id", table.c.get("submission_id"))
    with importer.databases.engine("ingest").connect() as connection:
        return list(connection.execute(sa.select(table).order_by(key)))


def everything(importer: Importer) -> list[Any]:
    """Return all rows of both databases."""
    return [importer.rows(table) for table in migrate.METADATA["fingerprint"].sorted_tables] + [
        ingest_rows(importer, table) for table in migrate.METADATA["ingest"].sorted_tables
    ]


def track_ids(importer: Importer) -> dict[UUID, int]:
    return {row.gid: row.id for row in importer.rows(fp.track)}


@contextmanager
def dying_at_the_last_commit(databases: Databases) -> Iterator[None]:
    """Let the server end each connection at its commit to the fingerprint database."""
    engine = databases.engine("fingerprint")

    def die(connection: sa.Connection) -> None:
        backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        with databases.engine("musicbrainz").connect() as other:
            other.execute(sa.text(f"SELECT pg_terminate_backend({backend}, 5000)"))

    sa.event.listen(engine, "commit", die)
    try:
        yield
    finally:
        sa.event.remove(engine, "commit", die)


def assert_one_track(importer: Importer, target: UUID) -> None:
    """Assert that no row refers to another track or to a deleted link."""
    target_id = track_ids(importer)[target]
    tables = (fp.fingerprint, *LINK_TABLES, fp.submission_import)
    for table in tables:
        assert {row.track_id for row in importer.rows(table)} <= {target_id}, table.name
    assert {row.track_id for row in ingest_rows(importer, ingest.submission_result)} == {target_id}
    for table, sources in zip(LINK_TABLES, SOURCES, strict=True):
        ids = {row.id for row in importer.rows(table)}
        column = f"{table.name}_id"
        assert {getattr(row, column) for row in ingest_rows(importer, sources)} <= ids
        named = {getattr(row, column) for row in importer.rows(fp.submission_import)}
        assert named - {None} <= ids


def test_two_tracks_are_merged(importer: Importer) -> None:
    target = submit(importer, 1, **ALL_LINKS)
    source = submit(importer, 2, **ALL_LINKS)
    plan = merge_tracks(importer.databases, target, [source])
    assert [each.gid for each in plan.sources] == [source]
    assert_one_track(importer, target)
    for table in LINK_TABLES:
        [link] = importer.rows(table)
        assert (link.id, link.submission_count) == (1, 2)
    for table in SOURCES:
        assert [row[1] for row in ingest_rows(importer, table)] == [1, 1]
    old = next(row for row in importer.rows(fp.track) if row.gid == source)
    assert old.new_id == track_ids(importer)[target]


def test_the_link_with_the_lowest_id_stays(importer: Importer) -> None:
    source = submit(importer, 1, **ALL_LINKS)
    target = submit(importer, 2, **ALL_LINKS)
    merge_tracks(importer.databases, target, [source])
    assert_one_track(importer, target)
    assert [link.id for link in importer.rows(fp.track_puid)] == [1]


def test_links_of_one_track_move_to_the_target(importer: Importer) -> None:
    target = submit(importer, 1)
    source = submit(importer, 2, mbid=OTHER, **ALL_LINKS)
    merge_tracks(importer.databases, target, [source])
    assert_one_track(importer, target)
    found = {row.mbid: row.submission_count for row in importer.rows(fp.track_mbid)}
    assert found == {MBID: 1, OTHER: 1}


def test_changes_of_a_link_move_with_it(importer: Importer) -> None:
    target, source = submit(importer, 1), submit(importer, 2)
    with importer.databases.engine("ingest").begin() as connection:
        row = {"track_mbid_id": 2, "account_id": 1, "disabled": False}
        connection.execute(sa.insert(ingest.track_mbid_change).values(row))
    merge_tracks(importer.databases, target, [source])
    [change] = ingest_rows(importer, ingest.track_mbid_change)
    assert change.track_mbid_id == 1


def test_merged_mbids_stay_merged(importer: Importer) -> None:
    target, source = submit(importer, 1), submit(importer, 2)
    merge_mbids(importer.databases, MBID, OTHER)
    merge_tracks(importer.databases, target, [source])
    assert_one_track(importer, target)
    rows = {row.mbid: row for row in importer.rows(fp.track_mbid)}
    assert rows[MBID].merged_into == rows[OTHER].id
    assert (rows[MBID].submission_count, rows[OTHER].submission_count) == (0, 2)
    assert (rows[MBID].disabled, rows[OTHER].disabled) == (True, False)


def test_a_merged_mbid_points_to_the_link_that_stays(importer: Importer) -> None:
    target, source = submit(importer, 1, mbid=OTHER), submit(importer, 2)
    merge_mbids(importer.databases, MBID, OTHER)
    merge_tracks(importer.databases, target, [source])
    assert_one_track(importer, target)
    rows = {row.mbid: row for row in importer.rows(fp.track_mbid)}
    assert rows[MBID].merged_into == rows[OTHER].id == 1
    assert rows[OTHER].submission_count == 2


def test_an_mbid_merged_on_one_track_only_is_merged_again(importer: Importer) -> None:
    first = submit(importer, 1)
    merge_mbids(importer.databases, MBID, OTHER)
    second = submit(importer, 2)
    merge_tracks(importer.databases, second, [first])
    rows = {row.mbid: row for row in importer.rows(fp.track_mbid)}
    assert (rows[MBID].disabled, rows[MBID].merged_into) == (False, None)
    merge_mbids(importer.databases, MBID, OTHER)
    assert_one_track(importer, second)
    assert {row.mbid: row.submission_count for row in importer.rows(fp.track_mbid)} == {
        MBID: 0,
        OTHER: 2,
    }


def test_redirects_to_a_merged_track_point_to_its_target(importer: Importer) -> None:
    first, second, third = (submit(importer, seed) for seed in (1, 2, 3))
    merge_tracks(importer.databases, second, [third])
    merge_tracks(importer.databases, first, [second])
    ids = track_ids(importer)
    assert {row.gid: row.new_id for row in importer.rows(fp.track)} == {
        first: None,
        second: ids[first],
        third: ids[first],
    }
    assert_one_track(importer, first)


def test_a_second_merge_changes_nothing(importer: Importer) -> None:
    target, source = submit(importer, 1, **ALL_LINKS), submit(importer, 2, **ALL_LINKS)
    merge_tracks(importer.databases, target, [source])
    before = everything(importer)
    plan = merge_tracks(importer.databases, target, [source])
    assert everything(importer) == before
    assert [each.gid for each in plan.earlier] == [source]
    assert (plan.sources, plan.moved) == ((), [])


def test_a_plan_changes_nothing(importer: Importer) -> None:
    target, source = submit(importer, 1, **ALL_LINKS), submit(importer, 2, **ALL_LINKS)
    before = everything(importer)
    with importer.databases.engine("fingerprint").connect() as connection:
        plan = plan_merge(connection, target, [source])
    assert everything(importer) == before
    assert plan.moved == [2]


def test_a_run_that_died_between_the_databases_is_completed(importer: Importer) -> None:
    target, source = submit(importer, 1, **ALL_LINKS), submit(importer, 2, **ALL_LINKS)
    catalogue = [importer.rows(table) for table in (fp.track, fp.fingerprint, *LINK_TABLES)]
    with (
        dying_at_the_last_commit(importer.databases),
        pytest.raises(sa.exc.OperationalError),
    ):
        merge_tracks(importer.databases, target, [source])
    assert [row[1] for row in ingest_rows(importer, ingest.track_puid_source)] == [1, 1]
    after = [importer.rows(table) for table in (fp.track, fp.fingerprint, *LINK_TABLES)]
    assert after == catalogue
    merge_tracks(importer.databases, target, [source])
    assert_one_track(importer, target)
    assert [row.submission_count for row in importer.rows(fp.track_puid)] == [2]


def test_an_unrecorded_import_is_recorded_with_the_links_that_stay(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import died after its first commit, or continues after the merge with the old links."""
    target = submit(importer, 1, **ALL_LINKS)
    _, ids = importer.receive([importer.receipt(fingerprint(2), **ALL_LINKS)])
    batch = importer.match(ids)
    goes_on: list[Callable[[], int]] = []
    with monkeypatch.context() as patched:
        patched.setattr(
            import_results,
            "record",
            lambda databases, done: goes_on.append(lambda: import_results.record(databases, done)),
        )
        importer.persist(batch)
    assert importer.statuses(ids)[0].state == "pending"
    source = next(gid for gid in track_ids(importer) if gid != target)
    merge_tracks(importer.databases, target, [source])
    goes_on[0]()
    importer.persist(importer.match(ids))
    assert_one_track(importer, target)
    assert [(each.state, each.track_gid) for each in importer.statuses(ids)] == [
        ("imported", target)
    ]
    assert [row[1] for row in ingest_rows(importer, ingest.track_puid_source)] == [1, 1]


def test_lookups_by_an_old_gid_find_the_target(importer: Importer) -> None:
    target, source = submit(importer, 1), submit(importer, 2)
    merge_tracks(importer.databases, target, [source])
    lookups = [Lookup(0, track_gid=str(gid)) for gid in (source, target)]
    batch = LookupBatch("b", "k", time.time() + 30, [""], lookups)
    score_lookups(batch, open_reader(importer.index_path), importer.databases)
    ids = track_ids(importer)
    assert [[hit.track_id for hit in each.hits] for each in batch.lookups] == [[ids[target]]] * 2


def test_lookups_by_fingerprint_find_the_target(importer: Importer) -> None:
    target, source = submit(importer, 1), submit(importer, 2)
    merge_tracks(importer.databases, target, [source])
    words = near_copy(fingerprint(2), 7, 0.02).tobytes()
    batch = LookupBatch("b", "k", time.time() + 30, [""], [Lookup(0, duration=200, words=words)])
    score_lookups(batch, open_reader(importer.index_path), importer.databases)
    assert [hit.gid for hit in batch.lookups[0].hits] == [str(target)]


def test_the_status_of_a_submission_has_the_target(importer: Importer) -> None:
    target = submit(importer, 1)
    _, ids = importer.receive([importer.receipt(fingerprint(2))])
    importer.persist(importer.match(ids))
    [before] = importer.statuses(ids)
    assert before.track_gid is not None
    merge_tracks(importer.databases, target, [before.track_gid])
    assert [status.track_gid for status in importer.statuses(ids)] == [target]


@pytest.mark.parametrize("share", [0.02, 0.05], ids=["the same fingerprint", "a near copy"])
def test_imports_after_a_merge_go_to_the_target(importer: Importer, share: float) -> None:
    """A near copy and a close copy."""
    other = near_copy(fingerprint(1), 4, 0.16)
    target = submit(importer, 1)
    [status] = importer.run(importer.receipt(other))
    assert status.track_gid not in (target, None)
    merge_tracks(importer.databases, target, [status.track_gid])
    copy = importer.receipt(near_copy(other, 9, share), mbid=OTHER)
    assert [each.track_gid for each in importer.run(copy)] == [target]
    assert {row.track_id for row in importer.rows(fp.track_mbid)} == {track_ids(importer)[target]}


def test_an_import_that_matched_before_a_merge_matches_again(importer: Importer) -> None:
    target, source = submit(importer, 1), submit(importer, 2)
    _, ids = importer.receive([importer.receipt(fingerprint(2), mbid=OTHER)])
    batch = importer.match(ids)
    merge_tracks(importer.databases, target, [source])
    with pytest.raises(StaleMatchesError):
        importer.persist(batch)
    importer.persist(importer.match(ids))
    [status] = importer.statuses(ids)
    assert status.state == "imported"
    assert status.track_gid not in (source, None)
    assert not [
        row for row in importer.rows(fp.track_mbid) if row.track_id == track_ids(importer)[source]
    ]


def test_a_merge_waits_for_a_running_import(importer: Importer) -> None:
    """The import adds a link to a source, and the merge then moves it."""
    target, source = submit(importer, 1), submit(importer, 2)
    engine = importer.databases.engine("fingerprint")
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(1) as pool, engine.begin() as connection:
        lock_catalogue(connection)
        merging = pool.submit(merge_tracks, importer.databases, target, [source])
        eventually(lambda: connection.execute(waiting).scalar_one())
        submitted_links.confirm(connection, fp.track_puid, [(track_ids(importer)[source], PUID)])
        connection.commit()
        merging.result()
    [puid] = importer.rows(fp.track_puid)
    assert puid.track_id == track_ids(importer)[target]


def test_concurrent_equal_merges_merge_once(importer: Importer) -> None:
    target, source = submit(importer, 1, **ALL_LINKS), submit(importer, 2, **ALL_LINKS)
    barrier = Barrier(2)

    def work(_: int) -> int:
        barrier.wait(timeout=60)
        return len(merge_tracks(importer.databases, target, [source]).sources)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, range(2))) == [0, 1]
    assert_one_track(importer, target)
    assert [row.submission_count for row in importer.rows(fp.track_mbid)] == [2]


def test_one_of_two_opposite_merges_is_refused(importer: Importer) -> None:
    gids = submit(importer, 1), submit(importer, 2)
    barrier = Barrier(2)

    def work(target: UUID, source: UUID) -> UUID | None:
        barrier.wait(timeout=60)
        try:
            return merge_tracks(importer.databases, target, [source]).target.gid
        except MergeRefusedError:
            return None

    with ThreadPoolExecutor(2) as pool:
        done = set(pool.map(work, gids, gids[::-1]))
    [target] = done - {None}
    assert None in done
    assert_one_track(importer, target)


def test_concurrent_merges_of_tracks_and_of_their_mbids(importer: Importer) -> None:
    gids = [submit(importer, seed) for seed in range(6)]
    barrier = Barrier(2)

    def tracks() -> None:
        barrier.wait(timeout=60)
        for source in gids[1:]:
            merge_tracks(importer.databases, gids[0], [source])

    def mbids() -> None:
        barrier.wait(timeout=60)
        for _ in range(5):
            merge_mbids(importer.databases, MBID, OTHER)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(tracks), pool.submit(mbids)]:
            done.result()
    merge_mbids(importer.databases, MBID, OTHER)
    assert_one_track(importer, gids[0])
    found = {row.mbid: (row.submission_count, row.disabled) for row in importer.rows(fp.track_mbid)}
    assert found == {MBID: (0, True), OTHER: (6, False)}


def test_a_refused_merge_names_the_track(importer: Importer) -> None:
    first, second, third = (submit(importer, seed) for seed in (1, 2, 3))
    ids = track_ids(importer)
    unknown = uuid4()
    merge_tracks(importer.databases, first, [second])
    before = everything(importer)
    refused: list[tuple[UUID | int, list[UUID | int], str]] = [
        (first, [ids[first]], "into itself"),
        (first, [third, unknown, 99], f"no track {unknown}, 99"),
        (unknown, [first], f"no track {unknown}"),
        (second, [third], f"was merged into track {first} \\(id {ids[first]}\\)"),
        (third, [second], f"{second} was merged into track {first}"),
    ]
    for target, sources, reason in refused:
        with pytest.raises(MergeRefusedError, match=reason):
            merge_tracks(importer.databases, target, sources)
    assert everything(importer) == before


def test_a_source_may_be_given_by_gid_and_by_id(importer: Importer) -> None:
    target, source = submit(importer, 1), submit(importer, 2)
    plan = merge_tracks(importer.databases, target, [source, track_ids(importer)[source]])
    assert [each.gid for each in plan.sources] == [source]
