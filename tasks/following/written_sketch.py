"""The sketch index for writing: the index of the set rate, and that of another rate in use."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.following.copies import Copy
from pipeline.following.followers import may_fail
from pipeline.following.index_copy import sketch_index
from pipeline.following.open_index import IndexBusy, OpenIndex
from pipeline.following.open_sketch import rates_in_use, remove_index, replaced_rates
from pipeline.following.problems import SKETCH, WriteProblems
from pipeline.following.repair import open_or_empty_folder
from pipeline.index import FingerprintIndexError, IndexCorrupt, IndexReader, open_reader
from pipeline.runtime.databases import Databases
from tasks.following.index_lease import IndexLease

DAMAGED: Final = -1
"""The position of an index that is damaged."""


def seen_position(reader: OpenIndex) -> int:
    """Return the position of an index; check the lengths and the tables of local files.

    An open writer does not read them, so it would not notice damage.

    Returns:
        `DAMAGED` if it is damaged.

    Raises:
        OSError: the files cannot be read, such as without permission; they may be intact.
    """
    try:
        position = reader.position()
        if isinstance(reader, IndexReader):
            reader.check_files()
    except IndexCorrupt:
        return DAMAGED
    return position


class WrittenSketch:
    """The folders of the sketch index that this process writes. Thread-safe.

    Args:
        directory: the directory of the settings.
        rate: the rate of the settings.
        databases: the fingerprint database is compared with the folders.
    """

    def __init__(self, directory: Path, rate: int, databases: Databases) -> None:
        self._directory = directory
        self._rate = rate
        self._databases = databases
        self._changing = threading.Lock()
        self._folders: dict[int, _Folder] = {}

    @contextmanager
    def borrow(self, problems: WriteProblems) -> Iterator[list[Copy]]:
        """Return the indexes that can be written now, for the duration of a block.

        A damaged index is emptied. One that another process writes is left out.

        Args:
            problems: receives the faults.
        """
        stack, copies = ExitStack(), list[Copy]()
        try:
            for rate in rates_in_use(self._directory, self._rate, self._databases):
                with may_fail(SKETCH, problems.add), suppress(IndexBusy):
                    copies += self._borrow(stack, rate, problems)
            yield copies
        except BaseException:
            with stack:
                raise
        with may_fail(SKETCH, problems.add):
            stack.close()
        if problems.has(SKETCH):
            self.close()

    def remove_replaced(self) -> None:
        """Remove the indexes of other rates once that of the set rate is complete."""
        for rate in replaced_rates(self._directory, self._rate, self._databases):
            self._forget(rate)
            with suppress(OSError, FingerprintIndexError):  # the next run tries it again
                remove_index(sketch_folder(self._directory, rate))

    def close(self) -> None:
        """Close the files as soon as no task uses them. A later task opens them again."""
        with self._changing:
            folders = list(self._folders.values())
        for each in folders:
            each.lease.close()

    def _borrow(self, stack: ExitStack, rate: int, problems: WriteProblems) -> list[Copy]:
        """Return the index of a rate, or an empty list if it is filled later."""
        folder = self._folder(rate)
        updater = stack.enter_context(folder.lease.borrow(folder.seen()))
        if problems.must_wait(SKETCH, folder.path, updater.position()):
            return []
        return [sketch_index(updater, rate)]

    def _folder(self, rate: int) -> "_Folder":
        with self._changing:
            if rate not in self._folders:
                path = sketch_folder(self._directory, rate)
                self._folders[rate] = _Folder(path, self._databases)
            return self._folders[rate]

    def _forget(self, rate: int) -> None:
        with self._changing:
            folder = self._folders.pop(rate, None)
        if folder:
            folder.close()


class _Folder:
    """One folder: its reader, and the lease of its writer.

    Attributes:
        path: the folder.
        lease: the index for writing.
    """

    def __init__(self, path: Path, databases: Databases) -> None:
        self.path = path
        self.lease = IndexLease(lambda: open_or_empty_folder(path, databases))
        self._reader: IndexReader | None = None

    def seen(self) -> int:
        """Return the position; see `seen_position`."""
        try:
            self._reader = self._reader or open_reader(self.path)
        except IndexCorrupt:
            return DAMAGED
        return seen_position(self._reader)

    def close(self) -> None:
        """Close reader and writer."""
        self.lease.close()
        if self._reader:
            self._reader.close()
