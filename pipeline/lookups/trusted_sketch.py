"""Searches the sketch index of the set rate, or that of another rate while the former is filled.

Each rate has an index of its own, which is judged like the index of the public algorithm: see
`pipeline.lookups.trusted_index`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from pipeline.excerpts.sketch_folders import other_rates, sketch_folder
from pipeline.index import IndexReader, open_reader
from pipeline.lookups.condition import SKETCH_ADVICE, Advice, Condition
from pipeline.lookups.trusted_index import IndexUnusable, Kind, TrustedIndex
from pipeline.runtime.databases import Databases

LIST_EVERY: Final = 5.0
"""Seconds between two listings of the folders of other rates."""


class SketchUnusable(IndexUnusable):
    """The sketch index can't answer searches. A retry may succeed."""

    advice: ClassVar[Mapping[Condition, Advice]] = SKETCH_ADVICE


_KIND: Final = Kind(
    "the sketch index is usable again",
    "the sketch index is not usable; excerpts are not found",
    SketchUnusable,
)


@dataclass(frozen=True, slots=True)
class UsableSketch:
    """A sketch index that may be searched.

    Attributes:
        index: the index. Its methods raise `SketchUnusable` if it has become unusable since.
        rate: its rate, with which the terms of queries are chosen.
    """

    index: TrustedIndex
    rate: int

    def recordings(self) -> int:
        """Return the number of recordings that a search may find."""
        return self.index.stats().documents


class TrustedSketch:
    """The sketch index, which is used while it is complete and current. Thread-safe.

    Its files are opened at the first use.

    Args:
        directory: the directory of the settings.
        rate: the rate of the settings.
        databases: the fingerprint database is compared with the index.
        clock: monotonic time in seconds.
        max_lag: seconds by which the index may be behind the database; 0 for any time.
    """

    def __init__(
        self,
        directory: Path,
        rate: int,
        databases: Databases,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_lag: float = 0.0,
    ) -> None:
        self._directory = directory
        self._rate = rate
        self._databases = databases
        self._clock = clock
        self._max_lag = max_lag
        self._set = self._of_rate(rate)
        self._changing = threading.Lock()
        self._others: dict[int, _OneRate] = {}  # in the order in which they are tried
        self._listed = -float("inf")  # time of the last listing

    def current(self) -> UsableSketch:
        """Return the index to search: that of the set rate, else another one that is usable.

        Raises:
            SketchUnusable: none is usable; it has the condition of the index with the set rate.
        """
        try:
            return self._set.usable()
        except SketchUnusable:
            for other in self._other_rates():
                with suppress(SketchUnusable):
                    return other.usable()
            raise

    def condition(self) -> Condition:
        """Return the condition of the index that `current` returns, or that of the set rate."""
        try:
            self.current()
        except SketchUnusable as error:
            return error.condition
        return Condition.OK

    def damage(self) -> str:
        """Return the damaged file and its problem; an empty text unless the index is damaged."""
        return self._set.index.damage()

    def close(self) -> None:
        """Close the files. A later call opens them again."""
        with self._changing:
            for each in (self._set, *self._others.values()):
                each.close()

    def _other_rates(self) -> Iterable["_OneRate"]:
        """Return the indexes of other rates with a folder; close those whose folder is gone."""
        with self._changing:
            if self._clock() - self._listed >= LIST_EVERY:
                self._listed = self._clock()
                before, listed = self._others, _listed(self._directory, self._rate)
                self._others = {rate: before.get(rate) or self._of_rate(rate) for rate in listed}
                for rate in before.keys() - self._others.keys():
                    before[rate].close()
            return list(self._others.values())

    def _of_rate(self, rate: int) -> "_OneRate":
        files = _Files(sketch_folder(self._directory, rate))
        index = TrustedIndex(
            files.open,
            self._databases,
            self._clock,
            max_lag=self._max_lag,
            logs_changes=rate == self._rate,
            kind=_KIND,
        )
        return _OneRate(rate, files, index)


class _Files:
    """The files of one index, which are opened at the first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._reader: IndexReader | None = None

    def open(self) -> IndexReader:
        """Return the open index.

        Raises:
            IndexCorrupt, OSError: its files are damaged or cannot be read.
        """
        if self._reader is None:
            with self._opening:
                self._reader = self._reader or open_reader(self._folder)
        return self._reader

    def close(self) -> None:
        """Close the files; a later search opens them again."""
        if self._reader is not None:
            self._reader.close()


@dataclass(frozen=True, slots=True)
class _OneRate:
    """The index of one rate.

    Attributes:
        rate: its rate.
        files: its files.
        index: the index, which is searched while it is usable.
    """

    rate: int
    files: _Files
    index: TrustedIndex

    def usable(self) -> UsableSketch:
        """Return the index for searches.

        Raises:
            SketchUnusable: it is not usable.
        """
        self.index.require_usable()
        return UsableSketch(self.index, self.rate)

    def close(self) -> None:
        """Close the files."""
        self.files.close()


def _listed(directory: Path, rate: int) -> list[int]:
    try:
        return other_rates(directory, rate)
    except OSError:
        return []
