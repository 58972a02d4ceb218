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


def test_the_target_counts_what_the_source_did() -> None:
    links = [link(1, OLD, 3), link(2, NEW, 4)]
    assert merge_in_track(links, OLD, NEW) == [merged(1, OLD, 2), link(2, NEW, 7)]


def test_what_led_to_the_source_leads_to_the_target() -> None:
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
def test_what_may_not_be_merged_stays(links: list[MbidLink]) -> None:
    before = [replace(each) for each in links]
    assert merge_in_track(links, OLD, NEW) is None
    assert links == before


def test_what_was_merged_before_needs_no_change() -> None:
    assert merge_in_track([merged(1, OLD, 2), link(2, NEW)], OLD, NEW) == []


def test_what_came_to_a_merged_link_follows_and_enables_nothing() -> None:
    links = [merged(1, OLD, 2, count=2), link(2, NEW, disabled=True)]
    merge_in_track(links, OLD, NEW)
    assert links == [merged(1, OLD, 2), link(2, NEW, 3, disabled=True)]
