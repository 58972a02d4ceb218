"""The normal form of a request's path."""

import re
from typing import Final

_SLASHES: Final = re.compile("/{2,}")


def normal_path(path: str) -> str:
    """Return a path without repeated slashes and without a slash at its end; ``/`` stays."""
    if "//" not in path and path[-1:] != "/":
        return path
    return _SLASHES.sub("/", path).rstrip("/") or "/"
