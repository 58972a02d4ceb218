"""All indexes of a server by name, and the layout of the server's folder.

::

    DIR/.lock                 locked by the running server
    DIR/<name>/state          generation, deleted; see `index_server.state`
    DIR/<name>/v000007/       the engine's folder of generation 7

The atomic replacement of the state file creates or deletes an index. The start removes engines'
folders that a state file records as to be removed or unfinished. An index with other data that it
does not understand is refused. See `index_server.name_folder`.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from index_server.damaged_indexes import DamagedIndexes, damage_text
from index_server.errors import (
    IndexAlreadyExistsError,
    IndexDamagedError,
    IndexNotFoundError,
    InvalidIndexNameError,
    NewerIndexAlreadyExistsError,
    OlderIndexAlreadyExistsError,
    UnknownFilesError,
)
from index_server.folder_changes import new_generation, publish, record_deletion, settle
from index_server.name_folder import (
    NameFolder,
    examine,
    unreadable,
)
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.scrub_thread import ScrubThread
from index_server.served_index import ServedIndex
from index_server.state import (
    MAX_GENERATION,
    State,
    engine_folder,
    least_generation,
)
from pipeline.index import FingerprintIndexError, IndexCorrupt, IndexStats
from pipeline.storage import files

RESERVED_NAMES: Final = frozenset({"_health", "_metrics"})
"""Names that no new index can have: `/_health` and `/_metrics` are paths of the server."""

NAME_RULE: Final = "an index's name is 1 to 255 of A-Z a-z 0-9 _ -, except _health and _metrics"
"""The text for a new name that is refused."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)

