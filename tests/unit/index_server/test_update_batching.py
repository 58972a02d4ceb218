"""Group commit: versions, order, and failures of single updates."""

import errno
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from index_server.errors import IndexNotFoundError, VersionMismatchError
from index_server.update_batching import GroupCommitWriter, UpdateRequest
from pipeline.index import Change, Delete, Insert, open_reader
from tests.faults.storage.failing_files import disk_error_at, failing, never
from tests.support.polling import eventually


class Counted:
    """Counts the commits of the engine and can delay them."""

    def __init__(self) -> None:
        self.count = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self) -> None:
        self.count += 1
        assert self.go_on.wait(30)


@pytest.fixture
def counted() -> Counted:
    """The callback after each commit."""
    return Counted()


@pytest.fixture
def commits(tmp_path: Path, counted: Counted) -> Iterator[GroupCommitWriter]:
    """The writer of an empty index."""
    commits = GroupCommitWriter(tmp_path / "index", counted, merged=lambda _seconds: None)
    yield commits
    commits.close()


def insert(document: int, *terms: int) -> Change:
    """Return the change that inserts a document."""
    return Insert(document, np.array(terms, dtype=np.uint32))


def find(path: Path, *terms: int) -> list[int]:
    """Return the ids of the documents with one of the terms."""
    with open_reader(path / "index") as reader:
        (hits,) = reader.search([np.array(terms, dtype=np.uint32)])
    return sorted(hits.ids.tolist())


def wait_for(commits: GroupCommitWriter, updates: int) -> None:
    """Return when that many updates wait for the current commit."""
    eventually(lambda: len(commits._pending) >= updates)


def disk_gone_from(number: int) -> Callable[[int, str], BaseException | None]:
    """Fail every call from `number` on."""
    return lambda each, _name: OSError(errno.EIO, "no disk") if each >= number else None


def test_every_update_gets_a_version(commits: GroupCommitWriter, tmp_path: Path) -> None:
    assert commits.commit(UpdateRequest([insert(1, 5)])) == 1
    assert commits.commit(UpdateRequest([])) == 2
    assert commits.commit(UpdateRequest(metadata={"a": "1"})) == 3
    assert commits.commit(UpdateRequest([Delete(1)])) == 4
    assert find(tmp_path, 5) == []


def test_another_version_than_expected_is_an_error(
    commits: GroupCommitWriter, tmp_path: Path
) -> None:
    commits.commit(UpdateRequest([insert(1, 5)], expected_version=0))
    with pytest.raises(VersionMismatchError):
        commits.commit(UpdateRequest([insert(2, 5)], expected_version=0))
    assert find(tmp_path, 5) == [1]


def test_updates_during_a_commit_are_committed_together(
    commits: GroupCommitWriter, counted: Counted
) -> None:
    """The first commit is delayed until 20 updates wait. One commit takes all of them."""
    counted.go_on.clear()
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(commits.commit, UpdateRequest([insert(1, 5)]))
        rest = [pool.submit(commits.commit, UpdateRequest([insert(2, n)])) for n in range(20)]
        wait_for(commits, 20)
        counted.go_on.set()
        versions = sorted(each.result() for each in (first, *rest))
    assert versions == list(range(1, 22))
    assert counted.count == 2


def test_one_failed_update_does_not_affect_the_others(
    commits: GroupCommitWriter, counted: Counted
) -> None:
    counted.go_on.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(commits.commit, UpdateRequest([insert(1, 5)]))
        wrong = pool.submit(commits.commit, UpdateRequest([insert(2, 5)], expected_version=9))
        right = pool.submit(commits.commit, UpdateRequest([insert(3, 5)]))
        wait_for(commits, 2)
        counted.go_on.set()
        assert (first.result(), right.result()) == (1, 2)
        with pytest.raises(VersionMismatchError):
            wrong.result()


def test_no_update_of_many_threads_is_lost(commits: GroupCommitWriter, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        updates = [UpdateRequest([insert(document, 5)]) for document in range(1, 81)]
        versions = list(pool.map(commits.commit, updates))
    assert sorted(versions) == list(range(1, 81))
    with open_reader(tmp_path / "index") as reader:
        assert (reader.position(), reader.stats().documents) == (80, 80)


def test_a_large_update_is_committed_alone(
    commits: GroupCommitWriter, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_server.update_batching.MAX_TERMS", 3)
    counted.go_on.clear()
    with ThreadPoolExecutor(4) as pool:
        updates = [UpdateRequest([insert(document, 1, 2, 3)]) for document in range(1, 5)]
        results = [pool.submit(commits.commit, update) for update in updates]
        wait_for(commits, 3)
        counted.go_on.set()
        assert sorted(each.result() for each in results) == [1, 2, 3, 4]
    assert counted.count == 4


def test_after_a_disk_error_the_next_update_succeeds(
    commits: GroupCommitWriter, tmp_path: Path
) -> None:
    """After a failure of any call, the next update gets the next version."""
    with failing(never) as calls:
        commits.commit(UpdateRequest([insert(1, 5)]))
    version = 1
    for number in range(calls.count):
        with failing(disk_error_at(number)), suppress(OSError):
            version = commits.commit(UpdateRequest([insert(2, 5)]))
        assert commits.commit(UpdateRequest([insert(3, 5)])) == version + 1
        version += 1
    assert find(tmp_path, 5) in ([1, 3], [1, 2, 3])


def test_updates_continue_after_a_disk_failure(commits: GroupCommitWriter, tmp_path: Path) -> None:
    """Also if the engine's writer has become unusable."""
    with failing(never) as calls:
        commits.commit(UpdateRequest([insert(1, 5)]))
    for number in range(calls.count):
        with failing(disk_gone_from(number)), suppress(OSError):
            commits.commit(UpdateRequest([insert(2, 5)]))
        commits.commit(UpdateRequest([insert(3, 5)]))
    assert find(tmp_path, 5) in ([1, 3], [1, 2, 3])


def test_a_closed_index_refuses_updates(commits: GroupCommitWriter) -> None:
    commits.close()
    with pytest.raises(IndexNotFoundError):
        commits.commit(UpdateRequest([insert(1, 5)]))
