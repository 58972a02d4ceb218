"""A minimal front end: sends a batch of lookups to the workers and waits for the reply."""

from collections.abc import Callable

import redis

from pipeline.messages import LookupBatch, LookupReply
from tasks import dispatch
from tasks.redis_state import lookup_replies

Send = Callable[[LookupBatch], None]


def ask(client: redis.Redis, batch: LookupBatch, send: Send = dispatch.send_lookups) -> LookupReply:
    """Send a batch and return the workers' reply.

    Args:
        client: a Redis client for blocking commands.
        batch: the lookups.
        send: publishes the batch.
    """
    send(batch)
    reply = lookup_replies.pop(client, batch.reply_to, 30)
    assert reply is not None
    return reply
