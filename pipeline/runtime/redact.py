"""Masks secrets in log records and error reports.

This project's code logs no secrets. But errors of libraries contain URLs with passwords, and query
strings contain keys.
"""

import math
import re
from collections.abc import Mapping
from numbers import Integral, Real

MASK = "***"
DEPTH = 8
"""Levels of nested values that are kept; deeper ones are left out."""

_SECRET_NAMES = frozenset(
    {"authorization", "client", "cookie", "dsn", "passwd", "setcookie", "token", "user"}
)
_SECRET_ENDINGS = ("password", "secret", "apikey", "userkey", "clientkey", "dsn", "token")

_URL_LOGIN = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)([^\s/?#'\"]*)@")
_VALUE = r"('[^']*'|\"[^\"]*\"|(?:(?:Bearer|Basic)\s+)?[^\s&,;'\")}\]]+)"
_ASSIGNMENT = re.compile(
    r"(?<![A-Za-z])(password|passwd|secret|api_?key|client|user|user_?key|token|dsn)"
    rf"(=|['\"]\s?[:=]\s?){_VALUE}",
    re.IGNORECASE,
)
_HEADER = re.compile(
    rf"(?<![A-Za-z])(password|secret|api_?key|authorization)(:\s?){_VALUE}", re.IGNORECASE
)


def is_secret_name(name: object) -> bool:
    """Return whether a field of this name (``client``, ``user_key``, ``db_password``) is secret."""
    bare = "".join(sign for sign in str(name).lower() if sign.isalnum())
    return bare in _SECRET_NAMES or bare.endswith(_SECRET_ENDINGS)


def redact_text(text: str) -> str:
    """Mask logins in URLs, and the values of assignments such as ``client=...``."""
    if "://" in text:
        text = _URL_LOGIN.sub(_mask_login, text)
    if "=" in text or ":" in text:
        text = _ASSIGNMENT.sub(rf"\1\2{MASK}", text)
        text = _HEADER.sub(rf"\1\2{MASK}", text)
    return text


def redact(value: object, depth: int = DEPTH) -> object:
    """Return `value` as plain JSON with every secret masked.

    Mappings and sequences keep their form, bytes become their length, numbers stay, and any other
    value becomes its text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _redact_all(value, depth - 1) if depth else "..."
    return redact_text(str(value))


def redact_fields(fields: Mapping[str, object], depth: int = DEPTH) -> dict[str, object]:
    """Return named values with every secret masked; a field with a secret name is masked wholly."""
    return {
        str(name): MASK if value is not None and is_secret_name(name) else redact(value, depth)
        for name, value in fields.items()
    }


def _redact_all(
    value: Mapping[str, object]
    | list[object]
    | tuple[object, ...]
    | set[object]
    | frozenset[object],
    depth: int,
) -> object:
    if isinstance(value, Mapping):
        return redact_fields(value, depth)
    return [redact(each, depth) for each in value]


def _mask_login(match: re.Match[str]) -> str:
    scheme, login = match.groups()
    user, colon, _ = login.partition(":")
    # A login without a password is no secret in a database URL, but in a DSN it is the key.
    shown = f"{user}:{MASK}" if colon and not scheme.startswith("http") else MASK
    return f"{scheme}{shown}@" if colon or scheme.startswith("http") else match.group()
