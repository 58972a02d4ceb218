"""Rebuilds several copies of the fingerprints from one reading of the database.

To read a fingerprint and to send it takes as long as to index it. Each copy is rebuilt by a thread
of its own; a thread that is ahead waits for the others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Full, Queue
from threading import Event
from typing import TYPE_CHECKING, Final

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import changelog
from pipeline.following.copies import BATCH, BATCH_BYTES
from pipeline.following.followers import Followers, raise_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
    from pipeline.following.copies import Copy
    from pipeline.runtime.databases import Databases

    Batches = Queue[Sequence[LoggedFingerprint] | None]

_POLL: Final = 0.2  # seconds between two checks whether another copy has failed


class _Stopped(Exception):  # noqa: N818 - no failure of this copy
    """Another copy has failed."""


def rebuild_together(
    copies: Sequence[Copy], databases: Databases, progress: Callable[[int], object]
) -> None:
    """Rebuild copies in local files from all fingerprints.

    Readers use the old content of a copy until the new one is complete. At the end the changelog is
    applied, for fingerprints that were inserted meanwhile.

    Args:
        copies: the copies; not an index on a server.
        databases: the fingerprints are in the fingerprint database.
        progress: is called with the number of fingerprints of each chunk that was read.

    Raises:
        OSError, FingerprintStoreError, FingerprintIndexError: a copy cannot be written.
        sqlalchemy.exc.DBAPIError: the database is unreachable.
    """
    stopped = Event()
    with databases.engine("fingerprint").connect() as connection:
        position = newest_position(connection)
        stamp = changelog.stamp(connection, position)
        connection.commit()
        queues: list[Batches] = [Queue(1) for _ in copies]
        with ThreadPoolExecutor(len(copies)) as threads:

            def rebuild(copy: Copy, queue: Batches) -> None:
                try:
                    copy.rebuild(_taken(queue, stopped), position, stamp)
                except BaseException:
                    stopped.set()
                    raise

            running = [
                threads.submit(rebuild, copy, queue)
                for copy, queue in zip(copies, queues, strict=True)
            ]
            try:
                for logged in changelog.all_fingerprints(connection, BATCH, most_bytes=BATCH_BYTES):
                    _give(queues, logged, stopped)
                    progress(len(logged))
                _give(queues, None, stopped)
            except _Stopped:
                pass
            except BaseException:
                stopped.set()
                raise
        errors = [error for each in running if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda each: isinstance(each, _Stopped)):
        raise error
    followers = Followers(copies, databases, raise_failure)
    while followers.advance():
        pass


def _give(
    queues: Sequence[Batches], logged: Sequence[LoggedFingerprint] | None, stopped: Event
) -> None:
    for queue in queues:
        while True:
            if stopped.is_set():
                raise _Stopped
            try:
                queue.put(logged, timeout=_POLL)
                break
            except Full:
                continue


def _taken(queue: Batches, stopped: Event) -> Iterator[Sequence[LoggedFingerprint]]:
    while True:
        if stopped.is_set():
            raise _Stopped
        try:
            logged = queue.get(timeout=_POLL)
        except Empty:
            continue
        if logged is None:
            return
        yield logged
