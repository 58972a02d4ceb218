"""Whether a pooled connection still has its server, found out without asking it each time.

A server that ends, or ends a connection, says so on the socket at once: what has nothing to read
is alive. A round trip before every use, as SQLAlchemy's own ping is, costs a lookup as much as the
statement that it sends; here only a connection that shows something, or has rested for long, is
asked.
"""

import select
import time
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event, exc

RESTED: Final = 10.0
"""Seconds without use after which a connection is asked; a network may forget it in silence."""

_USED: Final = "acoustid_last_checkout"


def replace_dead_connections(engine: sqlalchemy.Engine) -> None:
    """Let the engine's pool replace a dead connection before it lends it."""

    def check(connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401 - the driver's
        now = time.monotonic()
        rested = now - record.info.get(_USED, now) > RESTED
        record.info[_USED] = now
        if (rested or _has_something_to_read(connection)) and not _answers(engine, connection):
            raise exc.InvalidatePoolError

    event.listen(engine, "checkout", check)


def _has_something_to_read(connection: Any) -> bool:  # noqa: ANN401 - the driver's
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _answers(engine: sqlalchemy.Engine, connection: Any) -> bool:  # noqa: ANN401 - the driver's
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False
