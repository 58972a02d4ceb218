"""The form of API keys: new random keys, and the check of a given one."""

import base64
import secrets
from typing import Final

KEY_LENGTH: Final = 10
"""Number of characters of a random key."""

MAX_KEY_LENGTH: Final = 100
"""Maximum number of characters of a key. The API looks up no longer text."""


class InvalidKeyError(ValueError):
    """A text cannot be a key; the message says why."""


def generate_key() -> str:
    """Return a random key of ten letters and digits, about 59 bits."""
    text = base64.b64encode(secrets.token_bytes(20), altchars=b"//").decode("ascii")
    return text.replace("/", "").replace("=", "")[:KEY_LENGTH]


def is_possible(text: str) -> bool:
    """Return whether the database may contain a text as a key. PostgreSQL refuses NUL."""
    return len(text) <= MAX_KEY_LENGTH and "\0" not in text


def checked_key(text: str) -> str:
    """Return a key that an operator has given.

    Raises:
        InvalidKeyError: it is empty or too long, or it has a space or an unprintable character.
    """
    if not text:
        raise InvalidKeyError("a key needs at least one character")
    if len(text) > MAX_KEY_LENGTH:
        raise InvalidKeyError(f"a key has at most {MAX_KEY_LENGTH} characters, not {len(text)}")
    if not text.isprintable() or " " in text:
        raise InvalidKeyError("a key has no spaces and no control characters")
    return text
