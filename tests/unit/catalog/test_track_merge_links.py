"""The link that stays of several equal ones, and its fields."""

from uuid import UUID

from pipeline.catalog.fingerprint.track_merge_links import (
    LinkGroup,
    TrackLink,
    group_links,
    moves_of,
)

A, B = UUID(int=1), UUID(int=2)


def test_the_lowest_id_stays_with_all_submissions() -> None:
    links = [TrackLink(7, 1, A, 2), TrackLink(3, 2, A, 5), TrackLink(9, 3, A, 1)]
    [group] = group_links(links)
    assert group == LinkGroup(3, 2, (7, 9), 8, disabled=False, merged_into=None)
    assert moves_of([group]) == {7: 3, 9: 3}


def test_links_with_different_values_are_not_grouped() -> None:
    groups = group_links([TrackLink(1, 1, 10, 1), TrackLink(2, 2, 11, 1)])
    assert [(group.kept, group.removed) for group in groups] == [(1, ()), (2, ())]


def test_a_link_is_disabled_only_if_all_were() -> None:
    both = [TrackLink(1, 1, A, 1, disabled=True), TrackLink(2, 2, A, 1, disabled=True)]
    one = [TrackLink(3, 1, B, 1, disabled=True), TrackLink(4, 2, B, 1)]
    assert [group.disabled for group in group_links(both + one)] == [True, False]


def test_merged_links_point_to_the_link_that_stays() -> None:
    links = [
        TrackLink(1, 1, B, 4),
        TrackLink(2, 2, B, 3),
        TrackLink(3, 2, A, 0, disabled=True, merged_into=2),
    ]
    merged = group_links(links)[1]
    assert (merged.kept, merged.disabled, merged.merged_into) == (3, True, 1)


def test_a_link_is_merged_only_if_all_were() -> None:
    links = [
        TrackLink(1, 1, A, 4, disabled=True),
        TrackLink(2, 2, B, 3),
        TrackLink(3, 2, A, 1, disabled=True, merged_into=2),
    ]
    group = group_links(links)[0]
    assert (group.kept, group.submission_count, group.merged_into) == (1, 5, None)


def test_a_link_never_points_to_itself() -> None:
    links = [
        TrackLink(1, 1, A, 0, disabled=True, merged_into=2),
        TrackLink(2, 2, A, 0, disabled=True, merged_into=1),
    ]
    [group] = group_links(links)
    assert group.merged_into is None
