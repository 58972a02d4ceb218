"""When a request is sent again: after how long a pause, and until when."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from cli.commands.client.messages import tell

PATIENCE: Final[Mapping[int, float]] = {429: 300.0, 503: 30.0}
"""Seconds for which a request is repeated, by the status of its replies."""

MIN_PAUSE: Final = 1.0
"""Minimum time in seconds between two attempts."""

TELL_AGAIN: Final = 10.0
"""Seconds in which the same wait is told once."""


@dataclass(slots=True)
class Deadlines:
    """The moments at which one request is given up.

    The time of a status starts with the first attempt that got it. It includes the time of the
    attempts themselves: a proxy may need long for each of its replies.
    """

    _since: dict[int, float] = field(default_factory=dict)
    _sent: float = 0.0

    def start_attempt(self) -> None:
        """Remember that an attempt starts now."""
        self._sent = time.monotonic()

    def permit(self, status: int, pause: float) -> bool:
        """Return whether another attempt may follow a pause.

        Args:
            status: the status of the reply to the current attempt.
            pause: the pause in seconds.
        """
        if status not in PATIENCE:
            return False
        since = self._since.setdefault(status, self._sent)
        return time.monotonic() + pause <= since + PATIENCE[status]


class WaitNotices:
    """Tells waits on standard error, each one at most once in `TELL_AGAIN`. It is thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def tell(self, key: str, text: str) -> None:
        """Print a text, unless one with the same key was printed just before."""
        now = time.monotonic()
        with self._lock:
            recent = {each: at for each, at in self._told.items() if now < at + TELL_AGAIN}
            if key in recent:
                return
            self._told = {**recent, key: now}
        tell(text)


def pause_of(header: str | None) -> float:
    """Return the seconds to wait that a header ``Retry-After`` asks for, at least `MIN_PAUSE`.

    Args:
        header: a number of seconds, which may have a fraction, or an HTTP date; None or another
            text is the same as 1.
    """
    text = (header or "").strip()
    try:
        seconds = float(text) if text[:1].isdigit() else _seconds_until(text)
    except (ValueError, OverflowError):
        seconds = MIN_PAUSE
    return max(MIN_PAUSE, seconds)


def seconds_text(pause: float) -> str:
    """Return a number of seconds as text, such as ``1.5 s``."""
    return f"{pause:.1f}".removesuffix(".0") + " s"


def _seconds_until(date: str) -> float:
    found = parsedate_to_datetime(date)
    moment = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
