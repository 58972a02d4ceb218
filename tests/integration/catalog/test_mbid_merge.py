"""Merges of MBIDs, in two databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from cli.stack.servers.ports import free_port
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.mbid_merge import MbidMerge, merge_mbids
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.mbids import ELSEWHERE, NEW, NEWER, OLD, Links


@pytest.fixture
def links(databases: Databases) -> Links:
    return Links(databases)


@pytest.fixture
def without_ingest(settings: Settings) -> Iterator[Databases]:
    """The databases, with an ingest database that is unreachable."""
    unreachable = settings.database_ingest.model_copy(update={"port": free_port()})
    made = Databases(settings.model_copy(update={"database_ingest": unreachable}))
    yield made
    made.dispose()


def test_submissions_sources_and_changes_move_to_the_target(links: Links) -> None:
    track = links.track()
    old, new = links.link(track, OLD, 3), links.link(track, NEW, 2)
    links.change(old)
    assert merge_mbids(links.databases, OLD, NEW) == MbidMerge(1)
    assert links.rows() == {old: (OLD, 0, True, new), new: (NEW, 5, False, None)}
    assert links.sourced() == [new] * 5
    assert links.sourced(ingest_tables.track_mbid_change) == [new]


def test_a_missing_target_link_is_created_on_each_track(links: Links) -> None:
    tracks = [links.track() for _ in range(3)]
    for track in tracks:
        links.link(track, OLD, 2)
    assert merge_mbids(links.databases, OLD, NEW).merged == 3
    made = [links.of(track, NEW) for track in tracks]
    assert [(link.submission_count, link.disabled) for link in made] == [(2, False)] * 3
    assert links.sourced() == [link.id for link in made for _ in range(2)]


@pytest.mark.parametrize("disabled", [True, False])
def test_a_new_target_link_has_the_state_of_the_source(links: Links, disabled: bool) -> None:
    track = links.track()
    links.link(track, OLD, disabled=disabled)
    merge_mbids(links.databases, OLD, NEW)
    assert links.of(track, NEW).disabled is disabled


@pytest.mark.parametrize("source", [True, False])
@pytest.mark.parametrize("target", [True, False])
def test_a_target_is_disabled_if_both_were(links: Links, source: bool, target: bool) -> None:
    track = links.track()
    links.link(track, OLD, disabled=source)
    links.link(track, NEW, disabled=target)
    merge_mbids(links.databases, OLD, NEW)
    assert links.of(track, NEW).disabled is (source and target)


def test_a_second_merge_changes_nothing(links: Links) -> None:
    links.link(links.track(), OLD, 3)
    merge_mbids(links.databases, OLD, NEW)
    before = links.rows(), links.sourced()
    assert merge_mbids(links.databases, OLD, NEW) == MbidMerge(0)
    assert (links.rows(), links.sourced()) == before


def test_a_run_that_died_between_the_databases_is_completed(
    links: Links, without_ingest: Databases
) -> None:
    old = links.link(links.track(), OLD, 2)
    with pytest.raises(sa.exc.OperationalError):
        merge_mbids(without_ingest, OLD, NEW)
    assert links.rows()[old] == (OLD, 0, True, old + 1)
    assert links.sourced() == [old, old]
    assert merge_mbids(links.databases, OLD, NEW) == MbidMerge(0)
    assert links.sourced() == [old + 1, old + 1]


def test_submissions_counted_on_a_merged_link_are_moved(links: Links) -> None:
    track = links.track()
    old = links.link(track, OLD)
    merge_mbids(links.databases, OLD, NEW)
    with links.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.update(fp.track_mbid).filter_by(id=old).values(submission_count=2))
    links.source(old)
    links.source(old)
    assert merge_mbids(links.databases, OLD, NEW) == MbidMerge(1)
    new = links.of(track, NEW)
    assert (new.submission_count, new.disabled) == (3, False)
    assert links.sourced() == [new.id] * 3


def test_a_link_merged_into_another_mbid_stays(links: Links) -> None:
    track, other = links.track(), links.track()
    elsewhere = links.link(track, ELSEWHERE, 4)
    old = links.link(track, OLD, 0, disabled=True, merged_into=elsewhere)
    links.link(other, OLD)
    assert merge_mbids(links.databases, OLD, NEW) == MbidMerge(1, (track,))
    assert links.rows()[old] == (OLD, 0, True, elsewhere)
    assert links.of(other, NEW).submission_count == 1


def test_a_merged_target_is_replaced_by_its_target(links: Links) -> None:
    track = links.track()
    links.link(track, NEW, 2)
    merge_mbids(links.databases, NEW, NEWER)
    old = links.link(track, OLD)
    merge_mbids(links.databases, OLD, NEW)
    newer = links.of(track, NEWER)
    assert (newer.submission_count, newer.disabled) == (3, False)
    assert links.rows()[old] == (OLD, 0, True, newer.id)
    assert links.sourced() == [newer.id] * 3


def test_links_point_to_the_end_of_a_chain_of_merges(links: Links) -> None:
    track = links.track()
    old = links.link(track, OLD)
    merge_mbids(links.databases, OLD, NEW)
    merge_mbids(links.databases, NEW, NEWER)
    newer = links.of(track, NEWER).id
    assert links.rows()[old] == (OLD, 0, True, newer)
    assert merge_mbids(links.databases, OLD, NEWER) == MbidMerge(0)
    assert links.rows()[newer] == (NEWER, 1, False, None)


def test_a_cycle_of_merges_is_refused(links: Links) -> None:
    track = links.track()
    links.link(track, OLD)
    merge_mbids(links.databases, OLD, NEW)
    before = links.rows()
    assert merge_mbids(links.databases, NEW, OLD) == MbidMerge(0, (track,))
    assert links.rows() == before


def test_an_mbid_is_not_merged_into_itself(databases: Databases) -> None:
    with pytest.raises(ValueError, match="into itself"):
        merge_mbids(databases, OLD, OLD)


def test_an_mbid_without_links_is_no_error(databases: Databases) -> None:
    assert merge_mbids(databases, OLD, NEW) == MbidMerge(0)


def test_concurrent_merges_count_each_submission_once(links: Links) -> None:
    """Each merge runs twice: into one MBID, and from there into another."""
    tracks = [links.track() for _ in range(10)]
    for track in tracks:
        links.link(track, OLD, 3)
        links.link(track, ELSEWHERE, 2)
    pairs = [(OLD, NEW), (OLD, NEW), (ELSEWHERE, NEW), (NEW, NEWER)]
    barrier = Barrier(len(pairs))

    def work(pair: tuple) -> None:
        barrier.wait(timeout=60)
        merge_mbids(links.databases, *pair)

    with ThreadPoolExecutor(len(pairs)) as pool:
        list(pool.map(work, pairs))
    merge_mbids(links.databases, NEW, NEWER)
    found = [links.of(track, NEWER) for track in tracks]
    assert [(link.submission_count, link.disabled) for link in found] == [(5, False)] * 10
    assert sorted(links.sourced()) == sorted(link.id for link in found for _ in range(5))
