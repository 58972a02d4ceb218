"""A comment in an effective ``acoustid.conf`` that names its stack.

The file of another stack leads to the databases of that stack. The comment has a digest of the
token in ``stack.json``. A file of an earlier version has no comment.
"""

import hashlib
import re
from pathlib import Path
from typing import Final

_MARK: Final = re.compile(r"^# Stack [0-9a-f]{32}$", re.MULTILINE)


def mark_of(token: str) -> str:
    """Return the comment for the stack with a token."""
    return f"# Stack {hashlib.sha256(f'acoustid {token}'.encode()).hexdigest()[:32]}"


def find_mark(config: Path) -> str | None:
    """Return the comment in a configuration; None if it is missing, unreadable or has none."""
    try:
        text = config.read_bytes().decode(errors="replace") if config.is_file() else ""
    except OSError:
        return None
    found = _MARK.search(text)
    return found[0] if found else None
