"""The variables of libpq, such as ``PGOPTIONS`` and ``PGHOSTADDR``.

libpq applies them to each connection. They are meant for another server than an embedded one, and
could send its password there.
"""

import os
from typing import Final

LIBPQ_PREFIX: Final = "PG"
"""Prefix of the names of all variables of libpq."""


def remove_libpq_variables() -> None:
    """Remove the variables from the environment of this process."""
    for name in [name for name in os.environ if name.startswith(LIBPQ_PREFIX)]:
        del os.environ[name]
