"""Limits the log records of nats-py: without tracebacks, and each text once a minute."""

import logging
import time
from typing import Final

INTERVAL: Final = 60.0
"""Seconds after which a text is logged again."""

LIBRARY: Final = "nats.aio.client"
"""The logger of nats-py's client. It logs errors that its callbacks do not get."""


def limit_library_logs() -> None:
    """Limit the records of nats-py. Further calls have no effect."""
    library = logging.getLogger(LIBRARY)
    if not any(isinstance(each, _Limit) for each in library.filters):
        library.addFilter(_Limit())
        logging.getLogger("asyncio").addFilter(_is_no_eof_warning)


def _is_no_eof_warning(record: logging.LogRecord) -> bool:
    """Return whether a record is logged: not the one at the end of each connection with TLS.

    The protocol of nats-py asks asyncio for something that has no effect with TLS.
    """
    return not str(record.msg).startswith("returning true from eof_received()")


class _Limit(logging.Filter):
    """Removes tracebacks, and drops repeated texts."""

    def __init__(self) -> None:
        super().__init__()
        self._latest: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged."""
        if record.exc_info and record.exc_info[0] is not None:
            record.msg = f"{record.getMessage()}: {record.exc_info[0].__name__}"
            record.args = ()
        record.exc_info = record.exc_text = None
        now = time.monotonic()
        text = record.getMessage()
        if now - self._latest.get(text, -INTERVAL) < INTERVAL:
            return False
        self._latest[text] = now
        return True
