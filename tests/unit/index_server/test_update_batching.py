"""Group commit: versions, order, and failures of single updates."""

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from index_server.errors import IndexNotFoundError, VersionMismatchError
from index_server.update_batching import GroupCommitWriter, UpdateRequest
from pipeline.index import Change, ChangeBatch, Delete, Insert, open_reader
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


def insert_as_arrays(document: int, *terms: int) -> ChangeBatch:
    """Return the change that inserts a document, as arrays."""
    return ChangeBatch(
        np.array([document], dtype=np.uint32),
        np.array([len(terms)], dtype=np.int64),
        np.array(terms, dtype=np.uint32),
    )


def find(path: Path, *terms: int) -> list[int]:
    """Return the ids of the documents with one of the terms."""
    with open_reader(path / "index") as reader:
        (hits,) = reader.search([np.array(terms, dtype=np.uint32)])
    return sorted(hits.ids.tolist())


def commit_during_first(
    commits: GroupCommitWriter,
    counted: Counted,
    first: UpdateRequest,
    others: Sequence[UpdateRequest],
) -> list[Future[int]]:
    """Start the other updates during the commit of the first one. Return all finished futures."""
    called = threading.Semaphore(0)

    def commit(request: UpdateRequest) -> int:
        called.release()
        return commits.commit(request)

    counted.go_on.clear()
    with ThreadPoolExecutor(1 + len(others)) as pool:
        futures = [pool.submit(commits.commit, first)]
        eventually(lambda: counted.count == 1)
        futures += [pool.submit(commit, each) for each in others]
        for _ in others:
            assert called.acquire(timeout=30)
        counted.go_on.set()
    return futures


def disk_gone_from(number: int) -> Callable[[int, str], BaseException | None]:
    """Return a failure for each call from `number` on."""
    return lambda each, _name: OSError(errno.EIO, "no disk") if each >= number else None


def test_every_update_gets_a_version(commits: GroupCommitWriter, tmp_path: Path) -> None:
    assert commits.commit(UpdateRequest([insert(1, 5)])) == 1
    assert commits.commit(UpdateRequest([])) == 2
    assert commits.commit(UpdateRequest(metadata={"a": "1"})) == 3
    assert commits.commit(UpdateRequest([Delete(1)])) == 4
    assert find(tmp_path, 5) == []


def test_the_last_change_of_an_id_wins_in_each_form(
    commits: GroupCommitWriter, tmp_path: Path
) -> None:
    commits.commit(UpdateRequest([insert(1, 5), insert_as_arrays(1, 6), insert_as_arrays(2, 6)]))
    assert (find(tmp_path, 5), find(tmp_path, 6)) == ([], [1, 2])
    commits.commit(UpdateRequest([insert_as_arrays(1, 7), insert(1, 5), Delete(2)]))
    assert (find(tmp_path, 5), find(tmp_path, 6, 7)) == ([1], [])


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
    """20 updates need few commits. One is not certain, since the last threads may be late."""
    others = [UpdateRequest([insert(2, n)]) for n in range(20)]
    results = commit_during_first(commits, counted, UpdateRequest([insert(1, 5)]), others)
    assert sorted(each.result() for each in results) == list(range(1, 22))
    assert 2 <= counted.count < 10


def test_one_failed_update_does_not_affect_the_others(
    commits: GroupCommitWriter, counted: Counted
) -> None:
    others = [
        UpdateRequest([insert(2, 5)], expected_version=9),
        UpdateRequest([insert(3, 5)]),
    ]
    first, wrong, right = commit_during_first(
        commits, counted, UpdateRequest([insert(1, 5)]), others
    )
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


@pytest.mark.parametrize("change", [insert, insert_as_arrays])
def test_a_large_update_is_committed_alone(
    commits: GroupCommitWriter,
    counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., Change | ChangeBatch],
) -> None:
    monkeypatch.setattr("index_server.update_batching.MAX_TERMS", 3)
    first, *others = [UpdateRequest([change(document, 1, 2, 3)]) for document in range(1, 5)]
    results = commit_during_first(commits, counted, first, others)
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


def test_updates_succeed_after_a_disk_failure(commits: GroupCommitWriter, tmp_path: Path) -> None:
    """Updates succeed also after the engine's writer became unusable."""
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


def test_no_empty_index_replaces_one_whose_folder_is_lost(
    commits: GroupCommitWriter, tmp_path: Path
) -> None:
    """The folder may exist again later, for example after a mount. Until then each update fails."""
    assert commits.commit(UpdateRequest([insert(1, 5)])) == 1
    (tmp_path / "index").rename(tmp_path / "away")
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            commits.commit(UpdateRequest([insert(2, 5)]))
    assert not (tmp_path / "index").exists()
    (tmp_path / "away").rename(tmp_path / "index")
    assert commits.commit(UpdateRequest([insert(2, 5)])) == 2
    assert find(tmp_path, 5) == [1, 2]
