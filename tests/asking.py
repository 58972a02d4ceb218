"""A front end in a few lines: sends a batch of lookups to the workers, and waits for the reply."""

import redis

from pipeline.runtime.redis_line import RedisLine
from pipeline.stages.messages import LookupBatch, LookupReply
from tasks import dispatch, replies


def ask(client: redis.Redis, batch: LookupBatch) -> LookupReply:
    """Return the workers' reply.

    Args:
        client: to Redis, for commands that wait.
        batch: what to ask.
    """
    line = RedisLine(client, again=False)
    dispatch.send_lookups(line, batch)
    reply = replies.pop(line, batch.reply_to, 30)
    line.close()
    assert reply is not None
    return reply
