"""A minimal worker that answers batches of lookups through a real Redis."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import redis

from pipeline.messages import Lookup, LookupBatch, LookupReply
from tasks.redis_state import lookup_replies

Answer = dict[str, Any]


def echo(lookup: Lookup) -> Answer:
    """Return a result whose id is the track id or the duration of the lookup."""
    result_id = lookup.track_gid or str(lookup.duration)
    return {"results": [{"id": result_id, "score": 1.0}]}


def refuse(*durations: int) -> Callable[[Lookup], Answer]:
    """Return a worker's answer that cannot decode the fingerprints of these durations."""

    def answer(lookup: Lookup) -> Answer:
        return {"error": "truncated"} if lookup.duration in durations else echo(lookup)

    return answer


class Answering:
    """Receives batches as `tasks.dispatch.send_lookups` does, and pushes a reply for each.

    Attributes:
        answer: returns the answer to a lookup.
        batches: all batches that were sent.
        held: if true, batches are not answered before `release`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.answer: Callable[[Lookup], Answer] = echo
        self.batches: list[LookupBatch] = []
        self.arrived = threading.Condition()
        self.held = False
        self._kept: list[LookupBatch] = []

    def send(self, batch: LookupBatch) -> None:
        """Receive a batch."""
        with self.arrived:
            self.batches.append(batch)
            if self.held:
                self._kept.append(batch)
            self.arrived.notify_all()
        if not self.held:
            threading.Thread(target=self.reply, args=(batch,)).start()

    def reply(self, batch: LookupBatch, *, failed: bool = False) -> None:
        """Answer a batch."""
        answers = [] if failed else [self.answer(lookup) for lookup in batch.lookups]
        lookup_replies.push(self.client, batch.reply_to, LookupReply(batch.id, answers, failed))

    def wait_for(self, count: int) -> list[LookupBatch]:
        """Wait until `count` batches have arrived, and return all."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.batches) >= count, timeout=30)
            return list(self.batches)

    def release(self, batches: Iterable[LookupBatch] | None = None) -> None:
        """Answer the held batches, or the given ones. Later batches are answered at once."""
        with self.arrived:
            self.held = False
            kept, self._kept = self._kept, []
        for batch in kept if batches is None else batches:
            self.reply(batch)
