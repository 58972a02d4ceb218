"""Waits that a stop of the process ends."""

import asyncio
from contextlib import suppress


async def wait_for_stop(stop: asyncio.Event, seconds: float) -> None:
    """Wait for a stop, at most for some seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
