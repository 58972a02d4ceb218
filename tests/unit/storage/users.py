"""The users of the storage engine behind one interface, for tests that run over both.

A document of either user is made of a number: the same number gives the same document.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pytest

from pipeline.fingerprint_store import merging, open_store, open_store_writer, verify_store
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.index import Delete, Insert, open_reader, open_writer, verify, writer
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.merging.merge_policy import MAX_SEGMENTS
from pipeline.index.segments.segment_format import FOOTER_BYTES, section_bounds
from tests.unit.fingerprint_store import model as store_model
from tests.unit.index import model as index_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy import uint32
    from numpy.typing import NDArray

    from pipeline.fingerprint_store import FingerprintStore, StoreRow, StoreWriter
    from pipeline.fingerprint_store.segment_format import StoreSegmentEntry
    from pipeline.index import Change, IndexReader, IndexWriter
    from pipeline.index.segments.segment_format import IndexSegmentEntry
    from pipeline.storage.format import StorageFormat

Numbers: TypeAlias = Mapping[int, int | None]
"""By id: the number of the document to hold, or None to delete it."""

Documents: TypeAlias = dict[int, Any]
"""By id: the content of a document, as values that can be compared."""

State: TypeAlias = tuple[int, Documents]
"""Position and documents."""

TERMS = 30
"""Terms of each document of the index."""


class User(Protocol):
    """One user of the storage engine.

    Attributes:
        format: its files.
        resting: with so many segments in force, the next commit merges.
    """

    format: StorageFormat[Any, Any]
    resting: int

    def open_writer(self, path: Path, *, clear_damaged: bool = False) -> Any:
        """Open a writer that merges within its calls; a context manager."""

    def open_background_writer(self, path: Path) -> Any:
        """Open a writer as the service does."""

    def open_reader(self, path: Path) -> Any:
        """Open a reader."""

    def apply(self, writer: Any, numbers: Numbers, position: int) -> None:
        """Commit changes."""

    def rebuild(self, writer: Any, batches: Iterable[Numbers], position: int) -> None:
        """Replace the content, with a segment for each batch."""

    def documents(self, numbers: Numbers) -> Documents:
        """Return what `contents` returns once these changes are applied to an empty folder."""

    def holding(self, reader: Any, numbers: Sequence[int]) -> list[set[int]]:
        """Return for each number the ids below 100 whose document is made of it; one state."""

    def checked_places(self, entry: Any) -> set[int]:
        """Return the bytes of a segment's file that readers and writers check at the opening."""

    def contents(self, path: Path) -> Documents:
        """Return all documents that a folder holds."""

    def position(self, path: Path) -> int:
        """Return the position that a new reader sees."""

    def verify(self, path: Path) -> list[str]:
        """Return the problems of a folder."""


class IndexUser:
    """The index."""

    format = INDEX_FORMAT
    resting = MAX_SEGMENTS

    def open_writer(self, path: Path, *, clear_damaged: bool = False) -> IndexWriter:
        return open_writer(path, clear_damaged=clear_damaged, merge_in_background=False)

    def open_background_writer(self, path: Path) -> IndexWriter:
        return open_writer(path)

    def open_reader(self, path: Path) -> IndexReader:
        return open_reader(path)

    def apply(self, writer: IndexWriter, numbers: Numbers, position: int) -> None:
        writer.apply(_changes(numbers), position)

    def rebuild(self, opened: IndexWriter, batches: Iterable[Numbers], position: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "REBUILD_TERMS", 1)
            opened.rebuild(map(_changes, batches), position)

    def documents(self, numbers: Numbers) -> Documents:
        return {
            id_: frozenset(_terms(number).tolist())
            for id_, number in numbers.items()
            if number is not None
        }

    def holding(self, reader: IndexReader, numbers: Sequence[int]) -> list[set[int]]:
        answers = reader.search([_terms(number) for number in numbers], limit=100, min_score=TERMS)
        return [{id_ for id_ in hits.ids.tolist() if id_ < 100} for hits in answers]

    def checked_places(self, entry: IndexSegmentEntry) -> set[int]:
        bits = range(section_bounds(entry)["unary"][0], entry.size - FOOTER_BYTES)
        return set(range(entry.size)) - set(bits)

    def contents(self, path: Path) -> Documents:
        return dict(index_model.contents(path))

    def position(self, path: Path) -> int:
        with open_reader(path) as reader:
            return reader.position()

    def verify(self, path: Path) -> list[str]:
        return verify(path)


class StoreUser:
    """The fingerprint store; the stamp of a position is a thousand times the position."""

    format = STORE_FORMAT
    resting = merging.FAN_IN - 1

    def open_writer(self, path: Path, *, clear_damaged: bool = False) -> StoreWriter:
        return open_store_writer(path, clear_damaged=clear_damaged)

    def open_background_writer(self, path: Path) -> StoreWriter:
        return open_store_writer(path)

    def open_reader(self, path: Path) -> FingerprintStore:
        return open_store(path)

    def apply(self, writer: StoreWriter, numbers: Numbers, position: int) -> None:
        writer.apply(_rows(numbers), position, 1000 * position)

    def rebuild(self, writer: StoreWriter, batches: Iterable[Numbers], position: int) -> None:
        writer.rebuild(map(_rows, batches), position, 1000 * position)

    def documents(self, numbers: Numbers) -> Documents:
        return dict(store_model.applied({}, _rows(numbers)))

    def holding(self, reader: FingerprintStore, numbers: Sequence[int]) -> list[set[int]]:
        rows = reader.find(range(1, 100)).rows
        documents = [store_model.plain(store_model.row(number)) for number in numbers]
        return [
            {id_ for id_, row in rows.items() if store_model.plain(row) == document}
            for document in documents
        ]

    def checked_places(self, entry: StoreSegmentEntry) -> set[int]:
        return set(range(entry.words_start))

    def contents(self, path: Path) -> Documents:
        return dict(store_model.contents(path))

    def position(self, path: Path) -> int:
        store = open_store(path)
        position, stamp = store.reached()
        store.close()
        assert stamp == 1000 * position
        return position

    def verify(self, path: Path) -> list[str]:
        return verify_store(path)


USERS: tuple[User, ...] = (IndexUser(), StoreUser())
"""The users, for parametrisation."""


def state(user: User, path: Path) -> State:
    """Return position and documents as a new reader sees them."""
    return user.position(path), user.contents(path)


def segment_files(user: User, path: Path) -> list[Path]:
    """Return the segment files of a folder, by number."""
    return sorted(path.glob(f"*{user.format.suffix}"))


def named_segments(user: User, path: Path) -> int:
    """Return how many segments the manifest names."""
    reader = user.open_reader(path)
    segments: int = reader.stats().segments
    reader.close()
    return segments


def _terms(number: int) -> NDArray[uint32]:
    return index_model.terms(*random.Random(number).sample(range(0, 4000, 16), TERMS))


def _changes(numbers: Numbers) -> list[Change]:
    return [
        Delete(id_) if number is None else Insert(id_, _terms(number))
        for id_, number in numbers.items()
    ]


def _rows(numbers: Numbers) -> dict[int, StoreRow | None]:
    return {
        id_: None if number is None else store_model.row(number) for id_, number in numbers.items()
    }
