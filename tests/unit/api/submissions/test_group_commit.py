"""Tests of group commit: the sizes of groups, waiting, failures and the end."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog

from api.http.errors import ServiceUnavailableError
from api.submissions.group_commit import GroupCommit

LONG = 30.0


class Work:
    """Records the groups; while `going` is cleared, each call waits."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.going = threading.Event()
        self.going.set()

    def __call__(self, group: list[int]) -> None:
        self.groups.append(group)
        self.entered.release()
        assert self.going.wait(LONG)
        if 0 in group:
            raise KeyError("0")

    def wait_for(self, groups: int) -> None:
        for _ in range(groups):
            assert self.entered.acquire(timeout=LONG)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def make(work: Work) -> Iterator[Callable[..., GroupCommit[int]]]:
    made: list[GroupCommit[int]] = []

    def make(**options: Any) -> GroupCommit[int]:
        made.append(GroupCommit("test", work, **{"max_size": 100, **options}))
        return made[-1]

    yield make
    work.going.set()
    for group_commit in made:
        group_commit.close()


def test_a_single_item_is_committed_at_once(make, work) -> None:
    make().add(7)
    work.wait_for(1)
    assert work.groups == [[7]]


def test_items_that_arrive_during_a_commit_are_the_next_group(make, work) -> None:
    group_commit = make(max_size=4)
    work.going.clear()
    group_commit.add(1)
    work.wait_for(1)
    for number in range(2, 8):
        group_commit.add(number)
    work.going.set()
    work.wait_for(2)
    assert work.groups == [[1], [2, 3, 4, 5], [6, 7]]


def test_a_group_has_a_maximum_size(make, work) -> None:
    group_commit = make(max_size=10, size=lambda item: item)
    work.going.clear()
    group_commit.add(1)
    work.wait_for(1)
    group_commit.add(6, 5, 4, 50, 3)
    work.going.set()
    work.wait_for(4)
    assert work.groups == [[1], [6], [5, 4], [50], [3]]


def test_a_group_waits_while_it_is_early(make, work) -> None:
    early = threading.Event()
    early.set()
    asked = threading.Semaphore(0)

    def is_early() -> bool:
        asked.release()
        return early.is_set()

    group_commit = make(is_early=is_early, poll=0.001, max_wait=LONG)
    group_commit.add(1)
    assert asked.acquire(timeout=LONG)
    group_commit.add(2)
    early.clear()
    work.wait_for(1)
    assert work.groups == [[1, 2]]


def test_a_full_group_does_not_wait(make, work) -> None:
    group_commit = make(max_size=3, is_early=lambda: True, poll=LONG, max_wait=LONG)
    group_commit.add(1)
    group_commit.add(2, 3, 4)
    work.wait_for(1)
    assert work.groups == [[1, 2, 3]]


def test_a_group_waits_up_to_a_maximum_time(make, work) -> None:
    make(is_early=lambda: True, poll=0.001, max_wait=0.005).add(1)
    work.wait_for(1)


def test_a_group_that_fails_is_logged_and_the_next_is_committed(make, work) -> None:
    group_commit = make(max_size=1)
    with structlog.testing.capture_logs() as logs:
        group_commit.add(0, 1)
        work.wait_for(2)
    assert work.groups == [[0], [1]]
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_close_commits_the_waiting_items_and_accepts_no_more(make, work) -> None:
    group_commit = make(max_size=2, is_early=lambda: True, poll=LONG, max_wait=LONG)
    group_commit.add(1, 2, 3)
    group_commit.close()
    assert work.groups == [[1, 2], [3]]
    with pytest.raises(ServiceUnavailableError):
        group_commit.add(4)


def test_every_item_of_many_threads_is_committed_once(make, work) -> None:
    group_commit = make(max_size=7)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(group_commit.add, range(1, 500)))
    group_commit.close()
    assert sorted(item for group in work.groups for item in group) == list(range(1, 500))
    assert max(map(len, work.groups)) <= 7
