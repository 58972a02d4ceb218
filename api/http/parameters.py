"""Parses the parameters of a request, with the same leniency as the public service."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Self
from urllib.parse import parse_qsl
from uuid import UUID

from api.http.errors import RequestTooLargeError

Pair = tuple[str, str]

MAX_PAIRS: Final = 50_000
"""Maximum number of pairs in a query string or form. The largest real form has a tenth of it."""

MAX_TEXT: Final = 255
"""Maximum number of characters of a text that is stored; the database indexes some texts."""

MAX_ID: Final = 2**31 - 1
"""Maximum id in the database."""

# The syntax of Python's int, which the public service uses: digits of any script, and underscores.
_INTEGER: Final = re.compile(r"[+-]?\d+(?:_\d+)*")
_SECONDS: Final = re.compile(r"([+-]?)([0-9]+)\.([0-9]+)")
_MAX_DIGITS: Final = 100  # Python refuses to convert more than 4300 digits
_SUFFIX: Final = re.compile(r"[0-9]{1,18}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FOREIGN_ID: Final = re.compile(r"[0-9a-z]+:.+", re.DOTALL)

NIL: Final = UUID(int=0)


class Parameters:
    """Parameter names with one or more values, in the order of the request.

    Args:
        pairs: the pairs of the query string, followed by those of the body. Where a parameter has
            several values but one is needed, the first is used.
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
        """Iterate over the distinct names."""
        return iter(self._values)

    def get(self, name: str) -> str | None:
        """Return the first value, None if there is none."""
        values = self._values.get(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Return all values, in order."""
        return list(self._values.get(name, ()))

    def get_text(self, name: str, longest: int = MAX_TEXT) -> str | None:
        """Return the first value, cut to `longest` characters; None if it is empty or absent.

        A space replaces each NUL character, which PostgreSQL refuses.
        """
        value = self.get(name)
        return value.replace("\0", " ")[:longest] if value else None

    def get_int(self, name: str) -> int | None:
        """Return the first value as an integer; None if it is absent or not an integer."""
        value = self.get(name)
        return None if value is None else parse_int(value)

    def get_seconds(self, name: str) -> int | None:
        """Return the first value as whole seconds; None if it is absent or not a duration."""
        value = self.get(name)
        return None if value is None else parse_seconds(value)

    def suffixes(self, *stems: str) -> list[int | None]:
        """Return the distinct suffixes of all parameters with one of the stems, in ascending order.

        The suffix of ``fingerprint`` is None, which comes first. The suffix of ``fingerprint.7``
        and of ``fingerprint.007`` is 7. Suffixes that are not ASCII numbers are ignored.
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
    """Return the pairs of a query string or of a urlencoded form.

    Bytes that are not UTF-8 become U+FFFD. A pair without ``=`` has an empty value.

    Raises:
        RequestTooLargeError: the text has more than `MAX_PAIRS` pairs.
    """
    pieces = text.split("&", MAX_PAIRS)
    if len(pieces) > MAX_PAIRS:
        raise RequestTooLargeError(f"a request may have at most {MAX_PAIRS} parameters")
    if "%" in text:
        return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")
    # The same result in less time, for texts without escapes; fingerprints have no escapes.
    split = (piece.replace("+", " ").partition("=") for piece in pieces if piece)
    return [(name, value) for name, _, value in split]


def suffixed(stem: str, index: int | None) -> str:
    """Return the name of a parameter with a suffix, such as ``fingerprint.7``."""
    return stem if index is None else f"{stem}.{index}"


def parse_int(text: str) -> int | None:
    """Return the integer in a text of decimal digits; None if the text is not an integer.

    A sign, and white space around the integer, are allowed.
    """
    stripped = text.strip()
    if len(stripped) > _MAX_DIGITS or not _INTEGER.fullmatch(stripped):
        return None
    return int(stripped)


def parse_seconds(text: str) -> int | None:
    """Return a duration in whole seconds, rounded half up; None if the text is not a duration.

    A duration is an integer as `parse_int` accepts it, or ASCII digits, a dot and ASCII digits. A
    sign, and white space around the duration, are allowed.
    """
    whole = parse_int(text)
    if whole is not None:
        return whole
    stripped = text.strip()
    found = _SECONDS.fullmatch(stripped) if len(stripped) <= _MAX_DIGITS else None
    if found is None:
        return None
    sign, digits, fraction = found.groups()
    seconds = int(digits) + (fraction[0] >= "5")
    return -seconds if sign == "-" else seconds


def parse_uuid(text: str) -> UUID | None:
    """Return the UUID in a text of the form 8-4-4-4-12; None if the text is not a UUID."""
    return UUID(text) if _UUID.fullmatch(text) else None


def is_foreign_id(text: str) -> bool:
    """Return whether a text is ``vendor:id``; a vendor has lower-case letters and digits."""
    return _FOREIGN_ID.fullmatch(text) is not None
