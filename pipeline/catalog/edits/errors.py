"""The errors of edits. Their messages are for admins and contain no text of an exception."""

from collections.abc import Sequence
from typing import Final

_MOST: Final = 10


class EditRefusedError(Exception):
    """The edit is not possible. Nothing was changed. The message has the reason."""


class NotInCatalogueError(EditRefusedError):
    """A track, a link, a text or an edit does not exist."""


class UnknownFingerprintError(NotInCatalogueError):
    """A fingerprint does not exist."""


def listed(texts: Sequence[object], separator: str = ", ") -> str:
    """Return texts for a message; of more than `_MOST` only the first, and how many follow."""
    shown = [*map(str, texts[:_MOST])]
    if len(texts) > _MOST:
        shown.append(f"and {len(texts) - _MOST} more")
    return separator.join(shown)
