"""Reads the lines of a gzipped file. Memory is bounded, whatever the file holds."""

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, cast

from isal import isal_zlib

from pipeline.fingerprint.public_part import LONGEST

MAX_LINE: Final = LONGEST * len("-2147483648, ") + (1 << 20)
"""Maximum bytes of a line, 4.5 MB: the longest fingerprint, and 1 MiB for all else."""

_PIECE: Final = 1 << 16  # bytes of the file that are read at once
_PLAIN_PIECE: Final = 1 << 20  # bytes that are decompressed at once
_GZIP: Final = 16 + isal_zlib.MAX_WBITS
_ERROR: Final = cast("type[Exception]", isal_zlib.error)  # its stub says that it is an instance


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: from 1.
        content: without the line end; its start, if the line is refused.
        problem: why it can't be used; None for a line that can be parsed.
    """

    number: int
    content: bytes
    problem: str | None = None


class DamagedGzipError(ValueError):
    """The rest of a file can't be decompressed. The message has the reason."""


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a gzipped file.

    A line that is too long is yielded as a problem, and reading goes on after it. After damaged
    data, the line at which they begin is the last one, with a problem.

    Args:
        file: the compressed file, open at its start.

    Raises:
        OSError: the file can't be read.
    """
    number, rest, is_overlong = 0, bytearray(), False
    try:
        for piece in decompress(file):
            *ended, last = piece.split(b"\n")
            for end in ended:
                number += 1
                if is_overlong or len(rest) + len(end) > MAX_LINE:
                    yield _overlong(number, bytes(rest) or end)
                else:
                    yield Line(number, bytes(rest) + end if rest else end)
                rest, is_overlong = bytearray(), False
            if not is_overlong:
                rest += last
            if len(rest) > MAX_LINE:
                del rest[1024:]
                is_overlong = True
    except DamagedGzipError as error:
        yield Line(number + 1, bytes(rest), str(error))
        return
    if is_overlong:
        yield _overlong(number + 1, bytes(rest))
    elif rest:
        yield Line(number + 1, bytes(rest))


def _overlong(number: int, content: bytes) -> Line:
    return Line(number, content[:1024], f"the line is longer than {MAX_LINE} bytes")


def decompress(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a gzip file, which may have several members, in pieces of 1 MiB.

    Raises:
        DamagedGzipError: the file is cut, damaged, or no gzip file.
        OSError: the file can't be read.
    """
    member = isal_zlib.decompressobj(_GZIP)
    is_begun = False
    while data := file.read(_PIECE):
        while data:
            if member.eof:
                data = data.lstrip(b"\0")  # padding after the last member
                if not data:
                    break
                member, is_begun = isal_zlib.decompressobj(_GZIP), False
            try:
                plain = member.decompress(data, _PLAIN_PIECE)
            except _ERROR as error:
                raise DamagedGzipError(f"the gzip data are damaged: {error}") from error
            is_begun = True
            data = member.unused_data if member.eof else member.unconsumed_tail
            if plain:
                yield plain
    while is_begun and not member.eof:  # output that the limit of a piece has held back
        plain = member.decompress(member.unconsumed_tail, _PLAIN_PIECE)
        if not plain:
            break
        yield plain
    if not member.eof:
        raise DamagedGzipError("the gzip data end too early: the file is cut or empty")
