"""Celery's way to Redis, with one client for each connection pool instead of one for each command.

kombu makes a new `redis.Redis` for every publish and every acknowledgement. A client of redis-py is
a table of some hundred callbacks beside its pool: making it takes longer than the command, and a
batch of lookups needs five of them on its way.
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that keeps its client; clients of one pool may be used side by side."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - kombu's signature
        if asynchronous:  # kombu keeps these itself
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call]
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[no-untyped-call]
        return self._kept


class Transport(redis.Transport):
    """kombu's transport with that channel."""

    Channel = Channel
