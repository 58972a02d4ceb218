"""The file ``pg_hba.conf`` of a new PostgreSQL: all connections need a password."""

import re
from pathlib import Path
from typing import Final

INITIAL_METHOD: Final = "reject"
"""The method that ``initdb`` writes. With it, ``initdb`` needs no file with a password."""

METHOD: Final = "scram-sha-256"

_ENTRY: Final = re.compile(rf"^((?:local|host)\s.*\s){INITIAL_METHOD}$", re.MULTILINE)


def require_passwords(data: Path) -> None:
    """Replace the method of all entries that ``initdb`` has written.

    Args:
        data: PostgreSQL's data directory.
    """
    path = data / "pg_hba.conf"
    path.write_text(_ENTRY.sub(rf"\g<1>{METHOD}", path.read_text("utf-8")), "utf-8")
