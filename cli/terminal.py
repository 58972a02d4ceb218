"""Prepares standard output: removes unwanted colours, and escapes characters it cannot encode.

click removes colours from what does not go to a terminal. NO_COLOR (https://no-color.org) removes
them everywhere.
"""

import codecs
import io
import os
import sys
from collections.abc import Mapping
from typing import Final

import click

ERRORS: Final = "acoustid.bytes-or-escapes"
"""The name of `_bytes_or_escapes` as a handler of encoding errors."""


def prepare_output(context: click.Context, environ: Mapping[str, str] = os.environ) -> None:
    """Prepare standard output for a command.

    A file name may have bytes that are not UTF-8: they are written as they are. Other characters
    that the encoding lacks are written as escapes.
    """
    if environ.get("NO_COLOR"):
        context.color = False
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error(ERRORS, _bytes_or_escapes)
        sys.stdout.reconfigure(errors=ERRORS)


def _bytes_or_escapes(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
