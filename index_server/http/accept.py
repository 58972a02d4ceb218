"""Chooses a media type by the header ``Accept`` (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_FULL_QUALITY: Final = 1.0


def preferred_type(accept: str, offered: Sequence[str]) -> str | None:
    """Return the offered type that the client prefers, None if it accepts none of them.

    That is the type with the highest quality. If several have it, types that the header names
    precede those that match only a wildcard. Then the order of `offered` decides.

    Args:
        accept: the value of the header. Invalid parts of it have no effect.
        offered: media types in lower case.
    """
    ranges = dict(map(_range, accept.split(",")))
    best, best_rank = None, (0.0, False)
    for each in offered:
        named = each in ranges
        family = each.partition("/")[0] + "/*"
        quality = next((ranges[name] for name in (each, family, "*/*") if name in ranges), 0.0)
        if quality > 0 and (quality, named) > best_rank:
            best, best_rank = each, (quality, named)
    return best


def _range(text: str) -> tuple[str, float]:
    """Return a media type or wildcard of the header, and its quality, 0 to 1."""
    name, *parameters = text.split(";")
    quality = _FULL_QUALITY
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            with suppress(ValueError):
                quality = float(value)
    return name.strip().lower(), quality
