"""Celery's way to Redis, with fewer commands and objects on the way.

kombu makes a new `redis.Redis` for every publish and every acknowledgement. A client of redis-py is
a table of some hundred callbacks beside its pool: making it takes longer than the command, and a
batch of lookups needs several of them on its way. So a channel keeps one client for each pool.

Redis knows no acknowledgement, so kombu keeps a copy of every message until its task has ended, and
forgets it then: two transactions. A queue that is declared with ``no_ack`` has no copies kept;
kombu would send the second transaction all the same.
"""

from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):
    """kombu's acknowledgements, for the messages that are kept until then."""

    def ack(self, delivery_tag: str) -> None:
        """Forget the copy of a message, if there is one."""
        if delivery_tag in self._delivered:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]


class Channel(redis.Channel):
    """A channel that keeps its client; clients of one pool may be used side by side."""

    QoS = QoS

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
