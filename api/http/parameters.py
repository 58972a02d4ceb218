"""The parameters of a request, as leniently read as the public service reads them."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Self
from urllib.parse import parse_qsl
from uuid import UUID

from api.http.errors import RequestTooLargeError

Pair = tuple[str, str]

MAX_PAIRS: Final = 50_000
"""Pairs that a query string or form may have: ten times what a body full of submissions has."""

LONGEST_TEXT: Final = 255
"""Characters of a text that goes into an index of the database."""

MAX_ID: Final = 2**31 - 1
"""The largest number that an id of the database can be."""

# Beyond this a number can only be a mistake, and Python refuses to convert very long ones.
# Digits of any script count, as they do to Python, in which the public service is written.
_INTEGER: Final = re.compile(r"[+-]?\d+(?:_\d+)*")
_MAX_DIGITS: Final = 100
_SUFFIX: Final = re.compile(r"[0-9]{1,18}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FOREIGN_ID: Final = re.compile(r"[0-9a-z]+:.+", re.DOTALL)

NIL: Final = UUID(int=0)


class Parameters:
    """Names with one or more values, in the order in which they came.

    Args:
        pairs: the query string's first, then the body's: of several values the first one counts
            wherever one is needed.
    """

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def followed_by(self, pairs: Iterable[Pair]) -> Self:
        """Return these and others after them."""
        own = [(name, value) for name, values in self._values.items() for value in values]
        return type(self)([*own, *pairs])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, each once."""
        return iter(self._values)

    def get(self, name: str) -> str | None:
        """Return the first value, None without any."""
        values = self._values.get(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Return all values, in order."""
        return list(self._values.get(name, ()))

    def get_text(self, name: str, longest: int = LONGEST_TEXT) -> str | None:
        """Return the first value as PostgreSQL can hold it, cut to a length; None where empty."""
        value = self.get(name)
        return value.replace("\0", " ")[:longest] if value else None

    def get_int(self, name: str) -> int | None:
        """Return the first value as a number, None where it is absent or no number."""
        value = self.get(name)
        return None if value is None else parse_int(value)

    def suffixes(self, *stems: str) -> list[int | None]:
        """Return the indexes under which one of the stems was sent, ascending.

        ``fingerprint`` alone is the index None, which comes first; ``fingerprint.7`` is 7, and so
        is ``fingerprint.007``. Suffixes that are no ASCII number are ignored.
        """
        found: set[int] = set()
        for name in self._values:
            stem, dot, suffix = name.partition(".")
            if stem not in stems:
                continue
            if not dot:
                found.add(-1)
            elif _SUFFIX.fullmatch(suffix):
                found.add(int(suffix))
        return [None if index < 0 else index for index in sorted(found)]


def parse_pairs(text: str) -> list[Pair]:
    """Return the pairs of a query string or an urlencoded form.

    What is no UTF-8 becomes U+FFFD, and a pair without ``=`` has an empty value.

    Raises:
        RequestTooLargeError: more pairs than `MAX_PAIRS`.
    """
    pieces = text.split("&", MAX_PAIRS)
    if len(pieces) > MAX_PAIRS:
        raise RequestTooLargeError(f"a request may have {MAX_PAIRS} parameters")
    if "%" in text:
        return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")
    # The same for a text without escapes, as most are: a fingerprint needs none.
    split = (piece.replace("+", " ").partition("=") for piece in pieces if piece)
    return [(name, value) for name, _, value in split]


def suffixed(stem: str, index: int | None) -> str:
    """Return a parameter's name with its index, as a client writes it."""
    return stem if index is None else f"{stem}.{index}"


def parse_int(text: str) -> int | None:
    """Return a number written in decimal digits, with spaces around and a sign at will."""
    stripped = text.strip()
    if len(stripped) > _MAX_DIGITS or not _INTEGER.fullmatch(stripped):
        return None
    return int(stripped)


def parse_uuid(text: str) -> UUID | None:
    """Return a UUID in its usual form, either case, or None where the text is none."""
    return UUID(text) if _UUID.fullmatch(text) else None


def is_foreign_id(text: str) -> bool:
    """Tell whether a text is ``vendor:id``: small letters or digits, a colon, anything."""
    return _FOREIGN_ID.fullmatch(text) is not None
