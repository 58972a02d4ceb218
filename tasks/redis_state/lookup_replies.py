"""Replies to batches of lookups: a Redis list for each front-end process."""

from typing import Final, cast
from uuid import uuid4

import msgpack
import redis

from pipeline.messages import LookupReply, from_message, to_message

# Redis deletes the list of a front end that has ended.
_LIFETIME: Final = 60  # seconds

# One script takes a worker less time than a pipeline of two commands.
_PUSH: Final = "redis.call('RPUSH', KEYS[1], ARGV[1]); redis.call('EXPIRE', KEYS[1], ARGV[2])"


def reply_key() -> str:
    """Return a new key for the list of a front end."""
    return f"lookup:replies:{uuid4().hex}"


def push(client: redis.Redis, key: str, reply: LookupReply) -> None:
    """Append a reply to the list of a front end.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    client.eval(_PUSH, 1, key, msgpack.packb(to_message(reply)), _LIFETIME)


def pop(client: redis.Redis, key: str, timeout: float) -> LookupReply | None:
    """Wait for the next reply in a list; return None after the timeout.

    Args:
        client: a client for blocking commands, without retries.
        key: the key of the list.
        timeout: seconds, above 0.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    popped = cast("tuple[bytes, bytes] | None", client.blpop([key], timeout))
    if popped is None:
        return None
    return from_message(LookupReply, msgpack.unpackb(popped[1]))
