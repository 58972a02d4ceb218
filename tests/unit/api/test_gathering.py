"""Items of many threads are worked on in groups, each once."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog

from api.errors import ServiceUnavailableError
from api.gathering import Gatherer

LONG = 30.0


class Work:
    """Notes the groups; while held, it stands still in the first."""

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
def make(work: Work) -> Iterator[Callable[..., Gatherer[int]]]:
    made: list[Gatherer[int]] = []

    def make(**options: Any) -> Gatherer[int]:
        made.append(Gatherer("test", work, **{"most": 100, **options}))
        return made[-1]

    yield make
    work.going.set()
    for gatherer in made:
        gatherer.close()


def test_an_item_alone_is_worked_on_at_once(make, work) -> None:
    make().add(7)
    work.wait_for(1)
    assert work.groups == [[7]]


def test_what_comes_meanwhile_is_the_next_group(make, work) -> None:
    gatherer = make(most=4)
    work.going.clear()
    gatherer.add(1)
    work.wait_for(1)
    for number in range(2, 8):
        gatherer.add(number)
    work.going.set()
    work.wait_for(2)
    assert work.groups == [[1], [2, 3, 4, 5], [6, 7]]


def test_a_group_is_no_larger_than_its_items_allow(make, work) -> None:
    gatherer = make(most=10, size=lambda item: item)
    work.going.clear()
    gatherer.add(1)
    work.wait_for(1)
    gatherer.add(6, 5, 4, 50, 3)
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

    gatherer = make(is_early=is_early, pause=0.001, patience=LONG)
    gatherer.add(1)
    assert asked.acquire(timeout=LONG)
    gatherer.add(2)
    early.clear()
    work.wait_for(1)
    assert work.groups == [[1, 2]]


def test_a_full_group_does_not_wait(make, work) -> None:
    gatherer = make(most=3, is_early=lambda: True, pause=LONG, patience=LONG)
    gatherer.add(1)
    gatherer.add(2, 3, 4)
    work.wait_for(1)
    assert work.groups == [[1, 2, 3]]


def test_patience_ends(make, work) -> None:
    make(is_early=lambda: True, pause=0.001, patience=0.005).add(1)
    work.wait_for(1)


def test_a_group_that_fails_is_logged_and_the_next_worked_on(make, work) -> None:
    gatherer = make(most=1)
    with structlog.testing.capture_logs() as logs:
        gatherer.add(0, 1)
        work.wait_for(2)
    assert work.groups == [[0], [1]]
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_the_end_works_off_what_waits_and_takes_no_more(make, work) -> None:
    gatherer = make(most=2, is_early=lambda: True, pause=LONG, patience=LONG)
    gatherer.add(1, 2, 3)
    gatherer.close()
    assert work.groups == [[1, 2], [3]]
    with pytest.raises(ServiceUnavailableError):
        gatherer.add(4)


def test_a_forked_process_begins_afresh(make, work) -> None:
    gatherer = make()
    work.going.clear()
    gatherer.add(1)
    work.wait_for(1)
    gatherer.add(2)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work.going.set()
            gatherer.add(3)
            work.wait_for(1)
            status = int(work.groups != [[1], [3]])
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    work.going.set()
    work.wait_for(1)
    assert work.groups == [[1], [2]]


def test_every_item_of_many_threads_is_worked_on_once(make, work) -> None:
    gatherer = make(most=7)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(gatherer.add, range(1, 500)))
    gatherer.close()
    assert sorted(item for group in work.groups for item in group) == list(range(1, 500))
    assert max(map(len, work.groups)) <= 7
