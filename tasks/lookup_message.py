"""The message that carries a batch of lookups to the workers.

It is what Celery and kombu make of the chain's first task. They need four times as long for it as
its contents do, though all but these is the same in every message; so it is made once, with marks
where the contents belong.
"""

import json
import time
from functools import cache
from typing import Any, Final
from uuid import uuid4

import msgpack
import pybase64

from pipeline.runtime import trace
from pipeline.stages.messages import LookupBatch, to_message
from tasks import lookup
from tasks.celery import app
from tasks.queues import LOOKUP, SENT_HEADER
from tasks.signals import TRACE_HEADER

_ID: Final = "<id>"
_TRACE: Final = "<trace>"
_COUNT: Final = "<count>"
_SENT: Final = "<sent>"
_BODY: Final = "<body>"

_STAGES: Final = " → ".join(name.removeprefix("lookup.") for name in lookup.STAGES)


def lookup_message(batch: LookupBatch) -> str:
    """Return the message as it lies in Redis."""
    packed = msgpack.packb(((to_message(batch),), {}, _embedded()))
    return (
        _message()
        .replace(_ID, str(uuid4()))
        .replace(_TRACE, trace.current_trace_id() or trace.new_trace_id())
        .replace(f'"{_SENT}"', repr(time.time()))
        .replace(_COUNT, str(len(batch.lookups)))
        .replace(_BODY, pybase64.b64encode_as_string(packed))
    )


@cache
def _message() -> str:
    """Return a message with marks in it."""
    headers, properties, *_ = app.amqp.create_task_message(
        _ID,
        lookup.validate.name,
        ignore_result=True,
        argsrepr=f"({_COUNT} lookups: {_STAGES})",
        kwargsrepr="{}",
    )
    return json.dumps(
        {
            "body": _BODY,
            "content-encoding": "binary",
            "content-type": "application/x-msgpack",
            "headers": {**headers, TRACE_HEADER: _TRACE, SENT_HEADER: _SENT},
            "properties": {
                **properties,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": LOOKUP},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": _ID,
            },
        }
    )


@cache
def _embedded() -> dict[str, Any]:
    """Return what tells the worker which stages follow the first, the next one last."""
    stages = (lookup.dedupe, lookup.score, lookup.describe)
    chain = [dict(stage.s()) for stage in reversed(stages)]
    return {"callbacks": None, "errbacks": None, "chain": chain, "chord": None}
