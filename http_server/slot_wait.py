"""Limits the time for which a request waits for a slot of its client."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from http_server.bodies import LimitReachedError


def slot_in_time(
    slots: AbstractAsyncContextManager[object], latest: float
) -> AbstractAsyncContextManager[object]:
    """Return a context that holds a slot of a client, if one is free in time.

    Args:
        slots: the slots of the client; see `Connections.slots`.
        latest: time on the monotonic clock at which entering the context raises
            `LimitReachedError`; infinity for no limit.
    """
    if latest == math.inf or not isinstance(slots, asyncio.Semaphore) or not slots.locked():
        return slots
    return _within(slots, latest)


@asynccontextmanager
async def _within(slots: asyncio.Semaphore, latest: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(latest - time.monotonic()):
            await slots.acquire()
    except TimeoutError:
        raise LimitReachedError from None
    try:
        yield
    finally:
        slots.release()
