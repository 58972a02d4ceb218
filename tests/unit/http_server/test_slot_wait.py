"""A request waits for a slot of its client for a limited time."""

import asyncio
import time

import pytest

from http_server.bodies import LimitReachedError
from http_server.slot_wait import slot_in_time


def test_no_request_waits_for_a_slot_of_its_client_for_ever() -> None:
    """A slot that is not free in time is an error; a free one is taken."""

    async def call() -> float:
        slots = asyncio.Semaphore(1)
        async with slot_in_time(slots, time.monotonic()):
            begun = time.monotonic()
            with pytest.raises(LimitReachedError):
                async with slot_in_time(slots, begun + 0.05):
                    pass
            waited = time.monotonic() - begun
        async with slot_in_time(slots, time.monotonic()):
            assert slots.locked()
        assert not slots.locked()
        return waited

    assert 0.04 < asyncio.run(call()) < 5
