"""When the next batch of lookups is sent: a function of the queue, the batches in flight, the time.

It has no clock, no lock and no I/O of its own.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HOLD_BACK: Final = 0.025
"""Seconds between two batches while one is in flight, unless half a batch waits."""

STALLED_AFTER: Final = 1.0
"""Seconds after which an unanswered batch no longer holds back others."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The rules by which batches are sent.

    1. With no batch in flight, whatever waits is sent at once.
    2. At most `in_flight` batches are in flight.
    3. Beside a batch in flight, the next one is sent when half a batch waits, or `hold_back`
       seconds after the last one was sent: a batch costs the workers milliseconds, however few
       lookups it carries.
    4. A batch that is unanswered for `stalled_after` seconds does not count as in flight.

    Attributes:
        size: lookups that a batch may carry.
        in_flight: batches that may be in flight.
        hold_back: seconds; 0 sends a second batch without waiting for more lookups.
        stalled_after: seconds.
    """

    size: int
    in_flight: int
    hold_back: float = HOLD_BACK
    stalled_after: float = STALLED_AFTER

    def send_at(self, waiting: int, sent: Iterable[float], now: float) -> float:
        """Return when the next batch is to be sent, as far as is known now.

        A moment that is not after `now` means: send now. Any other means: wait until then, and ask
        again then or when a request comes or a batch is answered.

        Args:
            waiting: lookups that wait.
            sent: when each unanswered batch was sent, on the monotonic clock.
            now: the time on that clock.

        Returns:
            A time on that clock, infinity where nothing waits.
        """
        if waiting == 0:
            return math.inf
        counted = sorted(each for each in sent if each + self.stalled_after > now)
        if not counted:
            return now
        if len(counted) >= self.in_flight:
            return counted[-self.in_flight] + self.stalled_after
        if waiting >= self.size / 2:
            return now
        return counted[-1] + min(self.hold_back, self.stalled_after)
