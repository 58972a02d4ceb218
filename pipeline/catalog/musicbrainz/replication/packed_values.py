"""Decodes values of packets of the first dbmirror.

A row of ``PendingData`` has column names and values in one text, in the form of ``packageData`` of
dbmirror's ``pending.c``: ``"name"='value' `` with a space after each column. A null has nothing
between ``=`` and the space. In a value, a backslash precedes a backslash or a quote, and two quotes
are one. `MusicBrainz::Server::dbmirror::unpack_data` reads the same form.
"""

import json
import re
from typing import Final

_COLUMN: Final = re.compile(r"\"([^\"]*)\"=(?:'((?:[^'\\]|\\.|'')*)')? ", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\([\\'])|''")
_COPY_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_COPY_LETTERS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def decode_copied(text: str) -> str:
    """Return the value of a column in the text form of COPY, which is not null."""
    return _COPY_ESCAPE.sub(lambda found: _COPY_LETTERS.get(found[1], found[1]), text)


def encode_copied(text: str) -> str:
    r"""Return a text in the text form of COPY. It may have any character but a null.

    >>> encode_copied('{"a": "x\\ty"}')
    '{"a": "x\\\\ty"}'
    """
    for sign, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(sign, escaped)
    return text


def unpack_values(packed: str) -> dict[str, str | None]:
    """Return the values by the names of the columns, as PostgreSQL writes them.

    Raises:
        ValueError: the text has another form.
    """
    found: dict[str, str | None] = {}
    position = 0
    while position < len(packed):
        column = _COLUMN.match(packed, position)
        if column is None:
            raise ValueError("values of a row are in an unknown form")
        name, value = column.groups()
        found[name] = value if value is None else _ESCAPE.sub(_unescape, value)
        position = column.end()
    return found


def packed_to_json(copied: str) -> str:
    """Return the values of a row as JSON, both in the text form of COPY.

    Raises:
        ValueError: the text has another form.
    """
    return encode_copied(json.dumps(unpack_values(decode_copied(copied)), ensure_ascii=False))


def _unescape(found: re.Match[str]) -> str:
    return found[1] or "'"
