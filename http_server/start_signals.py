"""Ends a server process that gets SIGTERM or SIGINT before it serves."""

import os
import signal


def exit_while_starting() -> None:
    """End this process with status 0 at SIGTERM or SIGINT, until `http_server.server.run` begins.

    Call this in the main thread before work that takes time. The handler does not raise an
    exception: Python ignores an exception in a destructor and in a callback of a C library, and the
    signal would be lost. Nothing is closed, as after SIGKILL.
    """

    def end(*_: object) -> None:
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
