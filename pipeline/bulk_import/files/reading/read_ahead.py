"""Reads a file ahead of the database: one process parses lines while others write rows."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from os import _exit
from pathlib import Path
from typing import Final, NamedTuple, Self

from pipeline.bulk_import.files.reading.batches import Batch, encode_lines
from pipeline.bulk_import.files.reading.gzip_lines import Line, read_lines

MOST_LINES: Final = 4_000
"""Maximum number of lines of a batch."""

MOST_BYTES: Final = 16 << 20
"""A batch ends with the line that reaches this number of bytes."""

SMALL_FILE: Final = 1 << 18
"""A file of fewer bytes is parsed at once: to start the process takes as long as 10,000 lines."""

AHEAD: Final = 3
"""Number of batches that are parsed or wait to be written."""


class ReadBatch(NamedTuple):
    """A batch with its lines.

    Attributes:
        batch: the rows.
        lines: the lines by their number minus that of the first one. Some belong to other batches.
        offset: bytes of the file that were read up to now.
    """

    batch: Batch
    lines: Sequence[Line]
    offset: int

    def content(self, number: int) -> bytes:
        """Return the text of a line."""
        return self.lines[number - self.lines[0].number].content


class ReadAhead:
    """Parses the lines of files in a process of its own. A context manager, which ends it."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def batches(self, path: Path, table: str, after: int) -> Iterator[ReadBatch]:
        """Yield the batches of a file.

        Args:
            path: the gzipped file.
            table: the name of the table, see `pipeline.data_files.tables`.
            after: number of lines at the beginning that are left out.

        Raises:
            OSError: the file can't be read.
            concurrent.futures.process.BrokenProcessPool: the process was killed.
        """
        waiting: deque[tuple[Future[list[Batch]], list[Line], int]] = deque()
        parse = _at_once if path.stat().st_size < SMALL_FILE else self._process().submit
        with path.open("rb") as file:
            for lines in _chunks(read_lines(file), after):
                waiting.append((parse(encode_lines, table, lines), lines, file.tell()))
                if len(waiting) == AHEAD:
                    yield from _results(*waiting.popleft())
        for each in waiting:
            yield from _results(*each)

    def _process(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_end_with_parent
            )
        return self._pool


def _at_once(
    encode: Callable[[str, list[Line]], list[Batch]], table: str, lines: list[Line]
) -> Future[list[Batch]]:
    done: Future[list[Batch]] = Future()
    done.set_result(encode(table, lines))
    return done


def _results(parsed: Future[list[Batch]], lines: list[Line], offset: int) -> Iterator[ReadBatch]:
    for batch in parsed.result():
        yield ReadBatch(batch, lines, offset)


def _chunks(lines: Iterator[Line], after: int) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in lines:
        if line.number <= after:
            continue
        chunk.append(line)
        size += len(line.content)
        if len(chunk) == MOST_LINES or size >= MOST_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _end_with_parent() -> None:
    """End this process when the one that started it is killed; else it would wait for ever."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        _exit(1)

    threading.Thread(target=watch, daemon=True).start()
