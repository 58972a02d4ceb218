"""How a front end hands a batch of lookups to the workers: one message, or a chain."""

import time
from collections.abc import Callable

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from pipeline.messages import LookupBatch, to_message
from tasks import lookup
from tasks.celery import app
from tasks.fast_path import fused
from tasks.fast_path.paths import FastPath
from tasks.fast_path.producer import KeptProducer


class LookupSender:
    """Publishes batches of lookups as the settings ask for; for one thread at a time.

    Args:
        paths: the parts of the fast path that are on.
        clock: seconds on a clock that never goes back.
    """

    def __init__(self, paths: FastPath, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._clock = clock
        self._sampled = -fused.SAMPLE_INTERVAL
        self._producer = KeptProducer(app)

    def send(self, batch: LookupBatch) -> None:
        """Publish a batch.

        Raises:
            kombu.exceptions.OperationalError: the broker is away or refuses the message.
        """
        try:
            if self._paths.fuses_stages:
                self._send_fused(batch)
            else:
                lookup.send_chain(batch)
        except RedisError as error:  # Celery passes a refusal on as it is
            raise OperationalError(str(error)) from error

    def _send_fused(self, batch: LookupBatch) -> None:
        now = self._clock()
        is_sampled = fused.is_sampled(now, self._sampled)
        task = fused.sampled_batch if is_sampled else fused.batch
        args, shown = (to_message(batch),), f"({len(batch.lookups)} lookups)"
        if self._paths.keeps_producer:
            self._producer.publish(task.name, args, argsrepr=shown)
        else:
            task.apply_async(args, argsrepr=shown)
        if is_sampled:
            self._sampled = now
