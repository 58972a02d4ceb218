"""Opens the index that the settings name: files of this machine, or an index on servers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, Self

from pipeline.catalog.fingerprint.index_lock import try_lock_index
from pipeline.index import FingerprintIndex, FingerprintIndexError, IndexLocked, open_reader
from pipeline.index import open_writer as open_local_writer
from pipeline.index_http import HttpIndexReader, HttpIndexUpdater, IndexServerClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from pipeline.index import Change
    from pipeline.runtime.databases import Databases
    from pipeline.settings.sections import FingerprintIndexSettings


class IndexBusy(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """Another process writes the index."""


class OpenIndex(FingerprintIndex, Protocol):
    """An index open for searching; a context manager, for use by several threads."""

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class IndexUpdater(Protocol):
    """An index open for writing, by this process alone; a context manager, for one thread."""

    def position(self) -> int:
        """Return the changelog position of the last commit."""
        ...

    def apply(self, changes: Sequence[Change], position: int) -> None:
        """Commit changes together with the position they lead up to; the last of an id wins."""
        ...

    def rebuild(self, batches: Iterable[Sequence[Change]], position: int) -> None:
        """Make the content what `batches` come to; searches go on in the old one meanwhile."""
        ...

    def merging(self) -> bool:
        """Return whether it goes on working behind its commits, which `close` would stop."""
        ...

    def close(self) -> None:
        """Let another writer in."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_index(settings: FingerprintIndexSettings) -> OpenIndex:
    """Open the index for searching; one that doesn't exist yet is empty at position 0.

    Processes on several servers begin with different ones, and stay with theirs while it answers.

    Raises:
        IndexCorrupt: files of a local index are damaged.
    """
    if settings.protocol == "local":
        return open_reader(settings.path)
    servers = [
        IndexServerClient(host, port, settings.name, settings.connections)
        for host, port in settings.servers()
    ]
    first = os.getpid() % len(servers)
    return HttpIndexReader(
        [*servers[first:], *servers[:first]],
        timeout=settings.timeout,
        connections=settings.connections,
    )


def open_updater(
    settings: FingerprintIndexSettings, databases: Databases, *, clear_damaged: bool = False
) -> IndexUpdater:
    """Open the index for writing, creating it empty at position 0 if there is none.

    Args:
        settings: of the index.
        databases: of which the fingerprint database holds the changelog, and for an index on a
            server the lock.
        clear_damaged: begin an empty index in the place of damaged files, to rebuild it.

    Raises:
        IndexBusy: another process writes it.
        IndexCorrupt: files of a local index are damaged.
        IndexUnavailable: the server does not answer.
    """
    if settings.protocol == "local":
        try:
            return open_local_writer(settings.path, clear_damaged=clear_damaged)
        except IndexLocked as error:
            raise IndexBusy(str(error)) from error
    return _open_on_server(settings, databases)


def _open_on_server(settings: FingerprintIndexSettings, databases: Databases) -> HttpIndexUpdater:
    release = try_lock_index(databases.engine("fingerprint"), settings.name)
    if release is None:
        raise IndexBusy(f"index {settings.name}: another process writes it; wait for it")
    try:
        return HttpIndexUpdater(IndexServerClient(*settings.servers()[0], settings.name), release)
    except BaseException:
        release()
        raise
