"""The lease keeps the index open between tasks and closes it for other processes."""

import threading
from collections.abc import Callable, Iterator

import pytest

from pipeline.following.open_index import IndexBusy, IndexUpdater
from pipeline.index import FingerprintIndexError, IndexLocked, open_writer
from tasks.following.index_lease import IndexLease

NEVER = 60.0
SOON = 0.02


class Merging:
    """An index writer that reports merges as the test wants."""

    def __init__(self, path) -> None:
        self._writer = open_writer(path)
        self.position, self.apply = self._writer.position, self._writer.apply
        self.rebuild = self._writer.rebuild
        self.is_merging = False
        self.asked = threading.Event()
        self.closed = threading.Event()

    def merging(self) -> bool:
        self.asked.set()
        return self.is_merging

    def close(self) -> None:
        self._writer.close()
        self.closed.set()


@pytest.fixture
def opened() -> list[Merging]:
    return []


@pytest.fixture
def lease(index_path, opened) -> Iterator[Callable[..., IndexLease]]:
    """Return a function that makes leases, which are closed after the test."""
    leases = []

    def open_updater() -> IndexUpdater:
        try:
            opened.append(Merging(index_path))
        except IndexLocked as error:
            raise IndexBusy(str(error)) from error
        return opened[-1]  # type: ignore[return-value]

    def make(*, idle: float = NEVER, open_time: float = NEVER, delay: float = NEVER) -> IndexLease:
        leases.append(
            IndexLease(open_updater, idle_timeout=idle, max_open_time=open_time, reopen_delay=delay)
        )
        return leases[-1]

    yield make
    for each in leases:
        each.close()


def is_free(path) -> bool:
    try:
        open_writer(path).close()
    except IndexLocked:
        return False
    return True


def test_tasks_that_follow_each_other_share_one_writer(lease, opened, index_path) -> None:
    shared = lease()
    with shared.borrow(0) as updater:
        updater.apply([], 3)
    with shared.borrow(3) as updater:
        assert updater.position() == 3
    assert len(opened) == 1
    assert not is_free(index_path)


def test_an_idle_writer_is_closed(lease, opened, index_path) -> None:
    with lease(idle=SOON).borrow(0):
        pass
    assert opened[0].closed.wait(30)
    assert is_free(index_path)


def test_an_idle_writer_that_merges_is_closed_afterwards(lease, opened) -> None:
    shared = lease(idle=SOON)
    with shared.borrow(0):
        opened[0].is_merging = True
    for _ in range(2):
        assert opened[0].asked.wait(30)
        assert not opened[0].closed.is_set()
        opened[0].asked.clear()
    opened[0].is_merging = False
    assert opened[0].closed.wait(30)


def test_after_the_maximum_time_the_index_is_closed_for_a_delay(lease, opened, index_path) -> None:
    shared = lease(open_time=0.0)
    with shared.borrow(0):
        pass
    assert opened[0].closed.is_set()
    assert is_free(index_path)
    with pytest.raises(IndexBusy, match="another process may open"), shared.borrow(0):
        pass


def test_after_the_maximum_time_the_index_stays_open_while_it_merges(lease, opened) -> None:
    shared = lease(open_time=0.0)
    with shared.borrow(0):
        opened[0].is_merging = True
    assert not opened[0].closed.is_set()
    with shared.borrow(0):
        opened[0].is_merging = False
    assert opened[0].closed.is_set()
    assert len(opened) == 1


def test_a_failed_task_closes_the_writer(lease, opened, index_path) -> None:
    shared = lease()
    with pytest.raises(FingerprintIndexError, match="broken"), shared.borrow(0):
        raise FingerprintIndexError("broken")
    assert is_free(index_path)
    with shared.borrow(0):
        assert len(opened) == 2


def test_a_replaced_index_is_opened_again(lease, opened) -> None:
    shared = lease()
    with shared.borrow(0) as updater:
        updater.apply([], 9)
    with shared.borrow(0):
        assert opened[0].closed.is_set()
        assert len(opened) == 2


def test_an_index_with_another_writer_is_busy(lease, index_path) -> None:
    shared = lease()
    with open_writer(index_path), pytest.raises(IndexBusy), shared.borrow(0):
        pass
    with shared.borrow(0) as updater:
        assert updater.position() == 0


def test_two_threads_take_turns(lease) -> None:
    shared = lease()
    entered = threading.Event()

    def other() -> None:
        with shared.borrow(1):
            entered.set()

    thread = threading.Thread(target=other)
    with shared.borrow(0) as updater:
        thread.start()
        assert not entered.wait(0.05)
        updater.apply([], 1)
    assert entered.wait(30)
    thread.join()


def test_a_closed_lease_frees_the_index(lease, index_path) -> None:
    shared = lease()
    with shared.borrow(0):
        pass
    shared.close()
    assert is_free(index_path)
