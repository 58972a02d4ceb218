"""The parameters of a request, parsed as leniently as the public service does."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Self
from urllib.parse import parse_qsl
from uuid import UUID

from api.http.errors import RequestTooLargeError

Pair = tuple[str, str]

MAX_PAIRS: Final = 50_000
"""Pairs of the largest query string or form: ten times those of the largest body of submissions."""

MAX_TEXT: Final = 255
"""Characters of the longest text that is stored; the database indexes some of them."""

MAX_ID: Final = 2**31 - 1
"""The largest id of the database."""

# As Python's int, which the public service uses: digits of any script, and underscores.
_INTEGER: Final = re.compile(r"[+-]?\d+(?:_\d+)*")
_MAX_DIGITS: Final = 100  # Python refuses to convert very long numbers
_SUFFIX: Final = re.compile(r"[0-9]{1,18}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FOREIGN_ID: Final = re.compile(r"[0-9a-z]+:.+", re.DOTALL)

NIL: Final = UUID(int=0)


class Parameters:
    """Names with one or more values, in the order of the request.

    Args:
        pairs: of the query string, then of the body. Where one value is needed, it is the first.
    """

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def followed_by(self, pairs: Iterable[Pair]) -> Self:
        """Return these parameters, followed by other pairs."""
        own = [(name, value) for name, values in self._values.items() for value in values]
        return type(self)([*own, *pairs])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, each once."""
        return iter(self._values)

    def get(self, name: str) -> str | None:
        """Return the first value, None if there is none."""
        values = self._values.get(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Return all values, in order."""
        return list(self._values.get(name, ()))

    def get_text(self, name: str, longest: int = MAX_TEXT) -> str | None:
        """Return the first value, cut to a length, without NUL; None if it is empty or absent."""
        value = self.get(name)
        return value.replace("\0", " ")[:longest] if value else None

    def get_int(self, name: str) -> int | None:
        """Return the first value as an integer, None if it is absent or not an integer."""
        value = self.get(name)
        return None if value is None else parse_int(value)

    def suffixes(self, *stems: str) -> list[int | None]:
        """Return the suffixes of all parameters with one of the stems, ascending.

        The suffix of ``fingerprint`` is None, which comes first. That of ``fingerprint.7`` and
        ``fingerprint.007`` is 7. Suffixes that are not ASCII numbers are ignored.
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

    Bytes that are not UTF-8 become U+FFFD. A pair without ``=`` has an empty value.

    Raises:
        RequestTooLargeError: more pairs than `MAX_PAIRS`.
    """
    pieces = text.split("&", MAX_PAIRS)
    if len(pieces) > MAX_PAIRS:
        raise RequestTooLargeError(f"a request may have {MAX_PAIRS} parameters")
    if "%" in text:
        return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")
    # The same, but faster, for a text without escapes. A fingerprint needs none.
    split = (piece.replace("+", " ").partition("=") for piece in pieces if piece)
    return [(name, value) for name, _, value in split]


def suffixed(stem: str, index: int | None) -> str:
    """Return the name of a parameter with its suffix, such as ``fingerprint.7``."""
    return stem if index is None else f"{stem}.{index}"


def parse_int(text: str) -> int | None:
    """Return an integer in decimal digits, with optional spaces around it and an optional sign."""
    stripped = text.strip()
    if len(stripped) > _MAX_DIGITS or not _INTEGER.fullmatch(stripped):
        return None
    return int(stripped)


def parse_uuid(text: str) -> UUID | None:
    """Return a UUID in the form 8-4-4-4-12, in either case; None if the text is not one."""
    return UUID(text) if _UUID.fullmatch(text) else None


def is_foreign_id(text: str) -> bool:
    """Tell whether a text is ``vendor:id``: lower-case letters or digits, a colon, any text."""
    return _FOREIGN_ID.fullmatch(text) is not None
