"""All indexes of a server by name, and the layout of the server's folder.

::

    DIR/.lock                 locked by the running server
    DIR/<name>/state          generation, deleted; see `index_server.state`
    DIR/<name>/v000007/       the engine's folder of generation 7

The atomic replacement of the state file creates or deletes an index. After a crash, a folder of an
engine may exist that no state file refers to. The next start removes it.
"""

import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
)
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.served_index import ServedIndex
from index_server.state import (
    ENGINE_PREFIX,
    MAX_GENERATION,
    State,
    engine_folder,
    least_generation,
    read_state,
    write_state,
)
from pipeline.index import FingerprintIndexError, IndexStats
from pipeline.storage import files

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


class IndexMissingError(Exception):
    """A state file names an index whose folder is missing; the text explains what to do."""


class IndexRegistry:
    """The named indexes in a folder. Thread-safe.

    Args:
        directory: the folder; it is created if it does not exist. The caller has locked it.
        metrics: the metrics of the server.
        load_concurrency: the number of indexes to open at the same time; 0 for all.
        max_postings: see `ServedIndex`.

    Raises:
        FingerprintIndexError, StateDamagedError, IndexMissingError: an index cannot be opened; the
            text names the file and explains what to do.
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
        """
        check_name(name)
        with self._changing:
            existing = self._indexes.get(name)
            if existing is not None:
                _check_existing(existing, request)
                return existing
            generation = self._next_generation(name, request.generation)
            index = self._create(name, generation)
            self._indexes[name] = index
        logger.info("index created", index=name, generation=generation)
        return index

    def delete(self, name: str, *, expect_exists: bool = False) -> bool:
        """Delete an index. Return whether it existed.

        Raises:
            InvalidIndexNameError: the name is not valid.
            IndexNotFoundError: the index does not exist, and `expect_exists` is true.
        """
        check_name(name)
        with self._changing:
            index = self._indexes.get(name)
            if index is None:
                if expect_exists:
                    raise IndexNotFoundError
                return False
            folder = self._directory / name
            write_state(folder, State(index.generation, deleted=True))
            del self._indexes[name]
            index.close()
            self._metrics.forget(name)
            shutil.rmtree(engine_folder(folder, index.generation), ignore_errors=True)
        logger.info("index deleted", index=name, generation=index.generation)
        return True

    def close(self) -> None:
        """Wait for the current updates, then refuse all later ones."""
        with self._changing:
            for index in self._indexes.values():
                index.close()

    def _load(self, concurrency: int) -> dict[str, ServedIndex]:
        """Open every index that is not deleted. Remove folders of other generations."""
        generations = dict(self._sweep())
        workers = concurrency or max(1, len(generations))
        with ThreadPoolExecutor(workers, "load") as pool:
            opened = pool.map(self._open, generations, generations.values())
            return {index.name: index for index in opened}

    def _sweep(self) -> Iterator[tuple[str, int]]:
        """Yield name and generation of each index, after removing its other generations."""
        for folder in sorted(self._directory.iterdir()):
            state = read_state(folder) if _NAME.fullmatch(folder.name) else None
            if state is None:
                continue
            live = None if state.deleted else engine_folder(folder, state.generation)
            for leftover in set(folder.glob(f"{ENGINE_PREFIX}*")) - {live}:
                shutil.rmtree(leftover)
            if live is not None:
                yield folder.name, state.generation

    def _open(self, name: str, generation: int) -> ServedIndex:
        folder = engine_folder(self._directory / name, generation)
        if not folder.is_dir():
            raise IndexMissingError(
                f"{folder} is missing: restore it, or remove {folder.parent} to start without it"
            )
        return self._serve(name, generation, folder)

    def _serve(self, name: str, generation: int, folder: Path) -> ServedIndex:
        return ServedIndex(name, generation, folder, self._metrics, max_postings=self._max_postings)

    def _create(self, name: str, generation: int) -> ServedIndex:
        """Create the engine's folder, then the state file that makes the index exist."""
        folder = engine_folder(self._directory / name, generation)
        shutil.rmtree(folder, ignore_errors=True)  # left by a failed attempt
        index = self._serve(name, generation, folder)
        try:
            write_state(folder.parent, State(generation, deleted=False))
        except BaseException:
            index.close()
            self._metrics.forget(name)
            raise
        return index

    def _next_generation(self, name: str, wanted: int | None) -> int:
        former = read_state(self._directory / name)
        least = least_generation(former)
        if least > MAX_GENERATION:
            raise OlderIndexAlreadyExistsError
        if wanted is None:
            return least
        if former is not None and wanted < least:
            raise OlderIndexAlreadyExistsError
        return wanted

    def _sizes(self) -> Iterator[tuple[str, IndexStats]]:
        for name, index in list(self._indexes.items()):
            try:
                yield name, index.info().stats
            except IndexNotFoundError:
                continue  # deleted in the meantime
            except FingerprintIndexError as error:
                logger.warning("size of an index cannot be read", index=name, error=str(error))


def check_name(name: str) -> None:
    """Raise `InvalidIndexNameError` unless the name is 1 to 255 of ``A-Z a-z 0-9 _ -``."""
    if not _NAME.fullmatch(name):
        raise InvalidIndexNameError


def _check_existing(index: ServedIndex, request: CreateRequest) -> None:
    if request.expect_does_not_exist:
        raise IndexAlreadyExistsError
    if request.generation is None or request.generation == index.generation:
        return
    if request.generation < index.generation:
        raise OlderIndexAlreadyExistsError
    raise NewerIndexAlreadyExistsError
