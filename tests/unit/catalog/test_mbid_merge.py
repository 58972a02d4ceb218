"""Merging within the MBID links of one track."""

from dataclasses import replace
from uuid import UUID

import pytest

from pipeline.catalog.fingerprint.mbid_links import MbidLink
from pipeline.catalog.fingerprint.mbid_merge import merge_in_track

OLD, NEW, NEWER = UUID(int=1), UUID(int=2), UUID(int=3)


def link(id: int, mbid: UUID, count: int = 1, **fields: object) -> MbidLink:  # noqa: A002 - the column's name
    base = MbidLink(id, 1, mbid, count, disabled=False, merged_into=None)
    return replace(base, **fields)  # type: ignore[arg-type]


def merged(id: int, mbid: UUID, into: int | None, count: int = 0) -> MbidLink:  # noqa: A002 - the column's name
    return link(id, mbid, count, disabled=True, merged_into=into)


def test_the_target_gets_the_submissions_of_the_source() -> None:
    links = [link(1, OLD, 3), link(2, NEW, 4)]
    assert merge_in_track(links, OLD, NEW) == [merged(1, OLD, 2), link(2, NEW, 7)]


def test_links_merged_into_the_source_point_to_the_target() -> None:
    links = [merged(1, OLD, 2), link(2, NEW), link(3, NEWER)]
    merge_in_track(links, NEW, NEWER)
    assert links == [merged(1, OLD, 3), merged(2, NEW, 3), link(3, NEWER, 2)]


@pytest.mark.parametrize(
    "links",
    [
        [merged(1, OLD, 3), link(2, NEW), link(3, NEWER)],
        [merged(1, OLD, 3), link(3, NEWER)],
        [link(1, OLD), merged(2, NEW, 1)],
        [link(1, OLD), merged(2, NEW, 99)],
        [link(1, OLD), merged(2, NEW, 3), merged(3, NEWER, 2)],
    ],
    ids=["elsewhere", "elsewhere, no target", "backwards", "off the track", "in a circle"],
)
def test_a_refused_merge_changes_nothing(links: list[MbidLink]) -> None:
    before = [replace(each) for each in links]
    assert merge_in_track(links, OLD, NEW) is None
    assert links == before


def test_a_repeated_merge_changes_nothing() -> None:
    assert merge_in_track([merged(1, OLD, 2), link(2, NEW)], OLD, NEW) == []


def test_submissions_counted_on_a_merged_link_move_and_enable_nothing() -> None:
    links = [merged(1, OLD, 2, count=2), link(2, NEW, disabled=True)]
    merge_in_track(links, OLD, NEW)
    assert links == [merged(1, OLD, 2), link(2, NEW, 3, disabled=True)]
