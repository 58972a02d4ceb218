"""All indexes of a server by name, and the layout of the server's folder.

::

    DIR/.lock                 locked by the running server
    DIR/<name>/state          generation, deleted; see `index_server.state`
    DIR/<name>/v000007/       the engine's folder of generation 7

The atomic replacement of the state file creates or deletes an index. The start removes engines'
folders that a state file records as to be removed or unfinished. If it does not understand other
data of an index, the server does not start. See `index_server.name_folder`.
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

from index_server.errors import (
    IndexAlreadyExistsError,
    IndexNotFoundError,
    InvalidIndexNameError,
    NewerIndexAlreadyExistsError,
    OlderIndexAlreadyExistsError,
    UnknownFilesError,
)
from index_server.folder_changes import new_generation, publish, settle
from index_server.name_folder import (
    FolderDamagedError,
    NameFolder,
    examine,
    unreadable,
)
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.served_index import ServedIndex
from index_server.state import (
    MAX_GENERATION,
    State,
    engine_folder,
    least_generation,
    write_state,
)
from pipeline.index import FingerprintIndexError, IndexCorrupt, IndexStats
from pipeline.storage import files

RESERVED_NAMES: Final = frozenset({"_health", "_metrics"})
"""Names that no new index can have: `/_health` and `/_metrics` are paths of the server."""

NAME_RULE: Final = "an index's name is 1 to 255 of A-Z a-z 0-9 _ -, except _health and _metrics"
"""The text for a new name that is refused."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)

_REMEDY: Final = (
    "move the folder of the index away, then restore a backup or a snapshot; "
    "`acoustid index verify --dir` lists all damaged files"
)

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

    Raises:
        FolderDamagedError: data of an index is damaged or not understood. The text names each file
            and explains what to do; nothing was deleted.
        FingerprintIndexError: an index cannot be opened for another reason.
    """

    def __init__(
        self,
        directory: Path,
        metrics: IndexServerMetrics,
        *,
        load_concurrency: int = 0,
        max_postings: int | None = None,
    ) -> None:
        self._directory = directory
        self._metrics = metrics
        self._max_postings = max_postings
        self._changing = threading.Lock()
        files.make_directory(directory)
        self._indexes = self._load(load_concurrency)
        metrics.watch(self._sizes)

    def get(self, name: str) -> ServedIndex:
        """Return an index.

        Raises:
            InvalidIndexNameError: the name is not valid.
            IndexNotFoundError: no index has the name.
        """
        index = self._indexes.get(name)
        if index is None:
            check_name(name)
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
            _record_deletion(folder, index.generation)
            del self._indexes[name]
            index.close()
            self._metrics.forget(name)
            with suppress(OSError):  # the next start or the next creation continues
                settle(examine(folder))
        logger.info("index deleted", index=name, generation=index.generation)
        return True

    def close(self) -> None:
        """Wait for the current updates, then refuse all later ones."""
        with self._changing:
            for index in self._indexes.values():
                index.close()

    def _load(self, concurrency: int) -> dict[str, ServedIndex]:
        """Open every index, after removing what deletions and unfinished creations have left."""
        folders = [
            examine(path) for path in sorted(self._directory.iterdir()) if is_valid_name(path.name)
        ]
        problems = [problem for found in folders for problem in found.problems]
        if problems:
            raise FolderDamagedError("; ".join(problems))
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
        indexes = {index.name: index for index in opened if isinstance(index, ServedIndex)}
        if problems := [problem for problem in opened if isinstance(problem, str)]:
            for index in indexes.values():
                index.close()
            raise FolderDamagedError("; ".join(problems))
        return indexes

    def _open(self, name: str, generation: int) -> ServedIndex | str:
        """Return an index, or why it cannot be opened."""
        folder = engine_folder(self._directory / name, generation)
        try:
            return self._serve(name, generation, folder)
        except IndexCorrupt as error:
            return _damage(error)
        except OSError as error:
            return unreadable(error, folder.parent)

    def _serve(self, name: str, generation: int, folder: Path) -> ServedIndex:
        return ServedIndex(name, generation, folder, self._metrics, max_postings=self._max_postings)

    def _examine_unused(self, name: str) -> NameFolder:
        """Return the content of the folder of a name that no open index has.

        Raises:
            UnknownFilesError: it has files that are not understood.
        """
        found = examine(self._directory / name)
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
            except FingerprintIndexError as error:
                reason = _damage(error) if isinstance(error, IndexCorrupt) else str(error)
                logger.warning("size of an index cannot be read", index=name, error=reason)


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


def _record_deletion(folder: Path, generation: int) -> None:
    """Write the state of a deleted index. After an error the index still exists."""
    try:
        write_state(folder, State(generation, deleted=True, removing=True))
    except BaseException:
        with suppress(OSError):
            write_state(folder, State(generation, deleted=False))
        raise


def _damage(error: IndexCorrupt) -> str:
    """Return the text of a damaged file with the action to take on a server."""
    remedy = _REMEDY if error.remedy == IndexCorrupt.usual_remedy else error.remedy
    return f"{error.path}: {error.problem}; {remedy}"
