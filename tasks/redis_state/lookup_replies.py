"""How the answers of a batch of lookups travel back: a Redis list for each front-end process."""

from typing import Final, cast
from uuid import uuid4

import msgpack
import redis

from pipeline.messages import LookupReply, from_message, to_message

# A front end that is gone never reads its list again, so the list goes too.
_LIFETIME: Final = 60  # seconds

# One command costs a worker less than a pipeline of two.
_PUSH: Final = "redis.call('RPUSH', KEYS[1], ARGV[1]); redis.call('EXPIRE', KEYS[1], ARGV[2])"


def reply_key() -> str:
    """Return a new name for a front end's list."""
    return f"lookup:replies:{uuid4().hex}"


def push(client: redis.Redis, key: str, reply: LookupReply) -> None:
    """Append a reply to a front end's list.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    client.eval(_PUSH, 1, key, msgpack.packb(to_message(reply)), _LIFETIME)


def pop(client: redis.Redis, key: str, timeout: float) -> LookupReply | None:
    """Wait up to `timeout` seconds for the next reply on a list; None when none came.

    Args:
        client: for blocking commands, which sends none again.
        key: the list.
        timeout: seconds, above 0.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    popped = cast("tuple[bytes, bytes] | None", client.blpop([key], timeout))
    if popped is None:
        return None
    return from_message(LookupReply, msgpack.unpackb(popped[1]))
