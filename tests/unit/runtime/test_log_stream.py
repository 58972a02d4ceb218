"""A log whose reader has stopped does not stop the process."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

import pytest

from pipeline.runtime import log_stream
from pipeline.runtime.log_stream import LogStream
from pipeline.runtime.logs import configure_logging, reset_logging
from pipeline.settings.sections import LoggingSettings

LINE = "x" * 999 + "\n"
PIPE_LINES = 200  # more than a pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe: its end to read, and its end to write as a stream."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def read_all(reader: int) -> str:
    """Return what the pipe contains."""
    return os.read(reader, 1 << 20).decode()


def test_records_that_the_pipe_cannot_hold_are_lost_and_counted(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "PATIENCE", 0.2)
    reader, writer = pipe
    stream = LogStream(writer)
    begun = time.monotonic()
    for _ in range(PIPE_LINES):
        stream.write(LINE)
    assert time.monotonic() - begun < 5  # only the first lost record waits
    assert stream.take_lost() == 0  # nothing can be reported yet
    written = read_all(reader)
    assert 20 < len(written) // len(LINE) < PIPE_LINES

    stream.write("again\n")
    assert read_all(reader) == "again\n"
    assert stream.take_lost() == PIPE_LINES - len(written) // len(LINE)
    assert stream.take_lost() == 0


def test_a_record_that_is_longer_than_the_pipe_buffer_is_complete(pipe: tuple[int, TextIO]) -> None:
    reader, writer = pipe
    LogStream(writer).write("ü" * 10_000 + "\n")
    assert read_all(reader) == "ü" * 10_000 + "\n"


def test_a_stream_without_a_file_descriptor_gets_all_records() -> None:
    text = StringIO()
    stream = LogStream(text)
    stream.write(LINE)
    stream.flush()
    assert text.getvalue() == LINE


def test_the_loss_is_reported_when_the_reader_reads_again(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "PATIENCE", 0.0)
    reader, writer = pipe
    monkeypatch.setattr(sys, "stdout", writer)
    configure_logging(LoggingSettings(), component="api")
    try:
        for _ in range(PIPE_LINES):
            logging.getLogger("x").warning(LINE.strip())
        written = read_all(reader).count("\n")
        logging.getLogger("x").warning("again")
    finally:
        reset_logging()
    again, report = read_all(reader).splitlines()
    assert again.endswith("x: again")
    assert report.endswith(f"standard output was not read records={PIPE_LINES - written}")
