"""Opens the input of a command: a file or standard input, plain or compressed with gzip."""

import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Final

from cli.errors import StackError

STANDARD_INPUT: Final = "-"

MAX_LINE: Final = 4 * 1024 * 1024
"""The maximum size of a line in bytes. A longer one does not fit into a request."""

_CHUNK: Final = 32 * 1024  # bytes; inflated, at most 33 MB
_GZIP_START: Final = b"\x1f\x8b"
_GZIP: Final = zlib.MAX_WBITS | 16
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


_FINGERPRINT: Final = re.compile(r"A[AQgw][A-Za-z0-9_+/-]*[A-Za-z0-9_+-]=*")
"""The text of a fingerprint: its first byte is the number of an algorithm, 0 to 3."""


class InputError(ValueError):
    """The input cannot be read further. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class LongLine:
    """Stands in the place of a line that is longer than `MAX_LINE`.

    Attributes:
        size: its size in bytes.
    """

    size: int


def find_input(argument: str) -> Path | None:
    """Return the path that an argument names; None if it names no file.

    A fingerprint can be longer than a path.
    """
    try:
        path = Path(argument)
        return path if path.exists() else None
    except (OSError, ValueError):
        return None


def names_lines(argument: str) -> bool:
    """Return whether an argument is standard input, or has the name of a file of lines."""
    name = argument.lower().removesuffix(".gz")
    return argument == STANDARD_INPUT or name.endswith((".json", ".jsonl", ".ndjson"))


def names_fingerprint(argument: str) -> bool:
    """Return whether an argument has the form of a fingerprint."""
    return _FINGERPRINT.fullmatch(argument) is not None


def no_such_input(argument: str) -> StackError:
    """Return the error of an argument that is neither a file nor a fingerprint with a duration."""
    if names_fingerprint(argument):
        return StackError(
            "there is no file of this name, and a single fingerprint needs the length of its "
            "audio: give --duration (`lookup --excerpt` needs none)"
        )
    return StackError(f"{argument!r} is neither a file nor a fingerprint")


def read_lines(source: Path | None) -> Iterator[bytes | LongLine]:
    """Yield the lines of an input, without line ends; the last line need not have one.

    Args:
        source: a file, which may be a pipe; None is standard input.

    Raises:
        InputError: the input is damaged, or ends early.
        StackError: the file cannot be opened.
    """
    stream = _open(source)
    try:
        yield from _split(_inflated(_chunks(stream)))
    finally:
        if source is not None:
            stream.close()


def _open(source: Path | None) -> IO[bytes]:
    if source is None:
        if sys.stdin is None:
            raise StackError("standard input is closed")
        # A thread that waits for a buffered stream would disturb the end of the process.
        stream: IO[bytes] = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return stream
    try:
        return source.open("rb", buffering=0)
    except OSError as error:
        raise StackError(f"{source} cannot be read: {error.strerror}") from error


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a stream as they arrive; the first chunk has at least three bytes."""
    start = b""
    try:
        while chunk := stream.read(_CHUNK):
            start += chunk
            if len(start) >= len(_BYTE_ORDER_MARK):
                yield start
                break
        else:
            yield start
        while chunk := stream.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise InputError(f"the input cannot be read further: {error.strerror}") from error


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the bytes of chunks, inflated if they start like a gzip file."""
    first = next(chunks)
    if not first.startswith(_GZIP_START):
        yield first.removeprefix(_BYTE_ORDER_MARK)
        yield from chunks
        return
    member = zlib.decompressobj(_GZIP)
    try:
        for chunk in chain([first], chunks):
            # Zero bytes may follow a member.
            rest = chunk.lstrip(b"\0") if member.eof else chunk
            while rest:
                if member.eof:
                    member = zlib.decompressobj(_GZIP)
                yield member.decompress(rest)
                rest = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise InputError("the gzip data is damaged here") from error
    if not member.eof:
        raise InputError("the gzip data ends early here; the file is not complete")


def _split(chunks: Iterator[bytes]) -> Iterator[bytes | LongLine]:
    """Yield the lines in chunks. A line that is not complete when the chunks fail is left out."""
    kept, size = bytearray(), 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield _line(bytes(kept) + piece, size + len(piece))
            kept, size = bytearray(), 0
        size += len(rest)
        if size <= MAX_LINE:
            kept += rest
    if size:
        yield _line(bytes(kept), size)


def _line(kept: bytes, size: int) -> bytes | LongLine:
    return kept if size <= MAX_LINE else LongLine(size)
