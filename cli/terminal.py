"""Prepares the standard streams: opens missing ones, removes unwanted colours, escapes characters.

click removes colours from what does not go to a terminal. NO_COLOR (https://no-color.org) and a
terminal without escape sequences (``TERM=dumb``) remove them everywhere.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Mapping
from typing import Final

import click

ERRORS: Final = "acoustid.bytes-or-escapes"
"""The name of `_bytes_or_escapes` as a handler of encoding errors."""


class ClosedOutput(io.RawIOBase):
    """Standard output that the caller has closed: each write is an error."""

    def writable(self) -> bool:
        """Return that `write` can be called."""
        return True

    def write(self, data: object, /) -> int:
        """Refuse the data.

        Raises:
            OSError: always.
        """
        del data
        raise OSError(errno.EBADF, "standard output is closed")


def open_missing_streams() -> None:
    """Open the standard streams that the caller has closed, as with ``>&-``.

    Otherwise the next file that is opened gets the descriptor of the stream. Standard input is at
    its end, what is written to standard error is lost, and standard output is a `ClosedOutput`.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(_open_null(), encoding="utf-8", closefd=False)
    if sys.stdout is None:
        _open_null()
        sys.stdout = io.TextIOWrapper(ClosedOutput(), encoding="utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_open_null(), "w", encoding="utf-8", closefd=False)


def _open_null() -> int:
    """Open the null device. It gets the lowest free descriptor, which is that of the stream."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(descriptor, True)  # noqa: FBT003 - the only parameter
    return descriptor


def is_plain(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal has no escape sequences."""
    return environ.get("TERM") == "dumb"


def prepare_output(context: click.Context, environ: Mapping[str, str] = os.environ) -> None:
    """Prepare standard output for a command.

    A file name may have bytes that are not UTF-8: they are written as they are. Other characters
    that the encoding lacks are written as escapes.
    """
    if environ.get("NO_COLOR") or is_plain(environ):
        context.color = False
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error(ERRORS, _bytes_or_escapes)
        sys.stdout.reconfigure(errors=ERRORS)


def _bytes_or_escapes(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
