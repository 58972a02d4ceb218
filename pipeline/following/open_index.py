"""Opens the index of the settings: local files, or an index on servers.

The modules of the kind that is opened are imported then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, Self

from pipeline.catalog.advisory_locks import try_lock_index
from pipeline.index import FingerprintIndexError, IndexLocked, open_reader
from pipeline.index.interface import StatefulIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index import Change, ChangelogState, IndexWriter
    from pipeline.index_http import HttpIndexUpdater
    from pipeline.runtime.databases import Databases
    from pipeline.settings.sections import FingerprintIndexSettings


class IndexBusy(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """Another process has the index open for writing."""


class Closable(Protocol):
    """A context manager that closes files and connections, and releases its lock."""

    def close(self) -> None:
        """Close files and connections, and release the lock."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class OpenIndex(StatefulIndex, Closable, Protocol):
    """An index open for searching. Thread-safe."""


class IndexUpdater(Closable, Protocol):
    """An index open for writing by this process only. Not thread-safe."""

    def position(self) -> int:
        """Return the changelog position of the last commit."""
        ...

    def changelog_state(self) -> ChangelogState:
        """Return the part of the changelog that the index contains."""
        ...

    def contains(self, sample: Mapping[int, NDArray[np.uint32]]) -> bool:
        """Return whether a search of the terms of each document of a sample finds its id."""
        ...

    def apply(
        self,
        changes: Sequence[Change],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Commit changes with their position. Of two changes of one fingerprint the last counts.

        The metadata are merged into those of the index.
        """
        ...

    def rebuild(
        self,
        batches: Iterable[Sequence[Change]],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the content by that of the batches. Searches use the old content until then."""
        ...

    def merging(self) -> bool:
        """Return whether a merge runs in the background; `close` would stop it."""
        ...


def open_index(settings: FingerprintIndexSettings) -> OpenIndex:
    """Open the index for searching. An index that does not exist is empty, at position 0.

    With several servers, different processes prefer different ones. A process uses another server
    only while its preferred one does not reply.

    Raises:
        IndexCorrupt: files of a local index are damaged.
    """
    if settings.protocol == "local":
        return open_reader(settings.path)
    from pipeline.index_http import HttpIndexReader, IndexServerClient  # noqa: PLC0415 - an option

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
    settings: FingerprintIndexSettings,
    databases: Databases,
    *,
    clear_damaged: bool = False,
    keep_intact: bool = False,
) -> IndexUpdater:
    """Open the index for writing. Create it, empty at position 0, if it does not exist.

    Args:
        settings: the settings of the index.
        databases: the lock of an index on a server is in the fingerprint database.
        clear_damaged: move damaged files aside and begin an empty index, to fill it again.
        keep_intact: move the intact files of a damaged index aside too.

    Raises:
        IndexBusy: another process writes it.
        IndexCorrupt: files of a local index are damaged.
        IndexUnavailable: the server gives no usable answer.
    """
    if settings.protocol == "local":
        return open_local_updater(
            settings.path, clear_damaged=clear_damaged, keep_intact=keep_intact
        )
    return _open_on_server(settings, databases)


def open_local_updater(
    folder: Path, *, clear_damaged: bool = False, keep_intact: bool = False
) -> IndexWriter:
    """Open an index in local files for writing; see `open_updater`.

    Raises:
        IndexBusy: another process writes it.
        IndexCorrupt: its files are damaged.
    """
    from pipeline.index import open_writer as open_local_writer  # noqa: PLC0415 - loops

    try:
        return open_local_writer(folder, clear_damaged=clear_damaged, keep_intact=keep_intact)
    except IndexLocked as error:
        raise IndexBusy(str(error)) from error


def _open_on_server(settings: FingerprintIndexSettings, databases: Databases) -> HttpIndexUpdater:
    from pipeline.index_http import (  # noqa: PLC0415 - an option
        HttpIndexUpdater,
        IndexServerClient,
    )

    release = try_lock_index(databases.engine("fingerprint"), settings.name)
    if release is None:
        raise IndexBusy(
            f"index {settings.name}: another process has it open for writing; wait until it ends"
        )
    try:
        return HttpIndexUpdater(IndexServerClient(*settings.servers()[0], settings.name), release)
    except BaseException:
        release()
        raise
