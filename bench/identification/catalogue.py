"""A catalogue of recordings and distractors: two indexes and a store, without servers."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import numpy as np

from bench.identification.recordings import Recording
from pipeline.fingerprint.query import extract_query_batch
from pipeline.fingerprint.ragged import Ragged
from pipeline.fingerprint.sketch import sketch_terms_batch
from pipeline.fingerprint.words import Words
from pipeline.fingerprint_store import StoreRow, open_store, open_store_writer
from pipeline.index import ChangeBatch, open_reader, open_writer
from pipeline.index.changes import DELETED

AT_ONCE: Final = 5_000  # fingerprints in a commit


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of the two indexes.

    Attributes:
        documents: number of fingerprints.
        public_bytes: bytes of the index of the public algorithm.
        sketch_bytes: bytes of the sketch index.
    """

    documents: int
    public_bytes: int
    sketch_bytes: int


class Catalogue:
    """The files that a worker with a store reads. A context manager.

    Each fingerprint is on a track of its own with the same number. The recordings have the numbers
    from 1 on, in their order; the distractors follow.

    Args:
        folder: an empty folder for the files.
        recordings: the real recordings.
        rate: the sketch rate.

    Attributes:
        rate: the sketch rate.
        public: the index of the public algorithm.
        sketch: the sketch index.
        store: the fingerprint store, with the words of all fingerprints.
    """

    def __init__(self, folder: Path, recordings: Sequence[Recording], rate: int) -> None:
        self.rate = rate
        self._recordings = recordings
        self._numbers = {each.id: number for number, each in enumerate(recordings, 1)}
        with ExitStack() as stack:
            writers = [folder / "public", folder / "sketch"]
            self._public, self._sketch = (
                stack.enter_context(open_writer(path)) for path in writers
            )
            self._store = stack.enter_context(open_store_writer(folder / "store"))
            self.public, self.sketch = (stack.enter_context(open_reader(path)) for path in writers)
            self.store = open_store(folder / "store")
            stack.callback(self.store.close)
            self._stack = stack.pop_all()
        self._last = 0  # the highest number
        self._add(
            Ragged.of([each.words for each in recordings]),
            [round(each.duration) for each in recordings],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add_distractors(self, batches: Iterable[Ragged], seed: int = 0) -> range:
        """Add fingerprints whose durations are drawn from those of the recordings.

        Args:
            batches: the words of the distractors.
            seed: chooses the durations.

        Returns:
            Their numbers.
        """
        first = self._last + 1
        random = np.random.default_rng(seed)
        durations = np.array([round(each.duration) for each in self._recordings])
        for batch in batches:
            self._add(batch, random.choice(durations, len(batch)).tolist())
        self._public.finish_merges()
        self._sketch.finish_merges()
        return range(first, self._last + 1)

    def number(self, recording: str) -> int:
        """Return the number of a recording by its id."""
        return self._numbers[recording]

    def numbers(self, recordings: Iterable[str]) -> frozenset[int]:
        """Return the numbers of recordings by their ids. Ids that it never had are left out."""
        return frozenset(self._numbers[each] for each in recordings if each in self._numbers)

    def sizes(self) -> Sizes:
        """Return the sizes of the indexes."""
        public, sketch = self.public.stats(), self.sketch.stats()
        return Sizes(public.documents, public.bytes, sketch.bytes)

    def words(self, numbers: Collection[int]) -> dict[int, Words]:
        """Return the words of fingerprints by number."""
        return {key: row.words for key, row in self.store.find(numbers).rows.items()}

    @contextmanager
    def without(self, numbers: Sequence[int]) -> Iterator[None]:
        """Delete fingerprints from both indexes, and insert them again afterwards."""
        deletion = ChangeBatch(
            np.array(numbers, np.uint32), np.full(len(numbers), DELETED), np.empty(0, np.uint32)
        )
        self._apply(deletion, deletion)
        try:
            yield
        finally:
            for start in range(0, len(numbers), AT_ONCE):
                stored = self.words(numbers[start : start + AT_ONCE])
                self._insert(list(stored), Ragged.of(list(stored.values())))

    def _add(self, words: Ragged, durations: Sequence[int]) -> None:
        numbers = range(self._last + 1, self._last + 1 + len(words))
        self._last += len(words)
        self._insert(numbers, words)
        rows = {
            number: StoreRow(duration, number, UUID(int=number).bytes, row)
            for number, duration, row in zip(numbers, durations, words, strict=True)
        }
        self._store.apply(rows, self._last, stamp=0)

    def _insert(self, numbers: Sequence[int], words: Ragged) -> None:
        ids = np.array(numbers, np.uint32)
        public, sketch = (
            ChangeBatch(ids, terms.lengths, terms.values)
            for terms in (extract_query_batch(words), sketch_terms_batch(words, self.rate))
        )
        self._apply(public, sketch)

    def _apply(self, public: ChangeBatch, sketch: ChangeBatch) -> None:
        """Commit changes of both indexes. Their position is the number of commits."""
        for writer, changes in ((self._public, public), (self._sketch, sketch)):
            writer.apply([changes], writer.position() + 1)
