"""The report that a worker stores with each heartbeat: its queues and the state of its copies.

A check of the index or the store may wait for a database or a server. So it runs in a thread, which
each heartbeat starts. The heartbeat reports the result of the check if it ends at once, and
otherwise the last result. A fault of the index that a search has found since is reported too. With
the pool ``prefork`` the main process sends the heartbeats, and it checks the same files and servers
as the processes of the pool.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.fingerprint_store import FingerprintStoreError
from pipeline.following.problems import refilled_later
from pipeline.index import FingerprintIndexError
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_sketch import SketchUnusable
from pipeline.runtime.disk_space import least_space
from pipeline.storage.damaged_folders import damaged_folders, seconds_to_filling
from pipeline.storage.errors import StorageCorrupt
from pipeline.storage.format import StorageFormat
from pipeline.storage.manifest import read_manifest
from pipeline.storage.segment_files import list_segments
from tasks import queues
from tasks.redis_state import write_problems
from tasks.redis_state.heartbeats import WorkerReport
from tasks.signals.background_result import BackgroundResult
from tasks.worker_resources import WorkerResources, local_folders

SEARCHING_QUEUES: Final = frozenset({queues.LOOKUP, queues.BACKGROUND, queues.SUBMISSION})
"""The queues whose tasks search the index."""

LOOKUP_QUEUES: Final = frozenset({queues.LOOKUP, queues.BACKGROUND, queues.EXCERPT})
"""The queues whose tasks read the fingerprint store and search the sketch index."""


class CopyState(NamedTuple):
    """The state of the index or of another copy.

    Attributes:
        condition: its condition; None if this worker does not use it.
        position: its changelog position; None while it is not usable.
        damage: the damaged file and its problem; an empty text without damage.
        lag: for an index, the seconds by which it is behind the database; None if not known.
    """

    condition: Condition | None = None
    position: int | None = None
    damage: str = ""
    lag: float | None = None


class SketchState(NamedTuple):
    """The state of the sketch index.

    Attributes:
        condition: its condition; None if this worker does not use it.
        position: its changelog position; None while it is not usable.
        rate: its rate; likewise.
        size: its bytes on the disk; likewise.
        damage: the damaged file and its problem; an empty text without damage.
    """

    condition: Condition | None = None
    position: int | None = None
    rate: int | None = None
    size: int | None = None
    damage: str = ""


class ReportSource:
    """Makes the reports of one process.

    Args:
        resources: returns the resources of this process.
    """

    def __init__(self, resources: Callable[[], WorkerResources]) -> None:
        self._resources = resources
        self._index = BackgroundResult(self._check_index, is_urgent=self._index_needs_check)
        self._store = BackgroundResult(self._check_store)
        self._sketch = BackgroundResult(self._check_sketch)
        self._unknown_files = BackgroundResult(self._count_unknown_files)
        self._free_bytes = BackgroundResult(self._measure_free_bytes)
        self._refilled_later = BackgroundResult(self._find_pause)

    def report(self, node: str, names: Iterable[str]) -> WorkerReport:
        """Return the report of a worker.

        Args:
            node: the name of the worker.
            names: the queues that it serves.
        """
        served = tuple(names)
        index, store, sketch = CopyState(), CopyState(), SketchState()
        if not SEARCHING_QUEUES.isdisjoint(served):
            index = self._index_state()
        if not LOOKUP_QUEUES.isdisjoint(served):
            store = self._store.latest() or store
            sketch = self._sketch.latest() or sketch
        return WorkerReport(
            node,
            served,
            index=index.condition,
            store=store.condition,
            index_position=index.position,
            store_position=store.position,
            unknown_files=self._unknown_files.latest() or 0 if queues.INDEX in served else 0,
            index_damage=index.damage,
            store_damage=store.damage,
            write_problem=self._write_problem(node) if queues.INDEX in served else "",
            index_lag=index.lag,
            free_bytes=self._free_bytes.latest() if queues.INDEX in served else None,
            refilled_later=self._refilled_later.latest() or "" if queues.INDEX in served else "",
            sketch=sketch.condition,
            sketch_position=sketch.position,
            sketch_rate=sketch.rate,
            sketch_bytes=sketch.size,
            sketch_damage=sketch.damage,
        )

    def _write_problem(self, node: str) -> str:
        return write_problems.read(self._resources().redis, node)

    def _index_state(self) -> CopyState:
        """Return the condition that the last search or check found."""
        checked = self._index.latest() or CopyState()
        index = self._resources().index
        condition = index.last_condition()
        position = checked.position if condition is Condition.OK else None
        return CopyState(condition, position, index.damage(), index.lag())

    def _index_needs_check(self) -> bool:
        return self._resources().index.needs_check()

    def _check_index(self) -> CopyState:
        index = self._resources().index
        return _state(index.condition(), index.position, index.damage)

    def _check_store(self) -> CopyState:
        store = self._resources().store
        if store is None:
            return CopyState()
        return _state(store.condition(), store.position, store.damage)

    def _check_sketch(self) -> SketchState:
        """Return the state of the index that searches use; the database is queried if it is due."""
        sketch = self._resources().sketch
        if sketch is None:
            return SketchState()
        try:
            found = sketch.current()
            size = found.index.stats()
        except SketchUnusable as error:
            return SketchState(error.condition, damage=sketch.damage())
        except FingerprintIndexError:  # it was removed at this moment
            return SketchState(sketch.condition(), damage=sketch.damage())
        return SketchState(Condition.OK, size.position, found.rate, size.bytes)

    def _count_unknown_files(self) -> int:
        return sum(
            len(list_segments(folder, format_.suffix).unknown)
            for format_, folder in self._folders().values()
        )

    def _measure_free_bytes(self) -> int | None:
        space = least_space(folder for _, folder in self._folders().values())
        return space.free_bytes if space else None

    def _find_pause(self) -> str:
        """Return a line for the first folder that is empty and is filled after a pause."""
        for noun, (format_, folder) in self._folders().items():
            seconds = seconds_to_filling(folder)
            if not seconds:
                continue
            with suppress(StorageCorrupt, OSError):  # reported by its readers
                manifest = read_manifest(format_, folder)
                if manifest is not None and not manifest.position:
                    return refilled_later(noun, seconds, len(damaged_folders(folder)))
        return ""

    def _folders(self) -> dict[str, tuple[StorageFormat[Any, Any], Path]]:
        return local_folders(self._resources().settings)


def _state(
    condition: Condition, position: Callable[[], int], damage: Callable[[], str]
) -> CopyState:
    """Return the state of a copy; without a position if it fails at this moment."""
    if condition is Condition.OK:
        with suppress(FingerprintIndexError, FingerprintStoreError):
            return CopyState(condition, position())
    return CopyState(condition, damage=damage())
