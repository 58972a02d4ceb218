"""Decides when the next batch of lookups is sent.

The decision depends only on its arguments: the queue, the batches in flight and the time.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STALLED_AFTER: Final = 1.0
"""Seconds after which an unanswered batch no longer delays other batches."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The rules by which batches are sent.

    1. If no batch is in flight, the waiting lookups are sent at once.
    2. At most `in_flight` batches are in flight.
    3. If a batch is in flight, the next batch is sent when half a batch of lookups waits, or
       `hold_back` seconds after the last batch was sent. The reason: the workers need milliseconds
       for each batch, even for a batch with one lookup.
    4. A batch that is unanswered for `stalled_after` seconds does not count as in flight.

    Attributes:
        size: maximum sum of the weights of the lookups in a batch (`[api] lookup_batch_size`).
        in_flight: maximum number of batches in flight (`[api] lookup_batches_in_flight`).
        hold_back: maximum time in seconds for which a batch waits for more lookups while another is
            in flight (`[api] lookup_hold_back`); with 0 it does not wait.
        stalled_after: seconds after which an unanswered batch does not count as in flight.
    """

    size: int
    in_flight: int
    hold_back: float
    stalled_after: float = STALLED_AFTER

    def send_at(self, waiting: int, sent: Iterable[float], now: float) -> float:
        """Return the time at which the next batch is to be sent.

        If the result is not after `now`, the caller sends the batch. Otherwise the caller waits. It
        calls this method again at the returned time, and when a request arrives or a batch is
        answered before that.

        Args:
            waiting: sum of the weights of the waiting lookups, see `lookup_weight`.
            sent: the times at which the unanswered batches were sent, on the monotonic clock.
            now: the current time on the monotonic clock.

        Returns:
            A time on the monotonic clock; infinity if no lookup waits.
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
