"""The generation of the catalogue as a request sees it: read after the request came."""

import threading
from collections.abc import Callable

import redis

from api.redis_watch import RedisWatch
from tasks import generation


class Generations:
    """Reads the generation for many threads with few commands.

    Args:
        client: to Redis, with a short time-out.
        watch: notices outages.
        read: asks Redis.
    """

    def __init__(
        self,
        client: redis.Redis,
        watch: RedisWatch,
        read: Callable[[redis.Redis], bytes | None] = generation.read,
    ) -> None:
        self._client = client
        self._watch = watch
        self._read = read
        self._reading = threading.Lock()
        self._begun = 0
        self._latest: bytes | None = None

    def current(self) -> bytes | None:
        """Return the generation as it was after the call; None without Redis, or while it changes.

        Whoever comes while another thread reads shares the next reading with all who wait.
        """
        begun = self._begun
        with self._reading:
            if self._begun == begun:  # none has begun since
                self._begun += 1
                self._latest = self._watch.ask(lambda: self._read(self._client), None)
            return self._latest