logger = structlog.get_logger("acoustid.index_server.registry")


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The conditions under which an index is created.

    Attributes:
        expect_does_not_exist: an existing index is an error.
        generation: the generation of the new index; None for the next one.
    """

    expect_does_not_exist: bool = False
    generation: int | None = None


class IndexRegistry:
    """The named indexes in a folder. Thread-safe.

    Args:
        directory: the folder; it is created if it does not exist. The caller has locked it.
        metrics: the metrics of the server.
        load_concurrency: the number of indexes to open at the same time; 0 for all.
        max_postings: see `ServedIndex`.
        serve_damaged: serve the intact segments of damaged indexes, without updates.

    An index whose data is damaged or not understood is refused; `damaged` has the file and the
    action, and nothing is deleted.

    Attributes:
        damaged: the damaged indexes.

    Raises:
        FingerprintIndexError: an index cannot be opened for another reason.
    """

    def __init__(
        self,
        directory: Path,
        metrics: IndexServerMetrics,
        *,
        load_concurrency: int = 0,
        max_postings: int | None = None,
        serve_damaged: bool = False,
    ) -> None:
        self.damaged = DamagedIndexes()
        self._directory = directory
        self._serve_damaged = serve_damaged
        self._metrics = metrics
        self._max_postings = max_postings
        self._changing = threading.Lock()
        files.make_directory(directory)
        self._indexes = self._load(load_concurrency)
        metrics.watch(self._sizes, self.damaged.all)
        self._scrub_thread = ScrubThread(lambda: list(self._indexes.values()))

    def get(self, name: str) -> ServedIndex:
        """Return an index.

        Raises:
            InvalidIndexNameError: the name is not valid.
            IndexNotFoundError: no index has the name.
            IndexDamagedError: the index is damaged.
        """
        index = self._indexes.get(name)
        if index is None:
            check_name(name)
            if self.damaged.get(name):
                raise IndexDamagedError
            raise IndexNotFoundError
        return index

    def create(self, name: str, request: CreateRequest) -> ServedIndex:
        """Create an index, or return the existing one.

        Raises:
            InvalidIndexNameError: the name is not valid.
            IndexAlreadyExistsError: the index exists, and the request does not expect that.
            OlderIndexAlreadyExistsError: the index exists in a later generation than requested; or
                a deleted index of that name had the requested generation, a later one or the
                highest possible one.
            NewerIndexAlreadyExistsError: the index exists in an earlier generation.
            UnknownFilesError: the folder of the name has files that are not understood.
            IndexDamagedError: the index is damaged; move its folder away first.
        """
        with self._changing:
            existing = self._indexes.get(name)
            if existing is not None:
                _check_existing(existing, request)
                return existing
            check_new_name(name)
            found = self._examine_unused(name)
            generation = _next_generation(found.former(), request.generation)
            index = self._create(found, name, generation)
            self._indexes[name] = index
        logger.info("index created", index=name, generation=generation)
        return index

    def delete(self, name: str, *, expect_exists: bool = False) -> bool:
        """Delete an index. Return whether it existed.

        Raises:
            InvalidIndexNameError: the name is not valid.
            IndexNotFoundError: the index does not exist, and `expect_exists` is true.
            UnknownFilesError: no index of the name is open, but its folder has files that are not
                understood.
            IndexDamagedError: the index is damaged; move its folder away instead.
            OSError: the disk is full or failing; the index is not deleted.
        """
        check_name(name)
        with self._changing:
            index = self._indexes.get(name)
            if index is None:
                self._examine_unused(name)
                if expect_exists:
                    raise IndexNotFoundError
                return False
            folder = self._directory / name
            record_deletion(folder, index.generation)
            del self._indexes[name]
            index.close()
            self._metrics.forget(name)
            self.damaged.forget(name)
            with suppress(OSError):  # the next start or the next creation continues
                settle(examine(folder))
        logger.info("index deleted", index=name, generation=index.generation)
        return True

    def close(self) -> None:
        """Wait for the current updates, then refuse all later ones."""
        self._scrub_thread.close()
        with self._changing:
            for index in self._indexes.values():
                index.close()

    def _load(self, concurrency: int) -> dict[str, ServedIndex]:
        """Open every index, after removing what deletions and unfinished creations have left."""
        folders = [
            examine(path) for path in sorted(self._directory.iterdir()) if is_valid_name(path.name)
        ]
        for found in folders:
            if found.problems:
                self.damaged.report(found.path.name, "; ".join(found.problems))
        folders = [found for found in folders if not found.problems]
        for found in folders:
            for path in found.unknown:
                logger.warning("entry does not belong to an index, it stays", path=str(path))
            settle(found)
        existing = {found.path.name: found.state for found in folders if found.current}
        return self._open_all(
            {name: state.generation for name, state in existing.items() if state}, concurrency
        )

    def _open_all(self, generations: Mapping[str, int], concurrency: int) -> dict[str, ServedIndex]:
        workers = concurrency or max(1, len(generations))
        with ThreadPoolExecutor(workers, "load") as pool:
            opened = [*pool.map(self._open, generations, generations.values())]
        return {index.name: index for index in opened if index is not None}

    def _open(self, name: str, generation: int) -> ServedIndex | None:
        """Return an index; None if it is damaged and refused."""
        folder = engine_folder(self._directory / name, generation)
        try:
            return self._serve(name, generation, folder)
        except IndexCorrupt as error:
            self.damaged.report(name, damage_text(error))
        except OSError as error:
            self.damaged.report(name, unreadable(error, folder.parent))
        if self._serve_damaged:
            with suppress(IndexCorrupt, OSError):
                return self._serve(name, generation, folder, only_intact=True)
        return None

    def _serve(
        self, name: str, generation: int, folder: Path, *, only_intact: bool = False
    ) -> ServedIndex:
        return ServedIndex(
            name,
            generation,
            folder,
            self._metrics,
            self.damaged,
            max_postings=self._max_postings,
            only_intact=only_intact,
        )

    def _examine_unused(self, name: str) -> NameFolder:
        """Return the content of the folder of a name that no open index has.

        Raises:
            UnknownFilesError: it has files that are not understood.
        """
        found = examine(self._directory / name)
        if self.damaged.get(name):
            if found.current or found.problems:
                raise IndexDamagedError
            self.damaged.forget(name)  # its folder was moved away
        obstacle = found.obstacle()
        if found.current and not obstacle:
            obstacle = f"{found.path} has an index that is new since the start: restart the server"
        if obstacle:
            logger.warning("the name of an index cannot be used", index=name, reason=obstacle)
            raise UnknownFilesError(obstacle)
        return found

    def _create(self, found: NameFolder, name: str, generation: int) -> ServedIndex:
        with new_generation(found, generation) as folder:
            index = self._serve(name, generation, folder)
            try:
                publish(found.path, generation)
            except BaseException:
                index.close()
                self._metrics.forget(name)
                raise
        return index

    def _sizes(self) -> Iterator[tuple[str, IndexStats]]:
        for name, index in list(self._indexes.items()):
            try:
                yield name, index.info().stats
            except IndexNotFoundError:
                continue  # deleted in the meantime
            except IndexDamagedError:
                continue  # it is in `damaged`
            except FingerprintIndexError as error:
                logger.warning("size of an index cannot be read", index=name, error=str(error))


def is_valid_name(name: str) -> bool:
    """Return whether a name is 1 to 255 of ``A-Z a-z 0-9 _ -``."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise `InvalidIndexNameError` unless `is_valid_name`."""
    if not is_valid_name(name):
        raise InvalidIndexNameError


def check_new_name(name: str) -> None:
    """Raise `InvalidIndexNameError` unless a new index can have the name."""
    check_name(name)
    if name in RESERVED_NAMES:
        raise InvalidIndexNameError


def _check_existing(index: ServedIndex, request: CreateRequest) -> None:
    if request.expect_does_not_exist:
        raise IndexAlreadyExistsError
    if request.generation is None or request.generation == index.generation:
        return
    if request.generation < index.generation:
        raise OlderIndexAlreadyExistsError
    raise NewerIndexAlreadyExistsError


def _next_generation(former: State | None, wanted: int | None) -> int:
    least = least_generation(former)
    if least > MAX_GENERATION:
        raise OlderIndexAlreadyExistsError
    if wanted is None:
        return least
    if former is not None and wanted < least:
        raise OlderIndexAlreadyExistsError
    return wanted
