"""Decides when the next batch of lookups is sent.

The decision depends on the queue, the batches in flight and the time. It has no clock, no lock and
no I/O.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STALLED_AFTER: Final = 1.0
"""Seconds after which an unanswered batch no longer delays others."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The rules by which batches are sent.

    1. With no batch in flight, the waiting lookups are sent at once.
    2. At most `in_flight` batches are in flight.
    3. While a batch is in flight, the next is sent when half a batch waits, or `hold_back` seconds
       after the last was sent. The reason: a batch costs the workers milliseconds, even with one
       lookup.
    4. A batch that is unanswered for `stalled_after` seconds does not count as in flight.

    Attributes:
        size: lookups that a batch may have (`[api] lookup_batch_size`).
        in_flight: batches that may be in flight (`[api] lookup_batches_in_flight`).
        hold_back: seconds (`[api] lookup_hold_back`); with 0 the next batch does not wait for more
            lookups.
        stalled_after: seconds.
    """

    size: int
    in_flight: int
    hold_back: float
    stalled_after: float = STALLED_AFTER

    def send_at(self, waiting: int, sent: Iterable[float], now: float) -> float:
        """Return when the next batch is to be sent.

        A result up to `now` means: send now. With a later result the caller waits, and calls again
        at that time, or earlier when a request comes or a batch is answered.

        Args:
            waiting: the number of waiting lookups.
            sent: when each unanswered batch was sent, on the monotonic clock.
            now: the time on that clock.

        Returns:
            A time on that clock; infinity if no lookup waits.
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
