"""The folders of the sketch index: one for each rate, in the directory of the settings.

A new rate needs another index. It is filled in its own folder while the old one is in use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"rate-([1-9][0-9]{0,3})", re.ASCII)


def sketch_folder(directory: Path, rate: int) -> Path:
    """Return the folder of the sketch index with a rate.

    Args:
        directory: the directory of the settings.
        rate: the index has one of so many terms.
    """
    return directory / f"rate-{rate}"


def other_rates(directory: Path, rate: int) -> list[int]:
    """Return the other rates with a folder, the closest rate first.

    Args:
        directory: the directory of the settings; one that does not exist has no folders.
        rate: the rate of the settings.

    Raises:
        OSError: the directory cannot be read.
    """
    named = (_NAME.fullmatch(path.name) for path in directory.glob("rate-*"))
    found = {int(match[1]) for match in named if match} - {rate}
    return sorted(found, key=lambda each: (abs(each - rate), each))
