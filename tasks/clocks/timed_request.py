"""A worker's request whose due time and expiry do not depend on the publisher's clock."""

import time
from datetime import datetime
from typing import Any

from tasks.clocks.message_times import DELAY_HEADER, LIFETIME_HEADER, local_time
from tasks.recovery.lost_acknowledgement import ForgettingRequest
from tasks.worker_resources import worker_resources


class TimedRequest(ForgettingRequest):
    """Computes ``eta`` and ``expires`` from the headers of `tasks.clocks.message_times`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's arguments
        """Compute the expiry; Celery compares it with the clock of this host."""
        super().__init__(*args, **kwargs)
        if self.expires is not None and (local := self._local(LIFETIME_HEADER)):
            self.expires: datetime | None = local

    @property
    def eta(self) -> datetime | None:
        """The time at which the task is due, by the clock of this host."""
        due: datetime | None = super().eta
        return due if due is None else self._local(DELAY_HEADER) or due

    def _local(self, header: str) -> datetime | None:
        shared = worker_resources().clock.now()
        return local_time(self.request_dict, header, shared, time.time())
