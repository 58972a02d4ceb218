"""Text metadata of submissions: the fields, and how they are cleaned before they are stored."""

import re
from collections.abc import Mapping
from typing import Any, Final

TEXT_FIELDS: Final = ("track", "artist", "album", "album_artist")
NUMBER_FIELDS: Final = ("track_no", "disc_no", "year")

_MAX_NUMBER: Final = 10_000  # a track or disc number above it is a mistake
_BLANK: Final = re.compile(r"[\s\0]+")


def clean(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known, truthy fields, every run of white space or NUL as one space.

    Track and disc numbers above 10,000 are left out, as the public service does.
    """
    cleaned: dict[str, Any] = {}
    for name in TEXT_FIELDS:
        if fields.get(name):
            cleaned[name] = _BLANK.sub(" ", str(fields[name]))
    for name in NUMBER_FIELDS:
        number = fields.get(name)
        if number and (name == "year" or number <= _MAX_NUMBER):
            cleaned[name] = number
    return cleaned
